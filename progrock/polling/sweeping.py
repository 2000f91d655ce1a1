"""The sweeper: find what was left lying, and set it going again. Run every few seconds by beat.

Everything that Celery and Redis carry may be lost (DESIGN section 4); what is to be done stands in
the database, and this finds it.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.apps import apps
from django.db import Error as DatabaseError
from django.db import connection

from progrock import clock, conf
from progrock.backends import registry
from progrock.jobs import dispatch, log, rows, transitions
from progrock.jobs.changes import Ended, JobError
from progrock.jobs.services import KEY_KEPT, START_GRACE
from progrock.jobs.states import TERMINAL, JobErrorCode, State
from progrock.models import Event, IdempotencyKey, Job
from progrock.polling import attention, claim, lanes, pulse

logger = structlog.get_logger(__name__)
BATCH = 1_000
CANCEL_GRACE = timedelta(seconds=5)
_UNKNOWN = JobError(
    code=JobErrorCode.START_UNKNOWN,
    message="The start was sent and never answered; whether the job runs there is not known.",
)


def sweep() -> None:
    """Set going again what a lost task left behind, and leave a sign of life."""
    clock.check()
    now = clock.now()
    found = {
        "starts": _resume_starts(now),
        "lanes": _resume_lanes(now, now - lanes.TICK_LOST_AFTER),
        "cancels": _resume_cancels(now),
    }
    pulse.beat()
    if any(found.values()):
        logger.info("swept", **found)


def take_over(worker: str) -> None:
    """Begin as a worker: what one of the same name held before is due again at once."""
    claim.name_worker(worker)
    try:
        clock.check()
        now = clock.now()
        released = claim.release(worker, now)
        lanes.let_go(worker)
        _resume_lanes(now, late=now + timedelta(microseconds=1))
        sweep()
    except DatabaseError as exc:  # the next sweep comes in a few seconds
        logger.warning("nothing taken over yet", error=str(exc))
        return
    if released:
        logger.info("took over", jobs=released)


def _resume_starts(now: datetime) -> int:
    overdue = Job.objects.filter(due_at__lte=now, started=None).exclude(state__in=TERMINAL)
    found = rows.read(overdue.order_by("due_at")[:BATCH])
    for each in found:
        job = each.job
        backend = registry.find(job.backend)
        policy = registry.policy_of(job.backend)
        if now >= transitions.deadline_of(policy, job):
            _end(job.id, State.TIMED_OUT, transitions.timed_out(policy))
        elif job.start_sent is None:
            if not job.failures:  # not swept again before its task had time to run
                Job.objects.filter(id=job.id, start_sent=None).update(due_at=now + START_GRACE)
            dispatch.send_start(job.id)
        elif backend is not None and backend.is_idempotent:
            dispatch.send_start(job.id)
        else:
            _end(job.id, State.FAILED, _UNKNOWN)
    return len(found)


def _end(id_: UUID, state: State, error: JobError) -> None:
    log.record([log.Entry(job=id_, change=Ended(state=state, error=error))], registry.policy_of)


def _resume_lanes(now: datetime, late: datetime) -> int:
    found = lanes.overdue(late)
    for backend, shard in found:
        lanes.arm_now(backend, shard, now)
    return len(found)


def _resume_cancels(now: datetime) -> int:
    unsent = Job.objects.filter(cancel_due_at__lt=now - CANCEL_GRACE).order_by("cancel_due_at")
    ids = list(unsent.values_list("id", flat=True)[:BATCH])
    for id_ in ids:
        dispatch.send_cancel(id_)
    return len(ids)


def prune() -> int:
    """Delete the events and keys that are no longer kept; return how many events went."""
    now = clock.now()
    IdempotencyKey.objects.filter(created__lt=now - KEY_KEPT).delete()
    attention.forget_feeds(now)
    _prune_layer(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {Event._meta.db_table} WHERE seq <= ("
            f"SELECT seq FROM {Job._meta.db_table} AS job WHERE job.id = job_id) - %s",
            [conf.events_kept()],
        )
        return int(cursor.rowcount)


def _prune_layer(now: datetime) -> None:
    """Delete what the PostgreSQL layer leaves lying: its messages, and members that are gone."""
    if not apps.is_installed("channels_postgres"):
        return
    for name in ("Message", "GroupChannel"):
        left = apps.get_model("channels_postgres", name)
        left._default_manager.filter(expire__lt=now).delete()  # noqa: SLF001 - documented so
