"""What can happen to a job: the inputs of `transitions.advance`. Pure values.

A change with a `look` number belongs to one claim of the job (a start or a poll). It counts only
while that claim is the latest, so a late or repeated one changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from progrock.backends.http import Seen
from progrock.jobs.evolving import Evolving
from progrock.jobs.states import JobErrorCode, State


@dataclass(frozen=True, kw_only=True, slots=True)
class JobError:
    """Why a job failed: `code` is one of JobErrorCode, `message` is for a person."""

    code: JobErrorCode
    message: str

    def as_json(self) -> dict[str, str]:
        """Return {code, message}."""
        return {"code": self.code.value, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class Observation(Evolving):
    """One reply of the backend, read. None means: nothing said.

    progress is 0 to 100; current and total are in `unit`; retry_after is in seconds.
    """

    look: int
    state: State | None = None
    progress: float | None = None
    current: float | None = None
    total: float | None = None
    unit: str | None = None
    message: str | None = None
    steps: list[dict[str, Any]] | None = None
    result: Any = None
    error: str | None = None
    gone: bool = False
    log: tuple[str, ...] = ()
    log_offset: int | None = None
    log_size: float | None = None  # how far the backend's log reaches
    status_url: str | None = None
    retry_after: float | None = None
    unknown_word: str | None = None  # a state that the description does not know
    cookies: Mapping[str, Mapping[str, str]] | None = None
    seen: Seen | None = None  # the reply itself, where the same one again would say the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Unchanged:
    """The backend answered the same as at the look before."""

    look: int
    retry_after: float | None = None
    seen: Seen | None = None  # in place of what was remembered


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The backend accepted the job. `start` is the reply as {status, headers, body}."""

    look: int
    operation: str | None
    start: dict[str, Any]
    observation: Observation
    lookup: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StartFailed:
    """The job did not start. With `try_again` it stays pending and is tried later.

    With `may_run` the backend may have begun it all the same: nobody knows.
    """

    look: int
    error: JobError
    try_again: bool = False
    may_run: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PollFailed:
    """The backend did not answer, or nothing could be read from its answer.

    `count` is how many polls have failed since the last change.
    """

    look: int
    error: JobError
    retry_after: float | None = None
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PutOff:
    """A start or a poll that was not made: the backend is to be left alone until a time.

    That is no failure of the job's. `message` is told of a job that waits for its start.
    """

    until: datetime
    look: int | None = None
    is_unreachable: bool = False
    message: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """A program's own report of its job. A report is a sign of life, whatever it says."""

    observation: Observation
    look: None = field(default=None, init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """The job is over by our own decision, for example at its deadline."""

    state: State
    error: JobError
    look: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelRequested:
    """Someone asked for the job to be stopped."""

    by: str = ""
    look: None = field(default=None, init=False)


Change = (
    Observation
    | Unchanged
    | Reported
    | Started
    | StartFailed
    | PollFailed
    | PutOff
    | Ended
    | CancelRequested
)
