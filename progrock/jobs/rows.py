"""Between the row and the value: read jobs, and write what has changed of them.

The ORM's models cost about 0.3 ms a row to read and to write; a batch of a thousand polls reads
the few columns that it needs and writes the few that changed, by `executemany`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import QuerySet

from progrock.jobs.changes import JobError
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.values import JobValue
from progrock.models import Job
from progrock.protocol.codec import encode

_VALUE = tuple(field.name for field in fields(JobValue))
_BESIDE = ("params", "owner_id", "labels", "shard", "due_at")


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as it was read: its value, and what goes with it.

    `due_at` is None for never, and of a claimed job the end of its lease.
    """

    job: JobValue
    params: dict[str, Any]
    owner: int | None
    labels: tuple[str, ...]
    shard: int
    due_at: datetime | None


class OvertakenError(Exception):
    """Raised by `write` when a row is no longer as it was read; nothing may be committed."""


def read(jobs: QuerySet[Job]) -> list[Stored]:
    """Return the jobs of a query."""
    return [_stored(row) for row in jobs.values_list(*_VALUE, *_BESIDE)]


def read_one(id_: UUID) -> Stored | None:
    """Return one job, or None where there is none."""
    return next(iter(read(Job.objects.filter(id=id_))), None)


def value_of(row: Job) -> JobValue:
    """Return a model's row as the value that the pure parts work on."""
    return _value(tuple(getattr(row, name) for name in _VALUE))


def _stored(row: tuple[Any, ...]) -> Stored:
    params, owner, labels, shard, due_at = row[-len(_BESIDE) :]
    return Stored(_value(row), params, owner, tuple(labels), shard, due_at)


def _value(row: tuple[Any, ...]) -> JobValue:
    named = dict(zip(_VALUE, row, strict=False))
    named["state"] = State(named["state"])
    named["condition"] = Condition(named["condition"])
    error = named["error"]
    if error is not None:
        code = JobErrorCode(error["code"])
        named["error"] = JobError(code=code, message=error["message"])
    return JobValue(**named)


# --- writing ------------------------------------------------------------------------------------

# The value as read, the columns that change, and the end of its lease where it was claimed.
Changed = tuple[JobValue, Mapping[str, Any], datetime | None]


def write(changes: Sequence[Changed]) -> None:
    """Write the changed columns of jobs, each only if its row is as it was read.

    A job whose next look was brought forward since it was claimed keeps that time. The caller
    holds a transaction. Raises OvertakenError when a row has changed since.
    """
    groups: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    for job, new, lease_ends in sorted(changes, key=_by_id):  # one order for all: no deadlock
        names = tuple(sorted(new, key=_due_at_first))
        key = _stored_id(job.id)
        values = [converter(name)(new[name]) for name in names]
        if names[0] == "due_at":
            is_to_come = new["due_at"] is not None
            values.insert(0, converter("due_at")(lease_ends if is_to_come else None))
        groups[names].append([*values, key, job.look, job.seq])
    with connection.cursor() as cursor:
        for names, rows in groups.items():
            cursor.executemany(_update(names), rows)
            if cursor.rowcount != len(rows):
                raise OvertakenError


def _by_id(change: Changed) -> UUID:
    return change[0].id


def _due_at_first(name: str) -> tuple[bool, str]:
    return name != "due_at", name


# A claim sets `due_at` to the lease's end; what is earlier came in the meantime (`claim.hasten`).
_UNLESS_HASTENED = "due_at = CASE WHEN due_at < %s THEN due_at ELSE %s END"


@cache
def _update(names: tuple[str, ...]) -> str:
    columns = ", ".join(  # none is a foreign key
        _UNLESS_HASTENED if name == "due_at" else f"{name} = %s" for name in names
    )
    return f"UPDATE {Job._meta.db_table} SET {columns} WHERE id = %s AND look = %s AND seq = %s"


def _stored_id(id_: UUID) -> Any:
    return id_ if connection.vendor == "postgresql" else id_.hex


def converter(name: str) -> Callable[[Any], Any]:
    """Return what turns a value of a column into what the database's driver takes."""
    return _converter(name, connection.vendor)


@cache
def _converter(name: str, vendor: str) -> Callable[[Any], Any]:
    field = Job._meta.get_field(name)
    if isinstance(field, models.JSONField):
        return _as_json
    if isinstance(field, models.DateTimeField):
        return _as_it_is if vendor == "postgresql" else sqlite_time
    return _plain


def _as_json(value: Any) -> str | None:
    if isinstance(value, JobError):
        value = value.as_json()
    return None if value is None else encode(value)


def sqlite_time(value: datetime | None) -> str | None:
    """Return a time as Django keeps it in SQLite: UTC, without a zone."""
    return None if value is None else str(value.astimezone(UTC).replace(tzinfo=None))


def _as_it_is(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
