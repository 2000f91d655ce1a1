"""The engine: what one tick of a lane does (DESIGN section 3, steps 4 to 6).

claim what is due → poll all of it at once → read each reply → record batches as the replies come
→ arm the next tick, once. Called by a Celery task; runs in its thread, with the requests on the
process's background loop.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from progrock import background_loop, clock
from progrock.backends import conversation, push, registry
from progrock.backends.backend import Backend
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError, BadReply
from progrock.backends.http import HttpReply
from progrock.backends.poller import Poller
from progrock.jobs import dispatch, log, transitions
from progrock.jobs.changes import Change, Ended, JobError, Observation, PollFailed, PutOff
from progrock.jobs.states import JobErrorCode, State
from progrock.live import publishing
from progrock.polling import lanes, limits, outage, watched
from progrock.polling.claim import Claim, batch_size, claim_due
from progrock.polling.limits import Limiter, NotNow, limiter_of

logger = structlog.get_logger(__name__)
T = TypeVar("T")
MOST_UNKNOWN_WORDS = 100
CLOSE_SECONDS = 2.0
GATHER_SECONDS = 0.02  # in which answers share a transaction
PUBLISH_SECONDS = 0.5  # that the next batch waits for what was told of the last
SLOW_SECONDS = 0.25  # without any answer: then the lane is armed before all have come
NO_ROOM = timedelta(seconds=0.5)  # from one tick to the next, while no more can be asked for
Answered = tuple[Claim, Change]

_poller = Poller()
_lock = threading.Lock()
_in_hand: Counter[str] = Counter()  # jobs of a backend that are claimed here and not answered


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
        size = batch_size(policy) if backend is None else _room(backend)
        claims = claim_due(backend_name, shard, policy, clock.now(), size)
        if backend_name == push.NAME:
            record([(claim, _silent(claim)) for claim in claims])
        elif backend is None:
            record([(claim, _unconfigured(claim)) for claim in claims])
        elif claims:
            _poll(backend, shard, claims)
    finally:
        # With no room the answers that come make some, and arm the lane for it.
        lanes.arm_next(backend_name, shard, clock.now(), lanes.SPACING if size else NO_ROOM)
    return len(claims)


def close() -> None:
    """Give back the part of the limits, and close the connections to all backends, at the end."""
    limits.close()
    with contextlib.suppress(TimeoutError):
        background_loop.run(_poller.close(), CLOSE_SECONDS)


def _room(backend: Backend) -> int:
    """Return how many jobs of a backend may be claimed now."""
    with _lock:
        in_hand = _in_hand[backend.name]
    per_request = 1 if backend.batch is None else backend.batch.size
    latency = limits.latency_of(backend.name)
    return batch_size(backend.policy, latency, in_hand, per_request)


def _take_in_hand(backend: Backend, change: int) -> None:
    with _lock:
        _in_hand[backend.name] += change


def _poll(backend: Backend, shard: int, claims: Sequence[Claim]) -> None:
    """Poll all claims at once and record the answers as they come, until the leases are over."""
    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    waiting, is_slow = len(claims), False
    _take_in_hand(backend, waiting)
    background_loop.submit(_poll_all(backend, claims, answers))
    try:
        while waiting and clock.now() < claims[0].lease_ends:
            batch = _next_batch(answers, waiting)
            waiting -= len(batch)
            _take_in_hand(backend, -len(batch))
            record(batch)
            publishing.settle(PUBLISH_SECONDS)
            if is_slow or not batch:
                # A slow answer must not hold up the jobs that fall due meanwhile.
                is_slow = True
                lanes.arm_next(backend.name, shard, clock.now())
    finally:
        _take_in_hand(backend, -waiting)


def record(batch: Sequence[Answered]) -> list[log.Recorded]:
    """Write a batch of answers to the log, and return what became of them."""
    now, feeds = time.time(), watched.feeds()
    entries = [
        log.Entry(
            claim.job.id,
            change,
            claim.due,
            claim.stored,
            claim.watched_until > now or feeds.cover(claim.stored.owner),
        )
        for claim, change in batch
    ]
    recorded = log.record(entries, registry.policy_of)
    for each in recorded:
        if each.is_to_stop:
            dispatch.send_cancel(each.job.id)
    return recorded


def _next_batch(answers: "queue.SimpleQueue[Answered]", expected: int) -> list[Answered]:
    """Wait a moment for an answer, and a moment more for others to come with it; then take all."""
    try:
        batch = [answers.get(timeout=SLOW_SECONDS)]
    except queue.Empty:
        return []
    if len(batch) + answers.qsize() < expected:
        time.sleep(GATHER_SECONDS)
    while True:
        try:
            batch.append(answers.get_nowait())
        except queue.Empty:
            return batch


async def _poll_all(
    backend: Backend, claims: Sequence[Claim], answers: "queue.SimpleQueue[Answered]"
) -> None:
    limiter = limiter_of(backend)

    async with asyncio.TaskGroup() as group:
        if backend.batch is None:
            todo = iter(claims)
            for _ in range(min(len(claims), backend.policy.in_flight)):
                group.create_task(_look_in_turn(backend, todo, limiter, answers))
        else:
            for group_of in _groups(claims, backend.batch.size):
                group.create_task(_look_at_many(backend, group_of, limiter, answers))


async def _look_in_turn(
    backend: Backend,
    claims: Iterator[Claim],
    limiter: Limiter,
    answers: "queue.SimpleQueue[Answered]",
) -> None:
    """Answer with what a look at each job gives, one after the other; never raises."""
    for claim in claims:
        seen, now = claim.stored.seen, clock.now()
        talk = conversation.poll(backend, claim.job, claim.params, now, seen=seen)
        answers.put((claim, await _change(backend, claim, talk, limiter, now)))


async def _look_at_many(
    backend: Backend,
    claims: Sequence[Claim],
    limiter: Limiter,
    answers: "queue.SimpleQueue[Answered]",
) -> None:
    """Answer for many jobs from one request; a job that it leaves out is asked for alone."""
    operations = [claim.job.operation for claim in claims if claim.job.operation is not None]
    try:
        asking = conversation.batch(backend, operations)
        parts = await _drive(backend, asking, limiter, claims[0].job.id)
    except NotNow as no:
        for claim in claims:
            answers.put((claim, _turned_away(backend, claim, no)))
        return
    except BackendError as exc:
        for claim in claims:
            failed = conversation.failed_look(claim.job, exc)
            if limiter.circuit.is_open:
                failed = await _counted(backend, claim, failed, limiter)
            answers.put((claim, failed))
        return
    for claim in claims:
        part = parts.get(claim.job.operation or "")
        if part is None and backend.status is None:
            left_out = BadReply("The backend's answer to the batch leaves this job out.")
            answers.put((claim, conversation.failed_look(claim.job, left_out)))
            continue
        now = clock.now()
        talk = conversation.poll(
            backend, claim.job, claim.params, now, answered=part, seen=claim.stored.seen
        )
        answers.put((claim, await _change(backend, claim, talk, limiter, now)))


async def _change(
    backend: Backend, claim: Claim, talk: Conversation[Change], limiter: Limiter, now: datetime
) -> Change:
    policy = backend.policy
    if now >= transitions.deadline_of(policy, claim.job):
        return _timed_out(backend, claim)
    if not claim.may_begin(policy.timeout, now):
        return PutOff(look=claim.job.look, until=now)
    try:
        change = await _drive(backend, talk, limiter, claim.job.id)
    except NotNow as no:
        return _turned_away(backend, claim, no)
    except Exception as exc:
        logger.exception(
            "a look failed by a fault of ours", job=str(claim.job.id), backend=backend.name
        )
        message = f"The answer could not be read ({type(exc).__name__}); see the worker's log."
        return PollFailed(
            look=claim.job.look, error=JobError(code=JobErrorCode.BAD_REPLY, message=message)
        )
    if isinstance(change, Observation) and change.unknown_word is not None:
        _warn_once(backend, change.unknown_word)
    return await _counted(backend, claim, change, limiter) if limiter.circuit.is_open else change


async def _counted(backend: Backend, claim: Claim, change: Change, limiter: Limiter) -> Change:
    """Return a change; with an open circuit a failed poll is the circuit's, and counts for all."""
    if isinstance(change, PollFailed) and change.error.code is JobErrorCode.BACKEND_UNREACHABLE:
        circuit = await limiter.settled()
        if circuit.is_open:
            return outage.instead_of_look(backend, claim.job, circuit)
    return change


