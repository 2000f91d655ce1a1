"""The time by which jobs are looked at: one clock for all processes, that of the database.

Workers compare the times that others wrote. A machine whose clock is an hour ahead would take
every job for overdue, and what it wrote would be due for nobody else. So each process asks
PostgreSQL for the time every few seconds, and counts on from there by a clock that does not step.
SQLite is of one machine: its clock is asked in the same way.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import connection

logger = structlog.get_logger(__name__)
ASKED_EVERY_SECONDS = 5.0
STEP_SECONDS = 2.0  # what is less is the time that asking took


class _Reading(NamedTuple):
    """What the clock showed, and when that was by the process's own steady clock."""

    time: datetime
    at: float

    def now(self) -> datetime:
        return self.time + timedelta(seconds=time.monotonic() - self.at)


_reading: _Reading | None = None


def now() -> datetime:
    """Return the present time, UTC. Asks nobody: safe anywhere, and as good as the last `check`."""
    return datetime.now(UTC) if _reading is None else _reading.now()


def check() -> None:
    """Ask for the time, unless that was done lately. Raises what the database raises."""
    global _reading  # noqa: PLW0603 - one clock a process
    last = _reading
    if last is not None and time.monotonic() - last.at < ASKED_EVERY_SECONDS:
        return
    read = _Reading(_database_time(), time.monotonic())
    step = 0.0 if last is None else (read.time - last.now()).total_seconds()
    if abs(step) > STEP_SECONDS:
        logger.warning("the clock stepped", seconds=round(step, 1))
    _reading = read


def _database_time() -> datetime:
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (found,) = cursor.fetchone()
    return found.astimezone(UTC)  # type: ignore[no-any-return]
