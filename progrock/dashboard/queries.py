"""What the pages show, read for one visitor and made ready to be printed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from progrock.backends import registry
from progrock.identity import Who
from progrock.jobs import queries
from progrock.jobs.snapshot import snapshot
from progrock.jobs.states import Condition, State
from progrock.protocol.messages import Filter

PAGE_SIZE = 50

STATE_WORDS = {
    State.PENDING: "Pending",
    State.QUEUED: "Queued",
    State.RUNNING: "Running",
    State.CANCELLING: "Cancelling",
    State.SUCCEEDED: "Succeeded",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
    State.TIMED_OUT: "Timed out",
}
CONDITION_WORDS = {
    Condition.OK: "",
    Condition.STALLED: "Stalled: nothing moves",
    Condition.UNREACHABLE: "Backend does not answer",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendChoice:
    """A backend as the start form offers it; `params` is its JSON Schema."""

    name: str
    title: str
    description: str
    default: bool
    params: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLine:
    """One job as a template prints it. `percent` is 0 to 100 without a sign, or None: unknown."""

    job: str
    title: str
    backend: str
    state: str
    state_word: str
    condition: str
    condition_word: str
    percent: int | None
    message: str
    error: str
    created: datetime | None


def backend_choices() -> list[BackendChoice]:
    """Return all backends, in the order of the file."""
    known = registry.backends()
    return [
        BackendChoice(
            name=backend.name,
            title=backend.title,
            description=backend.description,
            default=backend.name == known.default,
            params=dict(backend.params_schema),
        )
        for backend in known.by_name.values()
    ]


def latest_jobs(who: Who) -> list[dict[str, Any]]:
    """Return the snapshots of the newest jobs; those that still run come first."""
    page, _ = queries.page_of_jobs(who, Filter(), PAGE_SIZE, None)
    return sorted((snapshot(job, who) for job in page), key=lambda told: bool(told["complete"]))


def one_job(who: Who, job: UUID) -> dict[str, Any]:
    """Return a job's snapshot. Raises RequestError(unknown_job)."""
    return snapshot(queries.find_job(who, str(job)), who)


def as_line(told: dict[str, Any], titles: dict[str, str]) -> JobLine:
    """Return a snapshot in words; `titles` are those of the backends by name."""
    state, condition = State(told["state"]), Condition(told["condition"])
    error = told["error"]["message"] if told["error"] and state is not State.CANCELLED else ""
    message = told["message"] or ""
    return JobLine(
        job=told["job"],
        title=told["title"],
        backend=titles.get(told["backend"], told["backend"]),
        state=state.value,
        state_word=STATE_WORDS[state],
        condition=condition.value,
        condition_word="" if state.is_terminal else CONDITION_WORDS[condition],
        percent=None if told["progress"] is None else int(told["progress"]),
        message="" if message == error else message,
        error=error,
        created=parse_datetime(told["created"]),
    )
