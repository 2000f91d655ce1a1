"""Hand work to Celery by name, so that the domain does not import the tasks.

Sending may fail while Redis is away. That is logged and no more: the job is in the database, and
the sweeper takes it up.
"""

from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

MAX_COUNTDOWN_SECONDS = 60.0  # longer waits stand in the database


def send_start(job: UUID, countdown_seconds: float = 0.0) -> None:
    """Have the backend asked to start a job, after a countdown of at most 60 seconds."""
    _send("tasks.starting.start_job", [str(job)], countdown_seconds)


def send_cancel(job: UUID, countdown_seconds: float = 0.0) -> None:
    """Have the backend asked to stop a job, after a countdown of at most 60 seconds."""
    _send("tasks.starting.cancel_job", [str(job)], countdown_seconds)


def send_tick(backend: str, shard: int, tick: int, countdown_seconds: float) -> None:
    """Have a lane's tick run after a countdown of at most 60 seconds."""
    _send("tasks.polling.tick", [backend, shard, tick], countdown_seconds)


def _send(name: str, args: list[Any], countdown_seconds: float = 0.0) -> None:
    countdown = min(max(countdown_seconds, 0.0), MAX_COUNTDOWN_SECONDS) or None
    try:
        current_app.send_task(name, args, countdown=countdown)
    except OperationalError as exc:
        logger.warning("task not sent; the sweeper will find its work", task=name, error=str(exc))
