"""Start and stop jobs on their backends: the single calls, one job each.

A start is sent once. When the worker dies in between, the job is started again only where the
backend is idempotent; elsewhere it ends as `start_unknown` (see `sweeping`).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from progrock.backends import building, reading, registry
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError, Refused
from progrock.backends.transports import send_once
from progrock.jobs import dispatch, log
from progrock.jobs.changes import Change, Ended, JobError, StartFailed
from progrock.jobs.log import as_value
from progrock.jobs.states import JobErrorCode, State
from progrock.models import Job
from progrock.polling import lanes
from progrock.polling.claim import MARGIN, Claim, claim_start, hasten

logger = structlog.get_logger(__name__)


def start(id_: UUID) -> None:
    """Ask the backend to start a job, and record what it says."""
    name = Job.objects.filter(id=id_).values_list("backend", flat=True).first()
    if name is None:
        return
    backend = registry.find(name)
    policy = registry.policy_of(name)
    claim = claim_start(
        id_,
        timedelta(seconds=policy.timeout) + MARGIN,
        datetime.now(UTC),
        again=backend is not None and backend.is_idempotent,
    )
    if claim is None:
        return
    change = _started(backend, claim)
    steps = log.record([log.Entry(job=id_, change=change)], registry.policy_of)
    for step in steps:
        if not step.accepted:
            continue
        if step.job.state is State.PENDING and step.due_at:  # to be tried again
            dispatch.send_start(id_, (step.due_at - datetime.now(UTC)).total_seconds())
        elif step.due_at:
            lanes.arm(name, step.shard, step.due_at, datetime.now(UTC))
        if step.job.cancel_requested:
            dispatch.send_cancel(id_)


def _started(backend: Backend | None, claim: Claim) -> Change:
    """Return what the start request gives; never raises."""
    look = claim.job.look
    if backend is None:
        message = f"No backend {claim.job.backend!r} is configured any longer."
        return _start_failed(look, JobErrorCode.BACKEND_REFUSED, message)
    context = building.context_of(
        job=str(claim.job.id), params=claim.params, operation=None, start=None
    )
    try:
        request = building.start_request(backend, context)
    except BackendError as exc:
        return _start_failed(look, JobErrorCode.BACKEND_REFUSED, str(exc))
    try:
        reply = send_once(request, backend.policy.timeout)
        return reading.read_start(backend, claim.job, claim.params, reply)
    except Refused as exc:
        return _start_failed(look, JobErrorCode.BAD_REPLY, str(exc))
    except BackendError as exc:
        if backend.is_idempotent:
            error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message=str(exc))
            return StartFailed(look=look, error=error, try_again=True)
        message = f"{exc} Whether the job began there is not known, so it is not sent again."
        return _start_failed(look, JobErrorCode.START_UNKNOWN, message)


def _start_failed(look: int, code: JobErrorCode, message: str) -> StartFailed:
    return StartFailed(look=look, error=JobError(code=code, message=message))


def cancel(id_: UUID) -> None:
    """Ask the backend to stop a job that is to be cancelled, or that we gave up."""
    row = Job.objects.filter(id=id_, cancel_sent=None).first()
    if row is None:
        return
    if row.start_sent is None:  # the backend never heard of it
        error = JobError(code=JobErrorCode.CANCELLED, message="Cancelled before it was started.")
        change = Ended(state=State.CANCELLED, error=error)
        log.record([log.Entry(job=id_, change=change)], registry.policy_of)
        return
    if row.started is None:  # the start is under way; `start` sends us again
        return
    backend = registry.find(row.backend)
    if backend is not None and not _told_to_stop(backend, row):
        return  # the sweeper tries again
    Job.objects.filter(id=id_, cancel_sent=None).update(cancel_sent=datetime.now(UTC))
    now = datetime.now(UTC)
    if backend is not None and not row.is_terminal:
        soon = now + timedelta(seconds=backend.policy.min)
        if hasten(id_, soon):
            lanes.arm(row.backend, row.shard, soon, now)


def _told_to_stop(backend: Backend, row: Job) -> bool:
    """Send the cancel request. False when it should be sent again later."""
    job = as_value(row)
    context = building.context_of(
        job=str(job.id), params=row.params, operation=job.operation, start=job.start
    )
    try:
        request = building.cancel_request(backend, context)
        if request is None:
            logger.info("the backend has no call to cancel", job=str(row.id), backend=row.backend)
            return True
        reply = send_once(request, backend.policy.timeout)
    except Refused as exc:
        logger.warning("cancel refused", job=str(row.id), backend=row.backend, reason=str(exc))
        return True
    except BackendError as exc:
        logger.warning("cancel not sent", job=str(row.id), backend=row.backend, reason=str(exc))
        return exc.is_permanent
    if reply.status in reading.TRY_LATER:
        logger.warning("cancel put off", job=str(row.id), backend=row.backend, status=reply.status)
        return False
    return True
