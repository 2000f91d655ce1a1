"""Look at jobs: ask their backend, all at once within its limits, and tell what it says.

The requests run on the process's background loop; the answers come in a queue to the thread that
asked for them.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog

from progrock import background_loop, clock
from progrock.backends import conversation
from progrock.backends.backend import Backend
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError, BadReply
from progrock.backends.http import HttpReply
from progrock.backends.poller import Poller
from progrock.jobs import transitions
from progrock.jobs.changes import Change, Ended, JobError, Observation, PollFailed, PutOff
from progrock.jobs.states import JobErrorCode, State
from progrock.polling import limits, outage
from progrock.polling.answers import Answers
from progrock.polling.claim import Claim, batch_size
from progrock.polling.hands import Hands, Work
from progrock.polling.limits import Limiter, NotNow, limiter_of

logger = structlog.get_logger(__name__)
T = TypeVar("T")
MOST_UNKNOWN_WORDS = 100
CLOSE_SECONDS = 2.0
SHARE_SECONDS = 2.0  # that the other lanes leave room to one that found none

poller = Poller()
_lock = threading.Lock()
_hands: WeakKeyDictionary[Limiter, Hands] = WeakKeyDictionary()  # on the background loop alone
_in_hand: Counter[str] = Counter()  # jobs of a backend that are claimed here and not answered
_short: dict[str, dict[int, float]] = {}  # the lanes of a backend that found no room, and when


def ask(backend: Backend, claims: Sequence[Claim], answers: Answers) -> None:
    """Have jobs looked at, each with one answer to come; `note_answered` counts them."""
    with _lock:
        _in_hand[backend.name] += len(claims)
    background_loop.submit(_begin(backend, claims, answers))


def note_answered(backend: Backend, count: int) -> None:
    """Note that so many jobs are no longer in hand: their answers came, or are given up."""
    with _lock:
        _in_hand[backend.name] -= count


def room(backend: Backend, shard: int, asked: int = 0) -> int:
    """Return how many more jobs of a lane may be asked for now.

    `asked` is how many of the lane wait already: in all no more than its limits let through in
    a second, so that a start or another lane need not wait behind them; and while other lanes of
    the backend find no room at all, no more than this lane's share of what may be in hand.
    """
    now = time.monotonic()
    per_request = 1 if backend.batch is None else backend.batch.size
    latency = limits.latency_of(backend.name)
    most = batch_size(backend.policy, per_request=per_request) - asked
    with _lock:
        in_hand, short = _in_hand[backend.name], _short.setdefault(backend.name, {})
        most = min(most, batch_size(backend.policy, latency, in_hand, per_request))
        others = sum(at > now - SHARE_SECONDS for lane, at in short.items() if lane != shard)
        if others:
            whole = batch_size(backend.policy, latency, 0, per_request)
            most = min(most, whole // (others + 1) - asked)
        if most < 1 and not asked:
            short[shard] = now
    return max(most, 0)


def close() -> None:
    """Give back the part of the limits, and close the connections to all backends, at the end."""
    limits.close()
    with contextlib.suppress(TimeoutError):
        background_loop.run(poller.close(), CLOSE_SECONDS)


async def _begin(backend: Backend, claims: Sequence[Claim], answers: Answers) -> None:
    limiter = limiter_of(backend)
    hands = _hands.setdefault(limiter, Hands())
    work: Iterable[Work]
    if backend.batch is None:
        work = (partial(_look_at, backend, claim, limiter, answers) for claim in claims)
    else:
        groups = _groups(claims, backend.batch.size)
        work = (partial(_look_at_many, backend, group, limiter, answers) for group in groups)
    hands.add(work, backend.policy.in_flight)


async def _look_at(backend: Backend, claim: Claim, limiter: Limiter, answers: Answers) -> None:
    """Answer with what a look at a job gives; never raises."""
    now = clock.now()
    talk = conversation.poll(backend, claim.job, claim.params, now, seen=claim.stored.seen)
    answers.put((claim, await _change(backend, claim, talk, limiter, now)))


async def _look_at_many(
    backend: Backend,
    claims: Sequence[Claim],
    limiter: Limiter,
    answers: Answers,
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
    if now >= claim.last_begin:
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
                reply = await poller.send(request, backend.policy.timeout)
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


def _groups(claims: Sequence[Claim], size: int) -> Iterator[Sequence[Claim]]:
    return (claims[start : start + size] for start in range(0, len(claims), size))
