"""Between the row and the value: read jobs, and write what has changed of them.

The ORM's models cost about 0.3 ms a row to read and to write; a batch of a thousand polls reads
the few columns that it needs and writes the few that changed, by `executemany`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection, models
from django.db.models import QuerySet

from progrock.backends.http import Seen
from progrock.jobs.changes import JobError
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.values import JobValue
from progrock.models import Job
from progrock.protocol.codec import encode

_VALUE = tuple(field.name for field in fields(JobValue))
_BESIDE = ("params", "owner_id", "labels", "shard", "due_at")
_ALL = (*_VALUE, *_BESIDE)


class Stored(NamedTuple):
    """A job as it was read: its value, and what goes with it.

    `due_at` is None for never, and of a claimed job the end of its lease. `seen` is what the
    backend last said of it, where that is known to have led to this state.
    """

    job: JobValue
    params: dict[str, Any]
    owner: int | None
    labels: tuple[str, ...]
    shard: int
    due_at: datetime | None
    seen: Seen | None = None

    def after(self, job: JobValue, seen: Seen | None, due_at: datetime | None) -> "Stored":
        """Return it with the value that was written."""
        return Stored(job, self.params, self.owner, self.labels, self.shard, due_at, seen)


class Due(NamedTuple):
    """A job that is due: its id as a number, since when, and the numbers of its state."""

    number: int
    due_at: datetime
    look: int
    seq: int
    watched_until: float  # Unix seconds


class OvertakenError(Exception):
    """Raised by `write` when a row is no longer as it was read; nothing may be committed."""


# --- reading ------------------------------------------------------------------------------------


def read(jobs: QuerySet[Job]) -> list[Stored]:
    """Return the jobs of a query."""
    sql, params = jobs.values_list(*_ALL).query.sql_with_params()
    with connection.cursor() as cursor:  # past Django's converters, which cost more than the query
        cursor.execute(sql, params)
        found = cursor.fetchall()
    readers = _readers(connection.vendor)
    return [_stored(row, readers) for row in found]


def read_due(jobs: QuerySet[Job]) -> list[Due]:
    """Return of the jobs of a query what a claim needs first."""
    sql, params = jobs.values_list("id", *Due._fields[1:]).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    if connection.vendor == "postgresql":
        return [Due(id_.int, *rest) for id_, *rest in found]
    return [Due(int(id_, 16), due.replace(tzinfo=UTC), *rest) for id_, due, *rest in found]


def lease(due: Sequence[Due], until: datetime, worker: str, now: datetime) -> None:
    """Give jobs to a worker for one look each: they fall due again when the lease ends."""
    ids: Any
    vendor = connection.vendor
    if vendor == "sqlite":
        chosen = "IN (SELECT value FROM json_each(%s))"
        ids = encode([f"{each.number:032x}" for each in due])
    else:
        chosen, ids = "= ANY(%s)", [UUID(int=each.number) for each in due]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Job._meta.db_table} SET look = look + 1, due_at = %s, looked_at = %s,"
            f" claimed_by = %s WHERE id {chosen}",
            [_time(vendor, until), _time(vendor, now), worker, ids],
        )


def read_one(id_: UUID) -> Stored | None:
    """Return one job, or None where there is none."""
    return next(iter(read(Job.objects.filter(id=id_))), None)


def value_of(row: Job) -> JobValue:
    """Return a model's row as the value that the pure parts work on."""
    named = {name: getattr(row, name) for name in _VALUE}
    named["state"] = State(named["state"])
    named["condition"] = Condition(named["condition"])
    named["error"] = _error(named["error"])
    return JobValue.of(named)


def _stored(row: Sequence[Any], readers: Sequence[tuple[int, Callable[[Any], Any]]]) -> Stored:
    values = list(row)
    for place, reader in readers:
        if values[place] is not None:
            values[place] = reader(values[place])
    params, owner, labels, shard, due_at = values[-len(_BESIDE) :]
    job = JobValue.of(dict(zip(_VALUE, values, strict=False)))
    return Stored(job, params, owner, tuple(labels), shard, due_at)


@cache
def _readers(vendor: str) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """Return what turns columns into values, by place; the other columns are taken as they are."""
    own: dict[str, Callable[[Any], Any]] = {
        "state": State,
        "condition": Condition,
        "error": lambda text: _error(orjson.loads(text)),
    }
    readers = {}
    for place, name in enumerate(_ALL):
        field = Job._meta.get_field(name)
        if name in own:
            readers[place] = own[name]
        elif isinstance(field, models.JSONField):
            readers[place] = orjson.loads
        elif vendor == "sqlite" and isinstance(field, models.UUIDField):
            readers[place] = UUID
        elif vendor == "sqlite" and isinstance(field, models.DateTimeField):
            readers[place] = _from_sqlite
    return tuple(readers.items())


