"""The exit codes of the command. Pure, and quick to import."""

from enum import IntEnum


class Outcome(IntEnum):
    """What the exit code says."""

    SUCCEEDED = 0
    FAILED = 1
    REFUSED = 2  # argparse ends with 2 as well
    CANCELLED = 3
    TIMED_OUT = 4
    AWAY = 5
    DETACHED = 130  # 128 + SIGINT, as shells have it


MEANINGS = {
    Outcome.SUCCEEDED: "the job succeeded, or what was asked is done",
    Outcome.FAILED: "the job failed",
    Outcome.REFUSED: "wrong usage, or refused by the server",
    Outcome.CANCELLED: "the job was cancelled (report: it shall stop)",
    Outcome.TIMED_OUT: "the job was out of time",
    Outcome.AWAY: "the server cannot be reached, or is no ProgRock server",
    Outcome.DETACHED: "interrupted by Ctrl-C; the job goes on",
}
_BY_STATE = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
    "timed_out": Outcome.TIMED_OUT,
}


def of_states(states: list[str]) -> Outcome:
    """Return the outcome of jobs that have ended: that of the first that did not succeed."""
    return next((_BY_STATE[state] for state in states if state != "succeeded"), Outcome.SUCCEEDED)
