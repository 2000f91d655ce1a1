"""The engine: what one tick of a lane does (DESIGN section 3, steps 4 to 6).

claim what is due → poll all of it at once → read each reply → record batches as the replies come
→ arm the next tick. Called by a Celery task; runs in its thread, with the requests on the
process's background loop.
"""

import asyncio
import queue
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from progrock import background_loop
from progrock.backends import building, reading, registry
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError, Refused
from progrock.backends.transports import Poller
from progrock.jobs import dispatch, log
from progrock.jobs.changes import Change, Ended, JobError, PollFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.polling import lanes, schedule
from progrock.polling.claim import Claim, claim_due
from progrock.polling.limits import Limiter

logger = structlog.get_logger(__name__)
Answered = tuple[Claim, Change]

_poller = Poller()
_limiters: dict[str, Limiter] = {}


def run_tick(backend_name: str, shard: int, tick: int) -> int:
    """Poll the lane's due jobs and arm its next tick; return how many jobs were looked at.

    A tick that is not the armed one does nothing: it was doubled, or overtaken.
    """
    if not lanes.begin(backend_name, shard, tick):
        return 0
    backend = registry.find(backend_name)
    policy = registry.policy_of(backend_name)
    try:
        claims = claim_due(backend_name, shard, policy, datetime.now(UTC))
    finally:
        # Before the requests: a slow answer must not hold up the jobs that fall due meanwhile.
        lanes.arm_next(backend_name, shard, datetime.now(UTC))
    if not claims:
        return 0
    if backend is None:
        record([(claim, _unconfigured(claim)) for claim in claims])
        return len(claims)
    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    background_loop.submit(_poll_all(backend, claims, answers))
    waiting = len(claims)
    while waiting:
        batch = _next_batch(answers, claims)
        if not batch:
            break  # the leases are over: what has not answered falls due again
        record(batch)
        waiting -= len(batch)
    return len(claims)


def record(batch: Sequence[Answered]) -> None:
    """Write a batch of answers to the log, and arm the lanes for what comes next."""
    entries = [log.Entry(job=claim.job.id, change=change, due=claim.due) for claim, change in batch]
    steps = log.record(entries, registry.policy_of)
    now = datetime.now(UTC)
    for lane in {(step.job.backend, step.shard) for step in steps if step.due_at}:
        first = min(
            step.due_at for step in steps if step.due_at and (step.job.backend, step.shard) == lane
        )
        lanes.arm(*lane, first, now)
    for claim, change in batch:
        if isinstance(change, Ended):  # we gave it up; the backend should too
            dispatch.send_cancel(claim.job.id)


def _next_batch(answers: "queue.SimpleQueue[Answered]", claims: Sequence[Claim]) -> list[Answered]:
    """Wait for an answer, then take all that have come; empty when the leases are over."""
    left = (claims[0].lease_ends - datetime.now(UTC)).total_seconds()
    try:
        batch = [answers.get(timeout=max(left, 0.0))]
    except queue.Empty:
        return []
    while True:
        try:
            batch.append(answers.get_nowait())
        except queue.Empty:
            return batch


async def _poll_all(
    backend: Backend, claims: Sequence[Claim], answers: "queue.SimpleQueue[Answered]"
) -> None:
    limiter = _limiters.get(backend.name)
    if limiter is None or limiter.policy != backend.policy:
        limiter = _limiters[backend.name] = Limiter(backend.policy)

    async def look(claim: Claim) -> None:
        answers.put((claim, await _look(backend, claim, limiter)))

    async with asyncio.TaskGroup() as group:
        for claim in claims:
            group.create_task(look(claim))


async def _look(backend: Backend, claim: Claim, limiter: Limiter) -> Change:
    """Return what one look at a job gives; never raises."""
    job = claim.job
    try:
        if datetime.now(UTC) >= schedule.deadline(backend.policy, job):
            return _timed_out(backend, claim)
        context = building.context_of(
            job=str(job.id), params=claim.params, operation=job.operation, start=job.start
        )
        request = building.status_request(backend, context, job.status_url)
        async with limiter:
            reply = await _poller.send(request, backend.policy.timeout)
        return reading.read_poll(backend, job, claim.params, reply)
    except Refused as exc:
        return Ended(look=job.look, state=State.FAILED, error=_error(JobErrorCode.BAD_REPLY, exc))
    except BackendError as exc:
        return PollFailed(look=job.look, error=_error(JobErrorCode.BACKEND_UNREACHABLE, exc))
    except Exception as exc:
        logger.exception("a look failed by a fault of ours", job=str(job.id), backend=backend.name)
        return PollFailed(look=job.look, error=_error(JobErrorCode.BAD_REPLY, exc))


def _timed_out(backend: Backend, claim: Claim) -> Ended:
    return Ended(
        look=claim.job.look,
        state=State.TIMED_OUT,
        error=JobError(
            code=JobErrorCode.TIMED_OUT,
            message=f"The job did not end within its {backend.policy.deadline:g} s.",
        ),
    )


def _unconfigured(claim: Claim) -> PollFailed:
    return PollFailed(
        look=claim.job.look,
        error=JobError(
            code=JobErrorCode.BACKEND_UNREACHABLE,
            message=f"No backend {claim.job.backend!r} is configured any longer.",
        ),
    )


def _error(code: JobErrorCode, exc: Exception) -> JobError:
    return JobError(code=code, message=str(exc))
