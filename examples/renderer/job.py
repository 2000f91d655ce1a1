"""A job as others see it: its states, its status, and the pure ways from one to the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]

MOST_BEFORE_THE_END = 99.9


class State(StrEnum):
    """`queued` → `running` → (`cancelling`) → one of the last three, which are left never."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in {State.SUCCEEDED, State.FAILED, State.CANCELLED}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stage of the work; `progress` is 0 to 100, or None where it cannot be known."""

    name: str
    state: State = State.QUEUED
    progress: float | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed: a stable code for programs and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """Everything that can change about a job."""

    state: State = State.QUEUED
    progress: float | None = None
    """0 to 100 over the whole job, 100 only when it succeeded; None while it is unknown."""
    current: int | None = None
    total: int | None = None
    unit: str | None = None
    message: str = ""
    steps: tuple[Step, ...] = ()
    result: JsonObject | None = None
    error: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What was asked for; never changes."""

    id: str
    kind: str
    params: JsonObject
    key: str | None
    created: float
    """Seconds since the epoch, as all moments here."""


@dataclass(kw_only=True)
class Job:
    """A job in the memory of the service; its queue alone writes to it."""

    spec: Spec
    status: Status
    finished: float | None = None
    log_size: int = 0
    """Bytes of the log so far."""
    saved_at: float = field(default=0.0, compare=False)
    """When the status was last written to disk, on the monotonic clock."""


def new_status(steps: Sequence[str], unit: str) -> Status:
    """The status of a job that waits for its turn."""
    return Status(
        unit=unit, message="waiting for its turn", steps=tuple(Step(name=name) for name in steps)
    )


def begin_step(status: Status, name: str, message: str, progress: float | None) -> Status:
    """Enter the step: those before it have succeeded, those after it are yet to come.

    `progress` is that of the whole job; None leaves it as it is.
    """
    position = [step.name for step in status.steps].index(name)
    steps = tuple(
        replace(step, state=State.SUCCEEDED, progress=100.0)
        if index < position
        else Step(name=step.name, state=State.RUNNING if index == position else State.QUEUED)
        for index, step in enumerate(status.steps)
    )
    return replace(
        status,
        steps=steps,
        message=message,
        progress=status.progress if progress is None else progress,
    )


def advance(
    status: Status,
    message: str,
    *,
    progress: float | None,
    step: float | None,
    current: int | None,
    total: int | None,
) -> Status:
    """How far the job and its running step are. Below 100: that is said by the end alone."""
    return replace(
        status,
        message=message,
        progress=None if progress is None else min(progress, MOST_BEFORE_THE_END),
        current=current,
        total=total,
        steps=tuple(
            replace(each, progress=step) if each.state is State.RUNNING else each
            for each in status.steps
        ),
    )


def mark_succeeded(status: Status, result: JsonObject, message: str) -> Status:
    """The end as it should be: everything done, progress 100."""
    steps = tuple(replace(step, state=State.SUCCEEDED, progress=100.0) for step in status.steps)
    return replace(
        status,
        state=State.SUCCEEDED,
        progress=100.0,
        message=message,
        steps=steps,
        result=result,
    )


def mark_failed(status: Status, error: Failure) -> Status:
    """The end with a reason; progress stays where it was."""
    return replace(
        _stop_steps(status, State.FAILED), state=State.FAILED, message=error.message, error=error
    )


def mark_cancelled(status: Status) -> Status:
    """The end by request; progress stays where it was."""
    return replace(_stop_steps(status, State.CANCELLED), state=State.CANCELLED, message="cancelled")


def _stop_steps(status: Status, state: State) -> Status:
    return replace(
        status,
        steps=tuple(
            replace(step, state=state) if step.state is State.RUNNING else step
            for step in status.steps
        ),
    )


def status_document(job_id: str, status: Status) -> JsonObject:
    """The status as it goes over the wire and to disk: all keys always there."""
    return {
        "id": job_id,
        "state": status.state.value,
        "progress": _rounded(status.progress),
        "current": status.current,
        "total": status.total,
        "unit": status.unit,
        "message": status.message,
        "steps": [
            {"name": step.name, "state": step.state.value, "progress": _rounded(step.progress)}
            for step in status.steps
        ],
        "result": status.result,
        "error": (
            {"code": status.error.code, "message": status.error.message} if status.error else None
        ),
    }


def read_status(document: JsonObject) -> Status:
    """The status that `status_document` wrote; KeyError, TypeError or ValueError if it did not."""
    error = document["error"]
    return Status(
        state=State(document["state"]),
        progress=document["progress"],
        current=document["current"],
        total=document["total"],
        unit=document["unit"],
        message=document["message"],
        steps=tuple(
            Step(name=step["name"], state=State(step["state"]), progress=step["progress"])
            for step in document["steps"]
        ),
        result=document["result"],
        error=Failure(code=error["code"], message=error["message"]) if error else None,
    )


def _rounded(progress: float | None) -> float | None:
    return None if progress is None else round(progress, 2)
