"""The engine: what one tick of a lane does (DESIGN section 3, steps 4 to 6).

claim what is due → poll all of it at once → read each reply → record batches as the replies come
→ arm the next tick, once. Called by a Celery task; runs in its thread, with the requests on the
process's background loop.
"""

from collections.abc import Sequence
from datetime import timedelta

from progrock import clock
from progrock.backends import push, registry
from progrock.backends.backend import Backend
from progrock.jobs.changes import Change, Ended, JobError, Observation, PollFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.live import publishing
from progrock.polling import answers, lanes, looks, staying
from progrock.polling.answers import Answers, next_batch
from progrock.polling.claim import Claim, batch_size, claim_due

PUBLISH_SECONDS = 0.5  # that the next batch waits for what was told of the last
SLOW_SECONDS = 0.25  # without any answer: then the lane is armed before all have come
NO_ROOM = timedelta(seconds=0.5)  # from one tick to the next, while no more can be asked for


def run_tick(backend_name: str, shard: int, tick: int) -> int:
    """Poll the lane's due jobs and arm its next tick; return how many jobs were looked at.

    A tick that is not the armed one does nothing: it was doubled, or overtaken.
    """
    clock.check()
    if not lanes.begin(backend_name, shard, tick):
        return 0
    backend = None if backend_name == push.NAME else registry.find(backend_name)
    claims: list[Claim] = []
    size = 1
    try:
        policy = registry.policy_of(backend_name)
        size = batch_size(policy) if backend is None else looks.room(backend, shard)
        claims = claim_due(backend_name, shard, policy, clock.now(), size)
        if backend_name == push.NAME:
            answers.record([(claim, _silent(claim)) for claim in claims])
        elif backend is None:
            answers.record([(claim, _unconfigured(claim)) for claim in claims])
        elif len(claims) >= staying.FEWEST and (kept_until := staying.begin(backend, shard)):
            staying.stay(backend, shard, claims, kept_until)
        elif claims:
            _poll(backend, shard, claims)
    finally:
        # With no room the answers that come make some, and arm the lane for it.
        lanes.arm_next(backend_name, shard, clock.now(), lanes.SPACING if size else NO_ROOM)
    return len(claims)


def _poll(backend: Backend, shard: int, claims: Sequence[Claim]) -> None:
    """Poll all claims at once and record the answers as they come, until the leases are over."""
    come, waiting, is_slow = Answers(), len(claims), False
    looks.ask(backend, claims, come)
    try:
        while waiting and clock.now() < claims[0].lease_ends:
            batch = next_batch(come, waiting, SLOW_SECONDS)
            waiting -= len(batch)
            looks.note_answered(backend, len(batch))
            answers.record(batch)
            publishing.settle(PUBLISH_SECONDS)
            if is_slow or not batch:
                # A slow answer must not hold up the jobs that fall due meanwhile.
                is_slow = True
                lanes.arm_next(backend.name, shard, clock.now())
    finally:
        looks.note_answered(backend, waiting)


def _silent(claim: Claim) -> Change:
    """Return what the silence of a program that reports its own job means."""
    job, policy = claim.job, push.policy(claim.params)
    silent = (clock.now() - job.moved_at).total_seconds()
    if silent < policy.unreachable_for:
        return Observation(look=job.look)  # stalled, when it is long enough
    if job.cancel_requested is not None:
        error = JobError(code=JobErrorCode.CANCELLED, message="Cancelled; no report came since.")
        return Ended(look=job.look, state=State.CANCELLED, error=error)
    message = f"No report came for {policy.unreachable_for:g} s."
    error = JobError(code=JobErrorCode.STALLED, message=message)
    return Ended(look=job.look, state=State.FAILED, error=error)


def _unconfigured(claim: Claim) -> PollFailed:
    return PollFailed(
        look=claim.job.look,
        error=JobError(
            code=JobErrorCode.BACKEND_UNREACHABLE,
            message=f"No backend {claim.job.backend!r} is configured any longer.",
        ),
    )