def _from_sqlite(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _error(found: Mapping[str, str] | None) -> JobError | None:
    if found is None:
        return None
    return JobError(code=JobErrorCode(found["code"]), message=found["message"])


# --- writing ------------------------------------------------------------------------------------

# The value as read, the columns that change, and the `due_at` that its claim left, if any did.
Changed = tuple[JobValue, Mapping[str, Any], datetime | None]


def write(changes: Sequence[Changed]) -> None:
    """Write the changed columns of jobs, each only if its row is as it was read.

    A job whose next look was brought forward since it was claimed keeps that time. The caller
    holds a transaction. Raises OvertakenError when a row has changed since.
    """
    vendor = connection.vendor
    is_sqlite = vendor == "sqlite"
    groups: dict[frozenset[str], list[list[Any]]] = defaultdict(list)
    for job, new, left in sorted(changes, key=_by_id):  # one order for all: no deadlock
        names = frozenset(new)
        plan = _plan(names, vendor)
        values = [
            new[name] if converter is None else converter(new[name])
            for name, converter in plan.columns
        ]
        if plan.moves_due:
            values.insert(0, _time(vendor, left if new["due_at"] else None))
        values += (job.hex if is_sqlite else job.id, job.look, job.seq)
        groups[names].append(values)
    with connection.cursor() as cursor:
        for names, rows in groups.items():
            cursor.executemany(_plan(names, vendor).sql, rows)
            if cursor.rowcount != len(rows):
                raise OvertakenError


def lease_held(held: Sequence[tuple[Stored, datetime]], worker: str) -> None:
    """Give jobs that a worker looks at already a lease, each until its time.

    One that another has taken up, or that was brought forward, is left alone.
    """
    _move(held, "claimed_by = %s", worker)


def release(kept: Sequence[tuple[Stored, datetime]], now: datetime) -> None:
    """End the leases of jobs that were looked at until now: each falls due at its time.

    One that another has taken up, or that was brought forward, is left alone.
    """
    _move(kept, "claimed_by = '', looked_at = %s", _time(connection.vendor, now))


def _move(moved: Sequence[tuple[Stored, datetime]], more: str, value: Any) -> None:
    """Have jobs fall due at other times, where they are as they were; and set another column."""
    vendor = connection.vendor
    is_sqlite = vendor == "sqlite"
    rows = [
        (
            value,
            _time(vendor, at),
            stored.job.hex if is_sqlite else stored.job.id,
            stored.job.look,
            _time(vendor, stored.due_at),
        )
        for stored, at in sorted(moved, key=_by_id_of)  # one order for all: no deadlock
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {Job._meta.db_table} SET {more}, due_at = %s"
            " WHERE id = %s AND look = %s AND due_at = %s",
            rows,
        )


def _by_id(change: Changed) -> int:
    return change[0].id.int


def _by_id_of(kept: tuple[Stored, datetime]) -> int:
    return kept[0].job.id.int


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a set of columns is written: each one's converter, None for none, and the statement."""

    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    sql: str
    moves_due: bool  # then `due_at` comes first, after what the claim left


def _due_at_first(name: str) -> tuple[bool, str]:
    return name != "due_at", name


# `due_at` is as the claim left it, or somebody has brought it forward meanwhile (`claim.hasten`).
_UNLESS_HASTENED = "due_at = CASE WHEN due_at < %s THEN due_at ELSE %s END"


@cache
def _plan(names: frozenset[str], vendor: str) -> _Plan:
    ordered = sorted(names, key=_due_at_first)
    columns = ", ".join(  # none is a foreign key
        _UNLESS_HASTENED if name == "due_at" else f"{name} = %s" for name in ordered
    )
    return _Plan(
        tuple((name, _converter(name, vendor)) for name in ordered),
        f"UPDATE {Job._meta.db_table} SET {columns} WHERE id = %s AND look = %s AND seq = %s",
        "due_at" in names,
    )


def _converter(name: str, vendor: str) -> Callable[[Any], Any] | None:
    field = Job._meta.get_field(name)
    if isinstance(field, models.JSONField):
        return _as_json
    if isinstance(field, models.DateTimeField):
        return None if vendor == "postgresql" else sqlite_time
    return _word if name in {"state", "condition"} else None


def _as_json(value: Any) -> str | None:
    if isinstance(value, JobError):
        value = value.as_json()
    return None if value is None else encode(value)


@lru_cache(maxsize=256)
def sqlite_time(value: datetime | None) -> str | None:
    """Return a time as Django keeps it in SQLite: UTC, without a zone."""
    if value is None:
        return None
    if value.tzinfo is UTC:
        return value.isoformat(" ")[:-6]
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _time(vendor: str, value: datetime | None) -> Any:
    return value if vendor == "postgresql" else sqlite_time(value)


def _word(value: State | Condition) -> str:
    return value.value
