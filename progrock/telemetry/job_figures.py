"""What the database says of the jobs of each backend: active ones, lag, how long they took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles

from django.db.models import Count, Min

from progrock.jobs.states import Condition, State
from progrock.models import Job

LATEST = 300  # ended jobs, from which durations are told
BOXES = 12  # at most, in which they are drawn
_TWENTIETHS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Active:
    """The jobs of a backend that have not ended. `lag` is seconds."""

    states: Mapping[str, int] = field(default_factory=dict)
    conditions: Mapping[str, int] = field(default_factory=dict)
    lag: float = 0.0  # how long its earliest due job has waited to be asked for

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.states.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """How long jobs took that ended between two times: seconds below which a part of them lies."""

    start: datetime
    end: datetime
    count: int
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """The latest jobs of a backend that have ended."""

    states: Mapping[str, int] = field(default_factory=dict)
    whole: Box | None = None  # of those that succeeded
    boxes: Sequence[Box] = ()  # the same, by the time of their end


def active_jobs(now: datetime) -> dict[str, Active]:
    """Return the active jobs by backend; one without any is missing."""
    states: dict[str, Counter[str]] = {}
    conditions: dict[str, Counter[str]] = {}
    active = Job.objects.filter(due_at__isnull=False)
    grouped = active.order_by().values_list("backend", "state", "condition")
    for name, state, condition, count in grouped.annotate(count=Count("id")):
        states.setdefault(name, Counter())[state] += count
        if condition != Condition.OK:
            conditions.setdefault(name, Counter())[condition] += count
    first = dict(active.order_by().values_list("backend").annotate(first=Min("due_at")))
    return {
        name: Active(
            states=states[name],
            conditions=conditions.get(name, Counter()),
            lag=max(0.0, (now - first[name]).total_seconds()) if name in first else 0.0,
        )
        for name in states
    }


def ended_jobs(backend: str) -> Ended:
    """Return the latest jobs of a backend that have ended."""
    rows = (
        Job.objects.filter(backend=backend, finished__isnull=False)
        .order_by("-finished")
        .values_list("state", "started", "finished")[:LATEST]
    )
    states: Counter[str] = Counter()
    runs: list[tuple[datetime, float]] = []
    for state, started, finished in rows:
        states[state] += 1
        if state == State.SUCCEEDED and started is not None and finished is not None:
            runs.append((finished, max(0.0, (finished - started).total_seconds())))
    runs.reverse()  # in the order of time
    return Ended(states=states, whole=_box(runs), boxes=_boxes(runs))


def _boxes(runs: Sequence[tuple[datetime, float]]) -> list[Box]:
    """Divide runs into boxes of about as many each: a quiet night needs no empty ones."""
    count = min(BOXES, max(1, len(runs) // 5))
    parts = [
        runs[len(runs) * place // count : len(runs) * (place + 1) // count]
        for place in range(count)
    ]
    return [box for part in parts if (box := _box(part)) is not None]


def _box(runs: Sequence[tuple[datetime, float]]) -> Box | None:
    if not runs:
        return None
    times = [seconds for _, seconds in runs]
    cut = (
        quantiles(times, n=_TWENTIETHS, method="inclusive")
        if len(times) > 1
        else times * (_TWENTIETHS - 1)
    )
    return Box(
        start=runs[0][0],
        end=runs[-1][0],
        count=len(runs),
        p5=cut[0],
        p25=cut[4],
        p50=cut[9],
        p75=cut[14],
        p95=cut[18],
    )