def _turned_away(backend: Backend, claim: Claim, no: NotNow) -> Change:
    if clock.now() >= transitions.deadline_of(backend.policy, claim.job):
        return _timed_out(backend, claim)
    return outage.instead_of_look(backend, claim.job, no)


def _warn_once(backend: Backend, word: str) -> None:
    known = backend.remembered.unknown_words
    if word not in known and len(known) < MOST_UNKNOWN_WORDS:
        known.add(word)
        logger.warning(
            "a word that `states` lacks counts as running", backend=backend.name, word=word
        )


async def _drive(backend: Backend, talk: Conversation[T], limiter: Limiter, job: UUID) -> T:
    """Carry a conversation over the poller, each request within the limits. Raises NotNow."""
    tally, asked_at = limiter.tally, 0.0
    reply: HttpReply | None = None
    try:
        request = next(talk)
        while True:
            if not limiter.goes_at_once():
                await limiter.wait()
            asked_at = time.perf_counter()
            try:
                reply = await _poller.send(request, backend.policy.timeout)
            except BackendError as exc:
                reply = None
                limiter.note_error(exc, job)
                request = talk.throw(exc)
            else:
                tally.note_answer(time.perf_counter() - asked_at)
                limiter.note_reply(reply, job)
                request = talk.send(reply)
            finally:
                limiter.leave()
    except StopIteration as done:
        if asked_at:
            tally.note_poll(done.value, reply, job)
        return done.value  # type: ignore[no-any-return]
    except BackendError as exc:
        if asked_at:
            tally.note_poll(exc, reply, None)
        raise


def _timed_out(backend: Backend, claim: Claim) -> Ended:
    error = transitions.timed_out(backend.policy)
    return Ended(look=claim.job.look, state=State.TIMED_OUT, error=error)


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


def _groups(claims: Sequence[Claim], size: int) -> Iterator[Sequence[Claim]]:
    return (claims[start : start + size] for start in range(0, len(claims), size))
