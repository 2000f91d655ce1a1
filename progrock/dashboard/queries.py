"""What the pages show, read for one visitor and made ready to be printed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from django.utils.dateparse import parse_datetime

from progrock.backends import push, registry
from progrock.identity import Who
from progrock.jobs import queries
from progrock.jobs.snapshot import snapshot
from progrock.jobs.states import Condition, State
from progrock.protocol.messages import Filter

PAGE_SIZE = 50

STATE_GROUPS: dict[str, tuple[State, ...]] = {
    "active": (State.PENDING, State.QUEUED, State.RUNNING, State.CANCELLING),
    "failed": (State.FAILED, State.TIMED_OUT),
    "succeeded": (State.SUCCEEDED,),
    "cancelled": (State.CANCELLED,),
}
"""What the list can be narrowed to, by the names in its address."""
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
    Condition.STALLED: "Stalled",
    Condition.UNREACHABLE: "No answer",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which jobs the address of the list asks for; an empty text and False stand for all."""

    state: str = ""
    backend: str = ""
    label: str = ""
    mine: bool = False
    q: str = ""

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> Self:
        """Read the query of an address; what makes no sense is left out."""
        state = query.get("state", "")
        return cls(
            state=state if state in STATE_GROUPS else "",
            backend=query.get("backend", ""),
            label=query.get("label", ""),
            mine=query.get("mine") == "1",
            q=query.get("q", "").replace("\0", ""),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether any job is left out."""
        return self != Wanted()

    def address_with(self, state: str) -> str:
        """Return the query of the same list with another group of states."""
        fields = {**asdict(self), "state": state, "mine": "1" if self.mine else ""}
        return urlencode({name: text for name, text in fields.items() if text})


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
    labels: list[str]
    owner: str
    note: str
    pinned: bool


def backend_titles() -> dict[str, str]:
    """Return the titles of all backends by name, in the order of the file; `push` comes last."""
    described = {backend.name: backend.title for backend in registry.backends().by_name.values()}
    return described | {push.NAME: push.OFFER.title}


def latest_jobs(who: Who, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the snapshots of the newest jobs that are wanted.

    Pinned ones come first, then those that still run.
    """
    filter_ = Filter(
        state=list(STATE_GROUPS[wanted.state]) if wanted.state else None,
        backend=wanted.backend or None,
        label=wanted.label or None,
        mine=wanted.mine,
    )
    page, _ = queries.page_of_jobs(who, filter_, PAGE_SIZE, None, wanted.q)
    told = (snapshot(job, who) for job in page)
    return sorted(told, key=lambda job: (not job["pinned"], bool(job["complete"])))


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
        labels=told["labels"],
        owner=told["owner"] or "",
        note=told["note"],
        pinned=told["pinned"],
    )
