"""What can be done about a job that ended badly, by the code of its error."""

from dataclasses import dataclass

from progrock.jobs.states import JobErrorCode


@dataclass(frozen=True, slots=True)
class Advice:
    """What happened, and what somebody who wants the job done can do."""

    what: str
    todo: str


ADVICE = {
    JobErrorCode.BACKEND_REFUSED: Advice(
        "The backend did not take the job.",
        "Nothing was started. Change what the backend complains of, and retry.",
    ),
    JobErrorCode.BACKEND_FAILED: Advice(
        "The backend reports that the work failed.",
        "The reason is the backend's own; the log may say more. When the cause is gone, retry.",
    ),
    JobErrorCode.BACKEND_UNREACHABLE: Advice(
        "The backend did not answer for too long.",
        "The work may go on there, unseen. See whether the backend is up, then retry.",
    ),
    JobErrorCode.BAD_REPLY: Advice(
        "The backend answered something that could not be understood.",
        "Its description here may not fit any longer: an administrator can look with "
        "manage.py backends try.",
    ),
    JobErrorCode.LOST: Advice(
        "The backend does not know the job any more.",
        "It may have been restarted, or have thrown the job away. Retry to start it anew.",
    ),
    JobErrorCode.START_UNKNOWN: Advice(
        "Nobody knows whether the backend has started the job.",
        "The start was sent and never answered. See at the backend whether it runs before you "
        "retry: it could run twice.",
    ),
    JobErrorCode.STALLED: Advice(
        "Nothing moved for too long, so the job was given up.",
        "The last lines of the log may say where it hangs. When the cause is gone, retry.",
    ),
    JobErrorCode.TIMED_OUT: Advice(
        "The time allowed for the job ran out.",
        "Make the work smaller, or have the backend's time limit raised, and retry.",
    ),
}
OTHERWISE = Advice("The job failed.", "The log may say more. When the cause is gone, retry.")


def advice_on(code: str) -> Advice:
    """Return what to say of an error's code, also of one that is not known here."""
    return ADVICE.get(JobErrorCode(code), OTHERWISE) if code in set(JobErrorCode) else OTHERWISE
