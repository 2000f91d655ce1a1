"""What happens in a trial, as values: who shows, records or judges it hears them in their order.

Requests and replies in here hold no secrets any more. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply, HttpRequest
from progrock.jobs.changes import Change
from progrock.jobs.values import Event, JobValue


class Role(StrEnum):
    """Which request of a description was sent: the name of its table."""

    LOOKUP = "lookup"
    START = "start"
    STATUS = "status"
    BATCH = "batch"
    ALSO = "also"
    OUTCOME = "outcome"
    LOG = "log"
    CANCEL = "cancel"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a request, after `seconds`: a reply or an error.

    `differs` says, line by line, how the request is another one than the recorded one.
    """

    reply: HttpReply | None = None
    error: BackendError | None = None
    seconds: float
    differs: tuple[str, ...] = ()


class LineEnds(Exception):
    """Raised by a line that has no answers any more, as a recording at its end."""


class Line(Protocol):
    """The way to a backend, and the clock that goes with it."""

    def now(self) -> datetime:
        """Return the time."""

    def wait(self, seconds: float) -> None:
        """Let time go by. Raises KeyboardInterrupt when the person asks for an end."""

    def send(self, role: Role, request: HttpRequest, masked: HttpRequest) -> Answer:
        """Send a request; `masked` is the same without secrets. Raises LineEnds."""


# --- what is told; `at` is in seconds since the trial began -----------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class LookBegan:
    """A start, a poll, a cancel or the deadline begins; each kind is numbered from 1."""

    kind: Literal["start", "poll", "cancel", "deadline"]
    number: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request goes out."""

    role: Role
    request: HttpRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchanged:
    """A request and what came of it."""

    role: Role
    request: HttpRequest
    answer: Answer
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """The fields that were read from the latest replies, None where nothing was found.

    `failures` says why an expression failed: {field: jq's own words}.
    """

    source: Literal["lookup", "start", "poll", "log", "cancel"]
    found: Mapping[str, Any]
    failures: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Advanced:
    """What became of the job by a change."""

    change: Change
    before: JobValue
    after: JobValue
    events: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelAsked:
    """The person asked for an end."""

    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """Something that a person should know."""

    text: str


Happening = LookBegan | Asked | Exchanged | Read | Advanced | CancelAsked | Said
Listener = Callable[[Happening], None]
