"""The one writer: every change of a job goes through here, in one transaction a batch.

Nothing else writes a job's state, its `seq` or an event (DESIGN section 4). Rows are held while
they are changed: by row locks on PostgreSQL, by the one write lock on SQLite. Events are
published after the commit, and a lost publication is no loss: watchers find the gap here.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, models, transaction

from progrock.backends import push
from progrock.jobs import transitions
from progrock.jobs.changes import CancelRequested, Change, JobError, Observation
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.transitions import Step
from progrock.jobs.values import Event as EventValue
from progrock.jobs.values import JobValue
from progrock.live import publishing
from progrock.live.publishing import Facts, Published
from progrock.models import Event, Job
from progrock.polling import schedule
from progrock.protocol.codec import encode

logger = structlog.get_logger(__name__)

_WRITTEN = (
    "seq state condition progress current total unit message steps result error eta eta_low "
    "eta_high pace started updated finished look interval failures failing_since moved_at "
    "operation status_url start lookup cookies log_offset log_lines start_sent cancel_requested "
    "due_at claimed_by"
).split()
_FIELDS: "list[models.Field[Any, Any]]" = [
    field for field in Job._meta.concrete_fields if field.name in _WRITTEN
]
_UPDATE = "UPDATE {table} SET {columns} WHERE id = %s".format(
    table=Job._meta.db_table,
    columns=", ".join(f"{field.column} = %s" for field in _FIELDS),
)
_INSERT_EVENT = (
    f"INSERT INTO {Event._meta.db_table} (job_id, seq, type, at, frame) VALUES (%s, %s, %s, %s, %s)"
)
_PRIMARY_KEY = Job._meta.get_field("id")
_EVENT_AT = Event._meta.get_field("at")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One change to one job. `due` is when the look that brought it was due."""

    job: UUID
    change: Change
    due: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of an entry. `due_at` is when the job falls due next; None: never."""

    job: JobValue
    accepted: bool
    shard: int
    due_at: datetime | None


Policies = Callable[[str, Mapping[str, Any]], PollPolicy]


def create(job: Job) -> None:
    """Write a new job with its event 1. The caller holds the transaction."""
    job.save(force_insert=True)
    _append([(job, transitions.created_event(as_value(job)))])


def record(
    entries: Sequence[Entry], policy_of: Policies, at: datetime | None = None
) -> list[Recorded]:
    """Apply a batch of changes and return what became of each, in the order of `entries`.

    A change that is stale, impossible or of an unknown job is dropped: its outcome has `accepted`
    False (and for an unknown job there is none). Safe to call twice with the same entries.
    """
    if not entries:
        return []
    at = at or datetime.now(UTC)
    with transaction.atomic():
        rows = {
            row.id: row
            for row in Job.objects.select_for_update()
            .filter(id__in={entry.job for entry in entries})
            .order_by("id")
        }
        values = {id_: as_value(row) for id_, row in rows.items()}
        recorded: list[Recorded] = []
        events: list[tuple[Job, EventValue]] = []
        due: dict[UUID, datetime | None] = {}
        for entry in entries:
            row = rows.get(entry.job)
            if row is None:
                continue
            policy = policy_of(row.backend, row.params)
            step = transitions.advance(values[row.id], entry.change, policy, at)
            if not step.accepted:
                recorded.append(_recorded(row, step.job, row.due_at, accepted=False))
                continue
            value, due[row.id] = _scheduled(policy, entry, step, row, at)
            values[row.id] = value
            recorded.append(_recorded(row, value, due[row.id], accepted=True))
            events += [(row, event) for event in step.events]
        _update((values[id_], due[id_]) for id_ in due)
        _append(events)
    for outcome in recorded:
        if outcome.accepted and outcome.job.state.is_terminal:
            _log_the_end(outcome.job)
    return recorded


def _recorded(row: Job, job: JobValue, due_at: datetime | None, *, accepted: bool) -> Recorded:
    return Recorded(job=job, accepted=accepted, shard=row.shard, due_at=due_at)


def _scheduled(
    policy: PollPolicy, entry: Entry, step: Step, row: Job, at: datetime
) -> tuple[JobValue, datetime | None]:
    change = entry.change
    if isinstance(change, CancelRequested) and not step.job.state.is_terminal:
        return step.job, row.due_at  # a look that is under way keeps its lease
    if row.backend == push.NAME:
        return step.job, schedule.next_silence(policy, step.job, at)
    seen = getattr(change, "observation", change)
    following, interval = schedule.next_look(
        policy,
        step.job,
        due=entry.due or at,
        at=at,
        changed=step.changed or not isinstance(change, Observation),
        retry_after=getattr(seen, "retry_after", None),
        chance=random.random(),  # noqa: S311 - jitter
    )
    return replace(step.job, interval=interval), following


def _update(changes: Iterable[tuple[JobValue, datetime | None]]) -> None:
    rows = []
    for value, due_at in changes:
        columns = _columns(value, due_at)
        rows.append(
            [field.get_db_prep_save(columns[field.name], connection) for field in _FIELDS]
            + [_PRIMARY_KEY.get_db_prep_save(value.id, connection)]
        )
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, rows)


def _append(events: Sequence[tuple[Job, EventValue]]) -> None:
    """Write events, and publish them as one batch once they are committed."""
    if not events:
        return
    rows, batch = [], []
    for row, event in events:
        text = encode(event.frame)
        rows.append(
            (
                _PRIMARY_KEY.get_db_prep_save(event.job, connection),
                event.seq,
                event.type,
                _EVENT_AT.get_db_prep_save(event.at, connection),
                text,
            )
        )
        facts = Facts(
            owner=row.owner_id,
            backend=row.backend,
            labels=tuple(row.labels),
            state=event.frame["state"],
        )
        batch.append(
            Published(
                job=str(event.job),
                seq=event.seq,
                type=event.type,
                frame=text,
                facts=facts,
                shard=row.shard,
            )
        )
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT_EVENT, rows)
    transaction.on_commit(lambda: publishing.publish(batch))


def _log_the_end(job: JobValue) -> None:
    fields: dict[str, Any] = {"job": str(job.id), "backend": job.backend, "seq": job.seq}
    if job.error is not None:
        fields |= {"code": job.error.code.value, "reason": job.error.message[:200]}
    logger.info("job ended", state=job.state.value, **fields)


# --- between the row and the value ----------------------------------------------------------------


def as_value(row: Job) -> JobValue:
    """Return a row as the value that the pure parts work on."""
    error = row.error
    return JobValue(
        id=row.id,
        backend=row.backend,
        seq=row.seq,
        state=State(row.state),
        condition=Condition(row.condition),
        progress=row.progress,
        current=row.current,
        total=row.total,
        unit=row.unit,
        message=row.message,
        steps=row.steps,
        result=row.result,
        error=error and JobError(code=JobErrorCode(error["code"]), message=error["message"]),
        created=row.created,
        started=row.started,
        updated=row.updated,
        finished=row.finished,
        eta=row.eta,
        eta_low=row.eta_low,
        eta_high=row.eta_high,
        pace=row.pace,
        look=row.look,
        interval=row.interval,
        failures=row.failures,
        failing_since=row.failing_since,
        moved_at=row.moved_at,
        operation=row.operation,
        status_url=row.status_url,
        start=row.start,
        lookup=row.lookup,
        cookies=row.cookies,
        log_offset=row.log_offset,
        log_lines=row.log_lines,
        start_sent=row.start_sent,
        cancel_requested=row.cancel_requested,
    )


def _columns(value: JobValue, due_at: datetime | None) -> dict[str, Any]:
    own = {"error", "due_at", "claimed_by"}
    columns = {name: getattr(value, name) for name in _WRITTEN if name not in own}
    columns["error"] = value.error.as_json() if value.error else None
    columns["due_at"] = due_at
    columns["claimed_by"] = ""
    return columns
