"""The tree of errors that the client raises. Each has a stable `code`; the message says what to do.

ProgRockError
└── ClientError
    ├── BadAddress       bad_address       what was given as the server's address is none
    ├── ServerAway       unreachable       no answer came (also a ConnectionError)
    ├── BadAnswer        bad_answer        what answered is not a ProgRock server
    ├── Refused          the server's code a request that cannot be done (PROTOCOL section 2.7)
    │   └── Conflict     conflict          somebody else was quicker; `details` has what holds now
    ├── WaitedTooLong    waited_too_long   the caller's own timeout is over (also a TimeoutError)
    ├── JobEnded         the job's code    a result was asked for, and there is none
    │   ├── JobFailed
    │   ├── JobCancelled
    │   └── JobTimedOut
    └── Cancelled        cancelled         somebody cancelled the job that `track` reports
"""

from typing import TYPE_CHECKING, Any

from progrock.errors import ProgRockError
from progrock.protocol.states import State

if TYPE_CHECKING:
    from progrock.client.values import Snapshot


class ClientError(ProgRockError):
    """The root of what the client raises. `is_retryable`: the same may succeed later."""

    is_retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadAddress(ClientError, ValueError):
    """Raised for an address that cannot be one."""

    def __init__(self, url: str) -> None:
        super().__init__(
            "bad_address",
            f"{url!r} is not the address of a server. Give one such as http://127.0.0.1:8000, "
            "here or in PROGROCK_URL.",
        )


class ServerAway(ClientError, ConnectionError):
    """Raised when the server cannot be reached, or was lost for longer than the patience."""

    is_retryable = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            "unreachable",
            f"No answer from {url} ({reason}). Is the server running, and is the address right? "
            "It is set by PROGROCK_URL.",
        )


class BadAnswer(ClientError):
    """Raised when an answer is not one of ProgRock's protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_answer", message)


class Refused(ClientError):
    """Raised when the server refuses a request, with its code, such as `unknown_job`.

    `details` is JSON, for `bad_params` [{field, message}]; `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: Any = None,
        is_retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.details = details
        self.is_retryable = is_retryable
        self.retry_after = retry_after


class Conflict(Refused):
    """Raised when what was to be changed has changed in between; `details` says what holds now."""


class WaitedTooLong(ClientError, TimeoutError):
    """Raised when the timeout that the caller gave is over; the job goes on."""

    def __init__(self, job: str, seconds: float) -> None:
        super().__init__(
            "waited_too_long", f"Job {job} has not ended within {seconds:g} s; it goes on."
        )


class JobEnded(ClientError):
    """Raised in place of the result of a job that has none; `snapshot` is its last state."""

    def __init__(self, snapshot: "Snapshot") -> None:
        error = snapshot.error
        code = error.code if error else str(snapshot.state)
        words = error.message if error else f"The job has {_WORDS.get(snapshot.state, 'ended')}."
        super().__init__(code, words)
        self.snapshot = snapshot


class JobFailed(JobEnded):
    """Raised for a job that failed; code and message are its own."""


class JobCancelled(JobEnded):
    """Raised for a job that was cancelled."""


class JobTimedOut(JobEnded):
    """Raised for a job that was out of time."""


class Cancelled(ClientError):
    """Raised in the loop over `track` when somebody has cancelled the job."""

    def __init__(self, job: str) -> None:
        super().__init__("cancelled", f"Job {job} was cancelled.")


_WORDS = {State.FAILED: "failed", State.CANCELLED: "been cancelled", State.TIMED_OUT: "timed out"}
_ENDINGS = {
    State.FAILED: JobFailed,
    State.CANCELLED: JobCancelled,
    State.TIMED_OUT: JobTimedOut,
}


def ending_of(snapshot: "Snapshot") -> JobEnded | None:
    """Return the error that stands for a job's end; None where it has succeeded."""
    kind = _ENDINGS.get(snapshot.state)
    return kind(snapshot) if kind else None
