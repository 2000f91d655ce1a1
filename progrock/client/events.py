"""The events of a job as frozen values, one class a type (PROTOCOL section 2.4).

Each carries the job's whole bar, so any one is enough to draw it. `presence`, which is not kept, is
no event here: it changes the `watchers` of a job's snapshot.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from progrock.client.errors import BadAnswer
from progrock.client.values import (
    Comment,
    JobError,
    Json,
    Snapshot,
    Step,
    error_of,
    steps_of,
    time_of,
)
from progrock.protocol.states import Condition, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job. A type that this client does not know is a plain Event.

    `progress` is 0 to 100 or None, `eta` is seconds or None. `skipped` events of progress were
    merged into this one. `frame` is the JSON object as it came.
    """

    type: str
    job: str
    seq: int
    at: datetime | None
    state: State
    condition: Condition
    progress: float | None
    current: float | None
    total: float | None
    unit: str | None
    message: str | None
    eta: float | None
    steps: tuple[Step, ...]
    complete: bool
    skipped: int
    frame: Json = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEvent(Event):
    """The state or the condition changed; the job goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent(Event):
    """Figures, message or steps changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent(Event):
    """New lines of the job's log."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentEvent(Event):
    """Somebody said something."""

    comment: Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedEvent(Event):
    """Title, note, labels or pin were edited: `changes` has the new values."""

    changes: Json
    version: int
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteEvent(Event):
    """The end of the job."""

    result: Any
    error: JobError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEvent(Event):
    """The job's whole state, in place of events that are not to be had any more.

    It comes where a job is joined that has already ended, or when events between are no longer
    kept; what comes after it follows from its `seq`.
    """

    snapshot: Snapshot


def read_event(frame: Json) -> Event:
    """Return the event in a frame. Raises BadAnswer."""
    try:
        return _read(frame)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise BadAnswer(f"The server sent an event that cannot be read: {exc!r}.") from exc


def snapshot_event(snapshot: Snapshot) -> SnapshotEvent:
    """Return a snapshot as an event."""
    frame = {**snapshot.raw, "type": "snapshot", "at": snapshot.raw.get("updated")}
    return SnapshotEvent(**_shared(frame), snapshot=snapshot)


def _read(frame: Json) -> Event:  # noqa: PLR0911 - one a type
    shared = _shared(frame)
    match frame["type"]:
        case "state":
            return StateEvent(**shared)
        case "progress":
            return ProgressEvent(**shared)
        case "log":
            return LogEvent(**shared, lines=tuple(frame["lines"]))
        case "comment":
            return CommentEvent(**shared, comment=Comment.read(frame["comment"]))
        case "edited":
            return EditedEvent(
                **shared, changes=frame["set"], version=frame["version"], by=frame.get("by")
            )
        case "complete":
            result, error = frame.get("result"), error_of(frame.get("error"))
            return CompleteEvent(**shared, result=result, error=error)
        case _:
            return Event(**shared)


def _shared(frame: Json) -> dict[str, Any]:
    return {
        "type": frame["type"],
        "job": frame["job"],
        "seq": int(frame["seq"]),
        "at": time_of(frame.get("at")),
        "state": State(frame["state"]),
        "condition": Condition(frame["condition"]),
        "progress": frame.get("progress"),
        "current": frame.get("current"),
        "total": frame.get("total"),
        "unit": frame.get("unit"),
        "message": frame.get("message"),
        "eta": frame.get("eta"),
        "steps": steps_of(frame.get("steps")),
        "complete": bool(frame.get("complete")),
        "skipped": int(frame.get("skipped") or 0),
        "frame": frame,
    }
