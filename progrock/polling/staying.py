"""Stay with a busy lane for a while: its jobs are claimed once and looked at again and again.

A tick costs a Celery message, and each look of a job two writes of its row, for the claim and for
its end. A tick that stays holds a job that is looked at as often as may be by one lease, knows by
itself when it is due, and writes only what a look has changed. It asks the database for what else
falls due all the same, so that who starts a job or brings a look forward need not know of it.
Why it is right: docs/decisions/0015-staying.md.
"""

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from progrock import clock
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.jobs import recall, rows
from progrock.live import publishing
from progrock.polling import answers, lanes, limits, looks
from progrock.polling.answers import Answers, next_batch
from progrock.polling.claim import Claim, claim_due, claim_unleased, take_leases, worker_name
from progrock.polling.held import Held

FEWEST = 20  # jobs due at once, that a tick stays for
SECONDS = 10.0  # for which it keeps the lane; at half of them it does so anew
LONGEST_SECONDS = 60.0
LEAVE_SECONDS = 2.0  # in which it leaves; no other tick comes before
MOST = 4  # lanes of a process: each has a thread and a database connection meanwhile
ROUND_SECONDS = lanes.SPACING.total_seconds()  # those that fall due within it are asked together
CLAIM_SECONDS = 0.1  # from one look for what else is due to the next
ANSWERED_SECONDS = 0.25  # a backend that is faster is asked before its jobs are leased
MOST_UNLEASED = 500  # asked for without: each claim reads past them
PUBLISH_SECONDS = 0.5
SLOW_SECONDS = 0.25
_lock = threading.Lock()
_stays = 0
_is_ending = threading.Event()


def begin(backend: Backend, shard: int) -> datetime | None:
    """Have the other ticks of a lane do nothing while this one stays; `stay` is to follow.

    Return until when; None when there are enough that stay.
    """
    global _stays  # noqa: PLW0603
    with _lock:
        if _stays >= MOST or _is_ending.is_set():
            return None
        _stays += 1
    now = clock.now()
    kept_until = now + timedelta(seconds=SECONDS + LEAVE_SECONDS)
    if lanes.keep(backend.name, shard, worker_name(), kept_until, now):
        return kept_until
    _end()
    return None


def stay(backend: Backend, shard: int, claims: Sequence[Claim], kept_until: datetime) -> None:
    """Look at these jobs and at those that fall due, until there are none or the time is over."""
    stay = _Stay(backend, shard, kept_until)
    try:
        stay.run(list(claims))
    finally:
        try:
            stay.leave()
        finally:
            looks.note_answered(backend, len(stay.held.asked))
            _end()


def stop() -> None:
    """Have all ticks leave their lanes soon: this worker ends."""
    _is_ending.set()


def _end() -> None:
    global _stays  # noqa: PLW0603
    with _lock:
        _stays -= 1


class _Stay:
    def __init__(self, backend: Backend, shard: int, kept_until: datetime) -> None:
        self.held = Held()
        self._backend = backend
        self._shard = shard
        self._answers = Answers()
        self._has_left = False
        self._kept_until = kept_until
        self._until = kept_until - timedelta(seconds=LEAVE_SECONDS)
        at = time.monotonic()  # whatever the clock says
        self._ends_at, self._keeps_on_at = at + LONGEST_SECONDS, at + SECONDS / 2
        self._round_at = self._claim_at = 0.0

    def run(self, claims: list[Claim]) -> None:
        """Look at jobs until the stay is over and what was asked for is answered."""
        last_lease_ends = self._until
        self.held.ask(claims)
        while True:
            if claims:
                looks.ask(self._backend, claims, self._answers)
                last_lease_ends = max(last_lease_ends, claims[-1].lease_ends)
            wait = SLOW_SECONDS if self._has_left else self._round_at - time.monotonic()
            batch = next_batch(self._answers, len(self.held.asked), max(wait, 0.0))
            self._record(batch)
            if self._has_left and not batch:  # a slow answer must not hold up the lane
                lanes.arm_next(self._backend.name, self._shard, clock.now())
            if not self._has_left and (self._is_over() or not self._keeps_on()):
                self.leave()
            if self.held.is_empty or (self._has_left and clock.now() >= last_lease_ends):
                return
            claims = [] if self._has_left else self._due()

    def leave(self) -> None:
        """Leave the lane to other ticks, with what is kept; the answers to come are recorded."""
        if self._has_left:
            return
        self._has_left = True
        self.held.ask(
            take_leases([each for each in self.held.asked.values() if not each.is_leased])
        )
        kept = [(claim.stored, claim.due) for claim in self.held.take_kept()]
        rows.release(kept, clock.now())
        recall.keep(stored for stored, _ in kept)
        lanes.let_go(worker_name(), backend=self._backend.name, shard=self._shard)

    def _is_over(self) -> bool:
        return (
            time.monotonic() >= self._ends_at
            or _is_ending.is_set()
            or registry.find(self._backend.name) is not self._backend  # described anew
        )

    def _keeps_on(self) -> bool:
        """Keep the lane for longer when it is time to; False when another tick has taken it."""
        at = time.monotonic()
        if at < self._keeps_on_at:
            return True
        until = clock.now() + timedelta(seconds=SECONDS)
        kept_until = until + timedelta(seconds=LEAVE_SECONDS)
        if not lanes.keep_on(self._backend.name, self._shard, self._kept_until, kept_until):
            return False
        self._until, self._kept_until, self._keeps_on_at = until, kept_until, at + SECONDS / 2
        return True

    def _due(self) -> list[Claim]:
        """Return the jobs that are to be looked at now, of those kept and of those in the rows."""
        at = time.monotonic()
        if at < self._round_at:
            return []
        self._round_at = at + ROUND_SECONDS
        clock.check()
        now, claimed = clock.now(), list[Claim]()
        room = looks.room(self._backend, self._shard, len(self.held.asked))
        if at >= self._claim_at:
            # First, whatever is kept: otherwise they would never get room while more is kept than
            # may be asked for. Each is then among those kept, and they have their turns.
            self._claim_at = at + CLAIM_SECONDS
            claimed = self._claim(now, room)
            self.held.ask(claimed)
        return claimed + self.held.take_due(now, room - len(claimed))

    def _claim(self, now: datetime, most: int) -> list[Claim]:
        """Return what is due in the rows; without a lease where the answers come in a moment."""
        is_fast = 0 < limits.latency_of(self._backend.name) <= ANSWERED_SECONDS
        asked = self.held.asked
        claim = claim_unleased if is_fast and len(asked) <= MOST_UNLEASED else claim_due
        policy, until = self._backend.policy, self._until
        return claim(
            self._backend.name, self._shard, policy, now, most, until=until, but=asked.keys()
        )

    def _record(self, batch: Sequence[answers.Answered]) -> None:
        batch = [(self.held.answered(claim), change) for claim, change in batch]
        claims = {claim.job.id.int: claim for claim, _ in batch}
        looks.note_answered(self._backend, len(batch))
        recorded = answers.record(batch, None if self._has_left else self._until)
        for each in recorded:
            if each.kept is not None and each.due_at is not None:
                held = claims[each.job.id.int]
                self.held.keep(
                    Claim(
                        each.kept, each.due_at, held.lease_ends, held.last_begin, held.watched_until
                    )
                )
        publishing.settle(PUBLISH_SECONDS)
