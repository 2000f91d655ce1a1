"""Reads of jobs and events, for every transport alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Min, Q, QuerySet

from progrock.errors import RequestError, unknown_job
from progrock.identity import Who
from progrock.jobs import access
from progrock.jobs.states import Condition, State
from progrock.live.publishing import Facts
from progrock.models import Event, Job
from progrock.protocol.codec import decode_json
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import Filter, as_job_id

RUNS_COUNTED = 20  # earlier ones, for an estimate


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the log holds it; `frame` is its JSON text."""

    seq: int
    type: str
    frame: str


def answers_nobody(backend: str) -> bool:
    """Whether a backend has active jobs, and all of them find it unreachable."""
    active = Job.objects.filter(backend=backend, due_at__isnull=False)
    unreachable = active.filter(condition=Condition.UNREACHABLE)
    return unreachable.exists() and not active.exclude(condition=Condition.UNREACHABLE).exists()


def find_job(who: Who, job: str) -> Job:
    """Return a job that the visitor may see. Raises RequestError(unknown_job)."""
    id_ = as_job_id(job)
    if id_ is None:
        raise unknown_job(job)
    # Not `first`, which would order by the key: an eighth of the whole time.
    for found in access.visible_to(who).select_related("owner").filter(id=id_):
        return found
    raise unknown_job(job)


def page_of_jobs(
    who: Who, wanted: Filter, limit: int, cursor: str | None, search: str | None = None
) -> tuple[list[Job], str | None]:
    """Return up to `limit` jobs, newest first, and the cursor of the next page or None.

    Raises RequestError: not_permitted for the bearer of a share token, bad_message for a cursor or
    state that cannot be.
    """
    require_lists(who)
    jobs = matching(access.visible_to(who), who, wanted)
    if search:
        jobs = jobs.filter(
            Q(title__icontains=search) | Q(message__icontains=search) | Q(note__icontains=search)
        )
    if cursor is not None:
        at, id_ = _parse_cursor(cursor)
        jobs = jobs.filter(Q(created__lt=at) | Q(created=at, id__lt=id_))
    page = list(jobs.select_related("owner").order_by("-created", "-id")[: limit + 1])
    more = len(page) > limit
    page = page[:limit]
    return page, _cursor(page[-1]) if more else None


def require_lists(who: Who) -> None:
    """Raise RequestError(not_permitted) where a visitor may ask for no lists."""
    if not access.may_list(who):
        raise RequestError(ErrorCode.NOT_PERMITTED, "This link is good for one job alone.")


def matching(jobs: QuerySet[Job], who: Who, wanted: Filter) -> QuerySet[Job]:
    """Return the jobs that match a filter."""
    states = states_of(wanted)
    if states:
        jobs = jobs.filter(state__in=states)
    if wanted.backend is not None:
        jobs = jobs.filter(backend=wanted.backend)
    if wanted.mine:
        jobs = jobs.filter(owner=who.user)
    if wanted.label is not None:
        if connection.vendor == "postgresql":
            jobs = jobs.filter(labels__contains=[wanted.label])
        else:  # SQLite has no containment in JSON
            jobs = jobs.extra(
                where=["EXISTS (SELECT 1 FROM json_each(progrock_job.labels) WHERE value = %s)"],
                params=[wanted.label],
            )
    return jobs


def states_of(wanted: Filter) -> frozenset[State]:
    """Return the states that a filter names; empty for all."""
    named = wanted.state or []
    return frozenset([named] if isinstance(named, State) else named)


def events_after(job: UUID | str, after: int, limit: int) -> list[StoredEvent]:
    """Return the kept events of a job with seq > after, in order, at most `limit`."""
    rows = (
        Event.objects.filter(job_id=job, seq__gt=after)
        .order_by("seq")
        .values_list("seq", "type", "frame")[:limit]
    )
    return [StoredEvent(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event of some job, with what decided who might see it; labels are those of today."""

    job: str
    event: StoredEvent
    facts: Facts


def events_since(who: Who, wanted: Filter, at: datetime, limit: int) -> list[PastEvent] | None:
    """Return the events since a time of the jobs that a visitor may see, in the order of time.

    None where there are more than `limit`, or not all are kept. The filter's states are left to
    the caller, for they are those of the event and not of the job. Raises
    RequestError(not_permitted) for the bearer of a share token.
    """
    require_lists(who)
    wanted = wanted.model_copy(update={"state": None})
    changed = matching(access.visible_to(who), who, wanted).filter(updated__gte=at)
    jobs = {job.id: facts_of(job) for job in changed.order_by("-updated")[: limit + 1]}
    if len(jobs) > limit:
        return None
    rows = Event.objects.filter(job_id__in=jobs, at__gte=at).order_by("at", "seq")
    events = list(rows.values_list("job_id", "seq", "type", "frame")[: limit + 1])
    if len(events) > limit:
        return None
    oldest = dict(Event.objects.filter(job_id__in=jobs).values_list("job_id").annotate(Min("seq")))
    first: dict[UUID, int] = {}
    for job, seq, _, _ in events:
        first.setdefault(job, seq)
    if any(seq > 1 and oldest[job] >= seq for job, seq in first.items()):
        return None  # what came before was pruned, and may have been later than `at`
    return [
        PastEvent(
            str(job),
            StoredEvent(seq, type_, frame),
            jobs[job]._replace(state=decode_json(frame)["state"]),
        )
        for job, seq, type_, frame in events
    ]


def durations_of(backend: str, title: str) -> list[float]:
    """Return how many seconds the latest runs of a backend under a title took that succeeded."""
    runs = Job.objects.filter(
        backend=backend, title=title, state=State.SUCCEEDED, finished__isnull=False
    ).order_by("-finished")
    times = runs.values_list("started", "finished")[:RUNS_COUNTED]
    return [(end - start).total_seconds() for start, end in times if start and end]


def seqs_of(jobs: Sequence[str]) -> dict[str, int]:
    """Return the present seq of each job, by id."""
    rows = Job.objects.filter(id__in=jobs).values_list("id", "seq")
    return {str(id_): seq for id_, seq in rows}


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job that changed lately."""

    job: str
    seq: int
    is_over: bool
    facts: Facts
    shard: int


def changed_since(at: datetime, limit: int = 1000) -> list[ChangedJob]:
    """Return the jobs that changed since a time, latest first, at most `limit`."""
    rows = Job.objects.filter(updated__gte=at).order_by("-updated")[:limit]
    return [
        ChangedJob(str(row.id), row.seq, row.is_terminal, facts_of(row), row.shard) for row in rows
    ]


def facts_of(row: Job) -> Facts:
    """Return what decides who may see a job's events, and which filters they match."""
    return Facts(row.owner_id, row.backend, tuple(row.labels), row.state)


def _cursor(job: Job) -> str:
    return f"{job.created.isoformat()}~{job.id}"


def _parse_cursor(cursor: str) -> tuple[datetime, UUID]:
    at, _, id_ = cursor.partition("~")
    try:
        created = datetime.fromisoformat(at)
        if created.tzinfo is None:
            raise ValueError("no zone")
        return created.astimezone(UTC), UUID(id_)
    except (ValueError, OverflowError) as exc:
        raise RequestError(
            ErrorCode.BAD_MESSAGE, "The cursor is not one of ours; take it from next."
        ) from exc
