"""What one process counts of one backend, until it is taken and written to Redis. Pure.

Counting happens at each poll, so it is a few additions; everything else waits for `take`, about
once a second.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.backends.masking import Mask
from progrock.jobs.changes import JobError, PollFailed, StartFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.telemetry.scale import DURATION_BOUNDS, LATENCY_BOUNDS

BODY_CHARACTERS = 2_000  # of a failing reply that are kept …
MASKED_BYTES = 64 * 1024  # … after so many were searched for secrets
TOLD_HEADERS = ("content-type", "retry-after", "server", "www-authenticate")

# Names of what is counted, as they stand in Redis. All are whole numbers.
POLLS, POLLS_FAILED, REQUESTS, MICROS = "polls", "polls_failed", "requests", "micros"
CALLS, CALLS_FAILED, ENDED, ENDED_MILLIS = "calls", "calls_failed", "ended", "ended_millis"
LATENCY, DURATION = "latency", "duration"  # followed by the number of a bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A request that came to nothing: what was asked for, and what came back, if anything."""

    asked: str  # "poll" or "call": a start or a cancel
    code: str
    message: str
    job: UUID | None  # None: it was about many
    reply: HttpReply | None

    def as_json(self, mask: Mask, at: datetime) -> dict[str, Any]:
        """Return it without the backend's secrets, and cut to what a person reads."""
        told: dict[str, Any] = {
            "at": at.timestamp(),
            "asked": self.asked,
            "code": self.code,
            "message": mask.text(self.message)[:BODY_CHARACTERS],
            "job": None if self.job is None else str(self.job),
            "status": None,
            "headers": {},
            "body": None,
            "is_cut": False,
        }
        if self.reply is not None:
            content = self.reply.content[:MASKED_BYTES]
            headers = {
                name: self.reply.headers[name]
                for name in TOLD_HEADERS
                if name in self.reply.headers
            }
            # Masked before it is cut: half a secret would not be recognized.
            shown = mask.reply(
                HttpReply(status=self.reply.status, headers=headers, content=content)
            )
            text = shown.content.decode("utf-8", "replace").replace("\0", "�")
            told["status"] = shown.status
            told["headers"] = {name: str(value)[:200] for name, value in shown.headers.items()}
            told["body"] = text[:BODY_CHARACTERS]
            told["is_cut"] = len(text) > BODY_CHARACTERS or len(self.reply.content) > MASKED_BYTES
        return told


class Tally:
    """Counts of one backend since they were last taken. Belongs to an event loop.

    `on_news` is called at the first count after each `take`.
    """

    __slots__ = ("_counts", "_latencies", "_on_news", "_seconds", "failure", "has_news", "mask")

    def __init__(self, on_news: Callable[[], None]) -> None:
        self.has_news = False
        self.failure: Failure | None = None  # the last one
        self.mask = Mask()  # the backend's, for what it said
        self._on_news = on_news
        self._latencies = [0] * (len(LATENCY_BOUNDS) + 1)
        self._seconds = 0.0
        self._counts: dict[str, int] = {}

    def note_answer(self, seconds: float) -> None:
        """Count a request of a poll that was answered, and how long that took."""
        self._latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def note_poll(self, outcome: object, reply: HttpReply | None, job: UUID | None) -> None:
        """Count a poll by what it came to: a change, or the error that was raised."""
        counts = self._counts
        counts[POLLS] = counts.get(POLLS, 0) + 1
        if not self.has_news:
            self._tell()
        if isinstance(outcome, PollFailed | BackendError):
            self._add(POLLS_FAILED)
            self.failure = _failure("poll", outcome, reply, job)

    def note_call(self, outcome: object, reply: HttpReply | None, job: UUID) -> None:
        """Count a start or a cancel by what it came to."""
        self._add(CALLS)
        if isinstance(outcome, StartFailed | BackendError):
            self._add(CALLS_FAILED)
            self.failure = _failure("call", outcome, reply, job)

    def note_end(self, state: State, seconds: float | None) -> None:
        """Count a job that has ended, and how long it ran where it succeeded."""
        self._add(f"{ENDED}:{state.value}")
        if state is State.SUCCEEDED and seconds is not None:
            self._add(f"{DURATION}:{bisect_left(DURATION_BOUNDS, seconds)}")
            self._add(ENDED_MILLIS, round(seconds * 1000))

    def take(self) -> dict[str, int]:
        """Return what was counted, without the zeros, and begin anew."""
        taken, self._counts = self._counts, {}
        answered = sum(self._latencies)
        if answered:
            taken[REQUESTS] = answered
            taken[MICROS] = round(self._seconds * 1_000_000)
            for place, count in enumerate(self._latencies):
                if count:
                    taken[f"{LATENCY}:{place}"] = count
            self._latencies = [0] * (len(LATENCY_BOUNDS) + 1)
            self._seconds = 0.0
        self.has_news = False
        return taken

    def _add(self, name: str, count: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + count
        if not self.has_news:
            self._tell()

    def _tell(self) -> None:
        self.has_news = True
        self._on_news()


def _failure(
    asked: str,
    outcome: PollFailed | StartFailed | BackendError,
    reply: HttpReply | None,
    job: UUID | None,
) -> Failure:
    error = (
        JobError(code=JobErrorCode.BAD_REPLY, message=str(outcome))
        if isinstance(outcome, BackendError)
        else outcome.error
    )
    return Failure(asked=asked, code=error.code.value, message=error.message, job=job, reply=reply)
