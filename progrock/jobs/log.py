"""The one writer: every change of a job goes through here, in one transaction a batch.

Nothing else writes a job's state, its `seq` or an event (DESIGN section 4). A batch of looks is
written by compare-and-set on the values that were read when the jobs were claimed; when one of
them has changed since, and for everything else, the rows are read again and held: by row locks on
PostgreSQL, by the one write lock on SQLite. Events are published after the commit, and a lost
publication is no loss: watchers find the gap here.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction

from progrock import clock
from progrock.backends import push
from progrock.backends.http import Seen
from progrock.jobs import recall, rows, transitions
from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    Observation,
    PollFailed,
    PutOff,
    Started,
    Unchanged,
)
from progrock.jobs.policy import PollPolicy
from progrock.jobs.rows import OvertakenError, Stored
from progrock.jobs.transitions import Fields, Step
from progrock.jobs.values import Event as EventValue
from progrock.jobs.values import JobValue
from progrock.live import publishing
from progrock.live.publishing import Facts, Published
from progrock.models import Event, Job
from progrock.polling import schedule
from progrock.protocol.codec import encode
from progrock.telemetry import counting

logger = structlog.get_logger(__name__)
_INSERT_EVENT = (
    f"INSERT INTO {Event._meta.db_table} (job_id, seq, type, at, frame) VALUES (%s, %s, %s, %s, %s)"
)
Policies = Callable[[str, Mapping[str, Any]], PollPolicy]


class Lease(NamedTuple):
    """Whose a job is, until when."""

    worker: str
    ends: datetime


class Entry(NamedTuple):
    """One change to one job.

    `due` is when the look that brought it was due; `held` is the job as it was claimed;
    `is_watched` is whether somebody watches it. With `keep_until` whoever claimed it may keep it
    for the next look, if that is no later; where it has no lease by now, it gets `lease`.
    """

    job: UUID
    change: Change
    due: datetime | None = None
    held: Stored | None = None
    is_watched: bool = True
    keep_until: datetime | None = None
    lease: Lease | None = None


class Recorded(NamedTuple):
    """What became of an entry. `due_at` is when the job falls due next; None: never.

    `is_to_stop` says that the backend is to be told to stop it, now. `kept` is the job as it is
    now, where its claim goes on; another one falls to whoever claims it next.
    """

    job: JobValue
    accepted: bool
    shard: int
    due_at: datetime | None
    is_to_stop: bool = False
    kept: Stored | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """What a person adds to a job in whatever state: an event with `more`, and changed columns."""

    type: str
    more: dict[str, Any]
    columns: Mapping[str, Any] = field(default_factory=dict)


def create(job: Job) -> None:
    """Write a new job with its event 1. The caller holds the transaction."""
    job.save(force_insert=True)
    value = rows.value_of(job)
    stored = Stored(value, job.params, job.owner_id, tuple(job.labels), job.shard, job.due_at)
    _append([(stored, transitions.created_event(value))])


def record(
    entries: Sequence[Entry], policy_of: Policies, at: datetime | None = None
) -> list[Recorded]:
    """Apply a batch of changes and return what became of each, in the order of `entries`.

    A change that is stale, impossible or of an unknown job is dropped: its outcome has `accepted`
    False (and for an unknown job there is none). Safe to call twice with the same entries.
    """
    if not entries:
        return []
    at = at or clock.now()
    recorded = _record_held(entries, policy_of, at)
    if recorded is None:
        with transaction.atomic():
            ids = {entry.job for entry in entries}
            jobs = Job.objects.select_for_update().filter(id__in=ids).order_by("id")
            recorded = _apply(entries, rows.read(jobs), policy_of, at)
    for outcome in recorded:
        if outcome.accepted and outcome.job.state.is_terminal:
            _log_the_end(outcome.job)
            counting.note_end(outcome.job)
    return recorded


def remark(id_: UUID, make: Callable[[Job, datetime], Remark]) -> Job:
    """Write what a person adds to a job, also after its end, and return its row.

    `make` gets the row as it is now and held, and the time of the event; what it raises leaves
    everything as it was.
    """
    with transaction.atomic():
        held = Job.objects.select_related("owner").select_for_update(of=("self",))
        row = held.get(id=id_)
        at = clock.now()
        said = make(row, at)
        value, labels = rows.value_of(row), row.labels
        for name, new in said.columns.items():
            setattr(row, name, new)
        row.seq, row.updated = value.seq + 1, at
        row.save(update_fields=["seq", "updated", *said.columns])
        # A feed of a label that goes with this event is told that it went.
        labels = tuple(dict.fromkeys([*labels, *row.labels]))
        stored = Stored(value, row.params, row.owner_id, labels, row.shard, row.due_at)
        _append([(stored, transitions.remark_event(value, said.type, said.more, at))])
    return row


def unmoved(entry: Entry, policy: PollPolicy, at: datetime) -> Recorded | None:
    """Return what becomes of a job that is kept, where there is nothing to write of it.

    None where there is: then it is for `record`. Its look stays as it is, and no database is
    asked; what has changed in the row is found out when there is something to write.
    """
    change, held = entry.change, entry.held
    if type(change) is not Unchanged or entry.keep_until is None or held is None:
        return None
    if entry.lease is not None:
        return None
    job = held.job
    if change.retry_after is not None or change.look != job.look or job.backend == push.NAME:
        return None
    if transitions.is_news(job, change, policy, at):
        return None
    due_at, interval = schedule.next_look(
        policy,
        job,
        due=entry.due or at,
        at=at,
        changed=False,
        retry_after=None,
        chance=0.0,
        place=schedule.place_of(job.id),
        is_watched=entry.is_watched,
    )
    if due_at is None or due_at > entry.keep_until or not interval == job.interval <= policy.min:
        return None
    if change.seen is not None:
        held = held.after(job, change.seen, held.due_at)
    return Recorded(job, True, held.shard, due_at, kept=held)


def _record_held(
    entries: Sequence[Entry], policy_of: Policies, at: datetime
) -> list[Recorded] | None:
    """Record on what was read when the jobs were claimed; None when that is not so any longer."""
    held = [entry.held for entry in entries if entry.held is not None]
    if len(held) != len(entries):
        return None
    try:
        with transaction.atomic():
            return _apply(entries, held, policy_of, at)
    except OvertakenError:
        return None


class _Changing:
    """A job on its way through a batch: as it is stored, as it is by now, and what is new."""

    __slots__ = ("fields", "job", "stored")

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.job = stored.job
        self.fields: Fields = {}


def _apply(
    entries: Sequence[Entry], stored: Iterable[Stored], policy_of: Policies, at: datetime
) -> list[Recorded]:
    """Apply changes to jobs as they are stored, write and publish. Raises OvertakenError."""
    jobs = {each.job.id.int: _Changing(each) for each in stored}  # an int is hashed at once
    looked_at: list[Stored] = []
    recorded: list[Recorded] = []
    events: list[tuple[Stored, EventValue]] = []
    policies: dict[str, PollPolicy] = {}
    for entry in entries:
        changing = jobs.get(entry.job.int)
        if changing is None:
            continue
        row = changing.stored
        policy = policies.get(row.job.backend)
        if policy is None:
            policy = policy_of(row.job.backend, row.params)
            if row.job.backend != push.NAME:  # its jobs bring their own
                policies[row.job.backend] = policy
        step = transitions.advance(changing.job, entry.change, policy, at)
        if not step.accepted:
            recorded.append(Recorded(step.job, False, row.shard, row.due_at))
            continue
        outcome, written = _take(changing, entry, step, policy, at)
        recorded.append(outcome)
        for event in step.events:
            events.append((row, event))  # noqa: PERF401 - nearly always one
        if written is not None:
            looked_at.append(written)
    leases = {each.job.int: each.held.due_at for each in entries if each.held is not None}
    rows.write(
        [
            (each.stored.job, each.fields, leases.get(id_))
            for id_, each in jobs.items()
            if each.fields
        ]
    )
    _append(events)
    if looked_at:
        transaction.on_commit(lambda: recall.keep(looked_at))
    return recorded


def _take(
    changing: _Changing, entry: Entry, step: Step, policy: PollPolicy, at: datetime
) -> tuple[Recorded, Stored | None]:
    """Take a step of a job; return what became of it, and the job as it is to be remembered."""
    row, fields = changing.stored, changing.fields
    fields |= step.fields
    following = _scheduled(policy, entry, step, at)
    due_at = following.get("due_at", row.due_at)
    is_kept = _may_be_kept(entry, step, following, policy)
    fields |= _while_kept(entry, step, following) if is_kept else following
    is_to_stop = _stopped(changing.job, entry.change, step.job)
    if is_to_stop is not None:
        fields["cancel_due_at"] = at if is_to_stop else None
    changing.job = step.job
    written = None if entry.held is None else _as_written(row, entry, step.job, fields)
    kept = written if is_kept else None
    outcome = Recorded(step.job, True, row.shard, due_at, bool(is_to_stop), kept)
    return outcome, None if is_kept else written


def _may_be_kept(entry: Entry, step: Step, following: Fields, policy: PollPolicy) -> bool:
    """Whether who claimed a job looks at it again under the same lease.

    Only while it is looked at as often as may be: another one is to be found in its row by those
    who bring looks forward (`polling.attention`).
    """
    return (
        entry.keep_until is not None
        and entry.held is not None
        and isinstance(entry.change, Observation | Unchanged)
        and not step.job.state.is_terminal
        and step.job.backend != push.NAME
        and "held_until" not in following
        and following["interval"] <= policy.min
        and bool(following["due_at"] <= entry.keep_until)
    )


def _while_kept(entry: Entry, step: Step, following: Fields) -> Fields:
    """Return of the next look what is written where the job is kept for it."""
    new: Fields = {}
    if following["interval"] != step.job.interval:
        new["interval"] = following["interval"]
    if entry.lease is not None:
        new |= {"due_at": entry.lease.ends, "claimed_by": entry.lease.worker}
        new["looked_at"] = following["looked_at"]
    return new


def _as_written(row: Stored, entry: Entry, job: JobValue, fields: Fields) -> Stored:
    """Return a job as its row is after a look; where that says no time, its lease goes on."""
    interval = fields.get("interval", job.interval)
    if interval != job.interval:
        job = job.evolve({"interval": interval})
    lease_ends = None if entry.held is None else entry.held.due_at
    return row.after(job, _seen(row, entry.change), fields.get("due_at", lease_ends))


def _seen(row: Stored, change: Change) -> Seen | None:
    """Return what was last read of the backend's replies, after a change."""
    if isinstance(change, Observation):
        return change.seen
    if isinstance(change, Unchanged) and change.seen is not None:
        return change.seen
    return row.seen if isinstance(change, Unchanged | PollFailed | PutOff) else None


