"""A worker's part of a backend's limits: a lease of slots, and turns that were reserved ahead.

Both come from one round trip to Redis for many requests. While Redis is away the worker takes the
part that it had last: its share of the limits by the number of workers that it knew of.
"""

from collections.abc import Callable

from progrock.jobs.policy import PollPolicy
from progrock.polling.shared import LEASE_SECONDS, Away, Share, Shared, Want
from progrock.polling.turns import Turns

AHEAD_SECONDS = 0.25  # for which turns are reserved
FEWEST_TURNS = 8  # reserved at a time, where so many fall into AHEAD_SECONDS
ALONE_SECONDS = 2.0  # from one attempt to the next, while Redis is away


class Quota:
    """What one worker may do at one backend. Times are of one monotonic clock, in seconds."""

    def __init__(self, shared: Shared, clock: Callable[[], float]) -> None:
        self.slots = 0
        self.is_contended = False  # other workers wait for slots
        self.taken = 0  # turns since the last round trip
        self._shared = shared
        self._clock = clock
        self._turns = Turns()
        self._low = 0  # turns left, at which more are to be reserved
        self._pace = 0  # turns needed from one round trip to the next, of late, twice over
        self._peak = 0  # slots in use since the last round trip
        self._ends = 0.0  # of the lease
        self._workers = 1
        self._alone_until = 0.0
        self._full_at = 0.0  # when the bucket that is kept alone is full again

    @property
    def is_low(self) -> bool:
        """Whether more turns are to be reserved."""
        return self._turns.left <= self._low

    def take(self, in_use: int, now: float) -> bool:
        """Take a slot and a turn for one more request, where both are there."""
        if in_use >= self.slots or now >= self._ends or not self._turns.take(now):
            return False
        self.taken += 1
        if in_use >= self._peak:
            self._peak = in_use + 1
        return True

    def is_over(self, now: float) -> bool:
        """Whether the lease has ended."""
        return now >= self._ends

    @property
    def is_alone(self) -> bool:
        """Whether Redis was away a moment ago."""
        return self._clock() < self._alone_until

    def next_turn_at(self) -> float | None:
        """Return when the next turn may be taken; None when none is reserved."""
        return self._turns.next_at()

    async def renew(
        self, policy: PollPolicy, *, in_use: int, waiting: int, hold_seconds: float
    ) -> Share | None:
        """Renew the lease and reserve turns as they are needed; None when Redis is away."""
        now = self._clock()
        unused = self._turns.give_lapsed(now)
        want = Want(
            in_use=in_use,
            slots=max(self._peak, in_use + waiting),
            turns=self._turns_wanted(policy, waiting),
            unused=unused,
            hold_seconds=hold_seconds,
        )
        self.taken, self._peak = 0, in_use
        if now < self._alone_until:
            self._go_alone(policy, want, now)
            return None
        try:
            share = await self._shared.ask(want, policy.per_second, policy.in_flight)
        except Away:
            self._alone_until = now + ALONE_SECONDS
            self._go_alone(policy, want, now)
            return None
        self.slots, self.is_contended, self._workers = (
            share.slots,
            share.is_contended,
            share.workers,
        )
        self._ends = now + 0.8 * LEASE_SECONDS
        now = self._clock()  # not before Redis said it: a turn may be late, and not early
        self._reserve(share.turns, now + share.first_seconds, 1 / policy.per_second, now)
        return share

    async def give_back(self, policy: PollPolicy) -> None:
        """Give back all slots and turns: nothing is to be asked for now."""
        now = self._clock()
        self.slots, self._ends, self._peak, self._low = 0, 0.0, 0, 0
        unused = self._turns.give_back()
        if now >= self._alone_until:
            nothing = Want(in_use=0, slots=0, turns=0, unused=unused, hold_seconds=0.0)
            try:
                await self._shared.ask(nothing, policy.per_second, policy.in_flight)
            except Away:
                self._alone_until = now + ALONE_SECONDS

    def _turns_wanted(self, policy: PollPolicy, waiting: int) -> int:
        """Return how many turns to reserve: twice as many as were needed, within bounds."""
        most = max(1, int(policy.per_second * AHEAD_SECONDS))
        self._pace = max(2 * self.taken, self._pace // 2)
        # At a low rate a turn that is kept ready would keep another worker waiting.
        need = waiting if most < FEWEST_TURNS else max(waiting, self._pace, FEWEST_TURNS)
        return max(min(need, most) - self._turns.left, 0)

    def _reserve(self, count: int, first_at: float, interval: float, now: float) -> None:
        self._turns.add(count, first_at, interval, now)
        self._low = self._turns.left // 2

    def _go_alone(self, policy: PollPolicy, want: Want, now: float) -> None:
        """Take this worker's part without asking: the same rule, for a part of the rate."""
        self.slots = max(1, policy.in_flight // self._workers)
        self.is_contended = False
        self._ends = now + ALONE_SECONDS
        rate = policy.per_second / self._workers
        full_at = max(now, self._full_at)
        first_at = full_at - max(rate - 1, 0.0) / rate
        self._full_at = full_at + want.turns / rate
        self._reserve(want.turns, first_at, 1 / rate, now)
