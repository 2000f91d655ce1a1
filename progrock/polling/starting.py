"""Start and stop jobs on their backends: the single calls, one job each.

A start is sent once. When the worker dies in between, the job is started again only where the
backend is idempotent; elsewhere it ends as `start_unknown` (see `sweeping`).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from progrock.backends import conversation, push, registry
from progrock.backends.backend import Backend
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError
from progrock.backends.transports import send_once
from progrock.jobs import dispatch, log, rows
from progrock.jobs.changes import Change, Ended, JobError, StartFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.models import Job
from progrock.polling import lanes
from progrock.polling.claim import MARGIN, Claim, claim_start, hasten
from progrock.polling.lane_threads import hand_over
from progrock.polling.limits import turn

T = TypeVar("T")
logger = structlog.get_logger(__name__)


def hand_over_call(id_: UUID, call: Callable[[UUID], None]) -> None:
    """Have `start` or `cancel` done in a thread of the job's backend."""
    name = Job.objects.filter(id=id_).values_list("backend", flat=True).first()
    if name is not None:
        hand_over("call", name, lambda: call(id_))


def start(id_: UUID) -> None:
    """Ask the backend to start a job when it is its turn, and record what it says."""
    name = Job.objects.filter(id=id_).values_list("backend", flat=True).first()
    if name is None:
        return
    backend = registry.find(name)
    if backend is None:
        _start(id_, name, None)
        return
    try:
        with turn(backend):  # claimed only then: a lease must not run out in the queue
            _start(id_, name, backend)
    except TimeoutError:
        dispatch.send_start(id_, backend.policy.min)


def _start(id_: UUID, name: str, backend: Backend | None) -> None:
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
    """Return what the start gives; never raises."""
    if backend is None:
        message = f"No backend {claim.job.backend!r} is configured any longer."
        return _not_started(claim, JobErrorCode.BACKEND_REFUSED, message)
    try:
        return drive(
            backend, conversation.start(backend, claim.job, claim.params, datetime.now(UTC))
        )
    except Exception as exc:
        logger.exception(
            "a start failed by a fault of ours", job=str(claim.job.id), backend=backend.name
        )
        message = f"The answer could not be read ({type(exc).__name__}); see the worker's log."
        return _not_started(claim, JobErrorCode.BAD_REPLY, message)


def _not_started(claim: Claim, code: JobErrorCode, message: str) -> StartFailed:
    return StartFailed(look=claim.job.look, error=JobError(code=code, message=message))


def drive(backend: Backend, talk: Conversation[T]) -> T:
    """Carry a conversation over requests. Raises what the conversation raises."""
    try:
        request = next(talk)
        while True:
            try:
                reply = send_once(request, backend.policy.timeout)
            except BackendError as exc:
                request = talk.throw(exc)
            else:
                request = talk.send(reply)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def cancel(id_: UUID) -> None:
    """Ask the backend to stop a job that is to be cancelled, or that we gave up."""
    row = Job.objects.filter(id=id_, cancel_sent=None).first()
    if row is None:
        return
    if row.backend == push.NAME:  # the program is told by the answer to its next report
        Job.objects.filter(id=id_, cancel_sent=None).update(cancel_sent=datetime.now(UTC))
        return
    if row.start_sent is None:  # the backend never heard of it
        error = JobError(code=JobErrorCode.CANCELLED, message="Cancelled before it was started.")
        change = Ended(state=State.CANCELLED, error=error)
        log.record([log.Entry(job=id_, change=change)], registry.policy_of)
        return
    if row.started is None:  # the start is under way; `start` sends us again
        return
    backend = registry.find(row.backend)
    if not Job.objects.filter(id=id_, cancel_sent=None).update(cancel_sent=datetime.now(UTC)):
        return  # another task sends it
    if backend is not None and not _told_to_stop(backend, row):
        Job.objects.filter(id=id_).update(cancel_sent=None)  # the sweeper tries again
        return
    now = datetime.now(UTC)
    if backend is not None and not row.is_terminal:
        soon = now + timedelta(seconds=backend.policy.min)
        if hasten(id_, soon):
            lanes.arm(row.backend, row.shard, soon, now)


def _told_to_stop(backend: Backend, row: Job) -> bool:
    """Send the cancel request. False when it should be sent again later."""
    try:
        with turn(backend):
            is_told = drive(backend, conversation.cancel(backend, rows.value_of(row), row.params))
    except TimeoutError:
        return False
    except BackendError as exc:
        logger.warning("cancel not sent", job=str(row.id), backend=row.backend, reason=str(exc))
        return exc.is_permanent
    if not is_told:
        logger.warning("cancel put off by the backend", job=str(row.id), backend=row.backend)
    return is_told