def _scheduled(policy: PollPolicy, entry: Entry, step: Step, at: datetime) -> Fields:
    """Return when the job is to be looked at next, as columns."""
    change, job = entry.change, step.job
    if isinstance(change, CancelRequested) and not job.state.is_terminal:
        return {}  # a look that is under way keeps its lease
    if job.backend == push.NAME:
        return {"due_at": schedule.next_silence(policy, job, at), "claimed_by": ""}
    if isinstance(change, PutOff):
        return {"due_at": schedule.put_off(policy, job, change.until, at), "claimed_by": ""}
    retry_after = getattr(getattr(change, "observation", change), "retry_after", None)
    due_at, interval = schedule.next_look(
        policy,
        job,
        due=entry.due or at,
        at=at,
        changed=step.changed,
        retry_after=retry_after,
        chance=random.random(),  # noqa: S311 - jitter
        is_begun=isinstance(change, Started),
        place=schedule.place_of(job.id),
        is_watched=entry.is_watched,
    )
    new: Fields = {"due_at": due_at, "interval": interval, "claimed_by": ""}
    if entry.keep_until is not None:  # since then it may have been looked at more than once
        new["looked_at"] = at
    if retry_after is not None:
        new["held_until"] = schedule.held_until(retry_after, at)
    return new


