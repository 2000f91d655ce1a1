"""Start jobs on their backends: the single calls, one job each.

A start is sent once. When the worker dies in between, the job is started again only where the
backend is idempotent; elsewhere it ends as `start_unknown` (see `sweeping`).
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections

from progrock import clock
from progrock.backends import conversation, registry
from progrock.backends.backend import Backend
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.backends.single_call import send_once
from progrock.jobs import dispatch, log
from progrock.jobs.changes import Change, JobError, Started, StartFailed
from progrock.jobs.states import JobErrorCode
from progrock.jobs.values import JobValue
from progrock.models import Job
from progrock.polling import lanes, outage
from progrock.polling.claim import MARGIN, Claim, claim_start
from progrock.polling.lane_threads import hand_over
from progrock.polling.limits import NotNow, Turn, turn

T = TypeVar("T")
logger = structlog.get_logger(__name__)
DATABASE_PAUSE_SECONDS = 0.5
# A start that must not be sent twice waits so long for a backend that does not answer; then it is
# sent as it comes.
PATIENCE = timedelta(seconds=30)


def hand_over_call(id_: UUID, call: Callable[[UUID], None]) -> None:
    """Have a single call, such as `start`, done in a thread of the job's backend."""
    name = Job.objects.filter(id=id_).values_list("backend", flat=True).first()
    if name is not None:
        hand_over("call", name, lambda: call(id_))


def start(id_: UUID) -> None:
    """Ask the backend to start a job when it is its turn, and record what it says."""
    clock.check()
    row = Job.objects.filter(id=id_).values("backend", "created").first()
    if row is None:
        return
    name = row["backend"]
    backend = registry.find(name)
    if backend is None:
        _start(id_, name, None)
        return
    may_probe = backend.is_idempotent or clock.now() - row["created"] > PATIENCE
    try:
        with turn(backend, id_, may_probe=may_probe) as its_turn:
            # Claimed only now: a lease must not run out in the queue.
            _start(id_, name, its_turn)
    except TimeoutError:
        dispatch.send_start(id_, backend.policy.min)
    except NotNow as no:
        _put_off(id_, no)


def _put_off(id_: UUID, no: NotNow) -> None:
    """Leave the start for later, and say so."""
    entry = log.Entry(job=id_, change=outage.instead_of_start(no))
    for step in log.record([entry], registry.policy_of):
        if step.accepted and step.due_at:
            dispatch.send_start(id_, (step.due_at - clock.now()).total_seconds())


def _start(id_: UUID, name: str, its_turn: Turn | None) -> None:
    policy = registry.policy_of(name)
    backend = None if its_turn is None else its_turn.backend
    requests = 1 if backend is None else _most_requests(backend)
    claim = claim_start(
        id_,
        timedelta(seconds=requests * policy.timeout) + MARGIN,
        clock.now(),
        again=backend is not None and backend.is_idempotent,
    )
    if claim is None:
        return
    change = _started(claim, its_turn)
    for step in _recorded(claim, change):
        if not step.accepted:
            _stop_late(step.job, change)
        elif step.due_at and step.job.started is None:  # to be tried again
            dispatch.send_start(id_, (step.due_at - clock.now()).total_seconds())
        elif step.due_at:
            lanes.arm(name, step.shard, step.due_at, clock.now())
        if step.is_to_stop:
            dispatch.send_cancel(id_)


def _most_requests(backend: Backend) -> int:
    """Return how many requests a start may take, each with a timeout of its own."""
    beside = (backend.lookup, backend.outcome, backend.cancel)  # the last one: to give it up
    requests = 1 + sum(each is not None for each in beside)
    return requests if backend.challenge_status is None else 2 * requests


def _recorded(claim: Claim, change: Change) -> list[log.Recorded]:
    """Record what a start gave. While the lease holds a database that is away is waited for:
    what the backend answered cannot be asked again."""
    while True:
        try:
            return log.record([log.Entry(job=claim.job.id, change=change)], registry.policy_of)
        except DatabaseError as exc:
            if clock.now() >= claim.lease_ends:
                raise
            logger.warning("the database is away", job=str(claim.job.id), error=str(exc))
            close_old_connections()
            time.sleep(DATABASE_PAUSE_SECONDS)


def _stop_late(job: JobValue, change: Change) -> None:
    """Have what the backend began stopped there, when its job ended here before the answer came."""
    if not isinstance(change, Started) or not job.state.is_terminal:
        return
    begun = Job.objects.filter(id=job.id, started=None, cancel_due_at=None)
    if begun.update(
        operation=change.operation,
        start=change.start,
        lookup=change.lookup,
        cancel_due_at=clock.now(),
    ):
        logger.warning("a start was answered after the end of its job", job=str(job.id))
        dispatch.send_cancel(job.id)


def _started(claim: Claim, its_turn: Turn | None) -> Change:
    """Return what the start gives; never raises."""
    if its_turn is None:
        message = f"No backend {claim.job.backend!r} is configured any longer."
        return _not_started(claim, JobErrorCode.BACKEND_REFUSED, message)
    backend = its_turn.backend
    try:
        talk = conversation.start(backend, claim.job, claim.params, clock.now())
        return drive(talk, its_turn)
    except Exception as exc:
        logger.exception(
            "a start failed by a fault of ours", job=str(claim.job.id), backend=backend.name
        )
        message = f"The answer could not be read ({type(exc).__name__}); see the worker's log."
        return _not_started(claim, JobErrorCode.BAD_REPLY, message)


def _not_started(claim: Claim, code: JobErrorCode, message: str) -> StartFailed:
    return StartFailed(look=claim.job.look, error=JobError(code=code, message=message))


def drive(talk: Conversation[T], its_turn: Turn) -> T:
    """Carry a conversation over requests, in its turn. Raises what the conversation raises."""
    reply: HttpReply | None = None
    try:
        request = next(talk)
        while True:
            try:
                reply = send_once(request, its_turn.backend.policy.timeout)
            except BackendError as exc:
                reply = None
                its_turn.note_error(exc)
                request = talk.throw(exc)
            else:
                its_turn.note_reply(reply)
                request = talk.send(reply)
    except StopIteration as done:
        its_turn.note_end(done.value, reply)
        return done.value  # type: ignore[no-any-return]
    except BackendError as exc:
        its_turn.note_end(exc, reply)
        raise
