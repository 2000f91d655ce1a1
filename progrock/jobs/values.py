"""The job as a value: what decides and what is shown, without the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from progrock.jobs.changes import JobError
from progrock.jobs.evolving import Evolving
from progrock.jobs.states import Condition, State


@dataclass(frozen=True, kw_only=True)
class JobValue(Evolving):
    """A job's state at one `seq`. Times are aware; progress is 0 to 100 or None (unknown)."""

    id: UUID
    backend: str
    seq: int
    state: State
    condition: Condition = Condition.OK
    progress: float | None = None
    current: float | None = None
    total: float | None = None
    unit: str | None = None
    message: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    result: Any = None
    error: JobError | None = None
    created: datetime
    started: datetime | None = None
    updated: datetime
    finished: datetime | None = None
    # the estimate, and what it is made from (progrock.jobs.eta)
    eta: float | None = None
    eta_low: float | None = None
    eta_high: float | None = None
    pace: dict[str, Any] = field(default_factory=dict)
    # what polling needs to go on
    look: int = 0
    interval: float = 0.0
    failures: int = 0
    failing_since: datetime | None = None
    moved_at: datetime
    operation: str | None = None
    status_url: str | None = None
    start: dict[str, Any] | None = None
    lookup: Any = None
    cookies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    log_offset: int = 0  # where the backend's log goes on
    log_lines: int = 0  # kept in the log so far
    start_sent: datetime | None = None
    cancel_requested: datetime | None = None

    @cached_property
    def text(self) -> str:
        """The id as text."""
        return str(self.id)

    @cached_property
    def hex(self) -> str:
        """The id as 32 digits, as SQLite keeps it."""
        return self.id.hex


class Event(NamedTuple):
    """One numbered change. `frame` is the whole event frame of PROTOCOL section 2.4."""

    job: UUID
    seq: int
    at: datetime
    type: str
    frame: dict[str, Any]