def _stopped(before: JobValue, change: Change, job: JobValue) -> bool | None:
    """Return whether the backend is now to be told to stop a job (`polling.stopping`).

    None leaves that as it was decided before.
    """
    if not job.state.is_terminal:
        is_asked = isinstance(change, CancelRequested) and before.cancel_requested is None
        is_begun = isinstance(change, Started) and job.cancel_requested is not None
        return True if is_asked or is_begun else None
    # We gave it up; the backend should too. What the backend ended itself needs no telling.
    is_ours = isinstance(change, Ended | PollFailed) and job.started is not None
    if is_ours and job.backend != push.NAME:
        return True
    return None if job.cancel_requested is None else False


def _append(events: Sequence[tuple[Stored, EventValue]]) -> None:
    """Write events, and publish them as one batch once they are committed."""
    if not events:
        return
    is_sqlite = connection.vendor == "sqlite"
    inserted, batch = [], []
    for row, event in events:
        text = encode(event.frame)
        job = row.job.hex if is_sqlite else event.job
        at = rows.sqlite_time(event.at) if is_sqlite else event.at
        inserted.append((job, event.seq, event.type, at, text))
        facts = Facts(row.owner, row.job.backend, row.labels, event.frame["state"])
        batch.append(
            Published(
                job=event.frame["job"],
                seq=event.seq,
                type=event.type,
                frame=text,
                facts=facts,
                shard=row.shard,
            )
        )
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT_EVENT, inserted)
    transaction.on_commit(lambda: publishing.publish(batch))


def _log_the_end(job: JobValue) -> None:
    fields: dict[str, Any] = {"job": str(job.id), "backend": job.backend, "seq": job.seq}
    if job.error is not None:
        fields |= {"code": job.error.code.value, "reason": job.error.message[:200]}
    logger.info("job ended", state=job.state.value, **fields)
