"""Wait for a turn at a backend: within its limits, not while it wants to be left alone.

A request is let in when the worker's `Quota` has a slot and a turn for it, mostly at once. It is
turned away, by `NotNow`, after a 429 or 503 with Retry-After, for all jobs and all workers, and
while the backend's circuit is open, unless it is the probe. One attendant renews the quota while
there are requests, hears what other workers have found, and tells them what this one has.
"""

import asyncio
import contextlib
from collections import deque
from datetime import UTC, datetime, timedelta
from types import TracebackType
from uuid import UUID

import structlog

from progrock import clock
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError, Unreachable
from progrock.backends.http import HttpReply
from progrock.backends.values import retry_after_of
from progrock.polling.breaker import Breaker
from progrock.polling.circuit import Circuit
from progrock.polling.load import Load
from progrock.polling.quota import Quota
from progrock.polling.schedule import MAX_RETRY_AFTER
from progrock.polling.shared import Shared
from progrock.telemetry.counting import tally_of

logger = structlog.get_logger(__name__)
RENEW_SECONDS = 0.5  # from one round trip to the next, while there are requests
PRESS_SECONDS = 0.1  # the same, while somebody waits for slots
IDLE_SECONDS = 1.0  # then slots and turns are given back
TIMER_SECONDS = 0.004
NEWS_SECONDS = 0.05  # in which what becomes of requests is told as one
FRESH_SECONDS = 1.0  # so long an open circuit is believed in
MARGIN = timedelta(milliseconds=50)  # beyond a time at which a backend may be asked again


class NotNow(Exception):
    """Raised in place of a turn while the backend is to be left alone, until about a time.

    `circuit` is the open circuit; None when the backend asked for a pause.
    """

    def __init__(self, until: datetime, circuit: Circuit | None = None) -> None:
        super().__init__(f"The backend is to be left alone until {until:%H:%M:%S} UTC.")
        self.until = until
        self.circuit = circuit


class Limiter:
    """`async with limiter:` around each request to a backend. Belongs to one event loop."""

    def __init__(self, backend: Backend) -> None:
        self.loop = asyncio.get_running_loop()
        self.tally = tally_of(backend.name)
        self.describe(backend)
        self._clock = self.loop.time
        self._shared = Shared(backend.name)
        self._breaker = Breaker(backend.name, self._shared)
        self._quota = Quota(self._shared, self._clock)
        self._load = Load(self._clock())
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held_until = 0.0
        self._heard_at = 0.0
        self._attendant: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()
        self._news: asyncio.TimerHandle | None = None
        self._listening: list[asyncio.Future[None]] = []
        self._press_at = 0.0  # when more slots may be asked for again
        self._probe: asyncio.Future[None] | None = None
        self._is_closed = False

    def describe(self, backend: Backend) -> None:
        """Go by another description of the backend; what is under way counts on."""
        self.backend = backend
        self.tally.mask = backend.mask

    async def __aenter__(self) -> None:
        if not self.goes_at_once():
            await self.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    async def enter(self, *, may_probe: bool = True) -> None:
        """Wait for a turn; `leave` ends it. Raises NotNow.

        Without `may_probe` the request is not the one that finds out whether an unreachable
        backend is back.
        """
        if not self.goes_at_once():
            await self.wait(may_probe=may_probe)

    def leave(self) -> None:
        """End a request."""
        self._load.end(self._clock())
        if self._waiting:
            self._let_in()

    @property
    def latency(self) -> float:
        """Seconds that a request takes of late; 0 while nothing is known. For any thread."""
        return self._load.latency(self._clock())

    @property
    def circuit(self) -> Circuit:
        """The backend's circuit, as far as this worker knows."""
        return self._breaker.circuit

    # --- what became of a request ---

    def note_reply(self, reply: HttpReply, job: UUID) -> None:
        """Take from a reply whether the backend is there, and whether it wants to be left alone."""
        if reply.status < 500 and reply.status != 429:
            if self._breaker.is_in_doubt:
                self._note_answer()
            return
        seconds = retry_after_of(reply) if reply.status in {429, 503} else None
        if seconds:
            self._hold(min(seconds, MAX_RETRY_AFTER))
        elif reply.status == 429:
            self._note_answer()
        else:
            self._note_failure(f"The backend answers with HTTP {reply.status}.", job)

    def note_error(self, error: BackendError, job: UUID) -> None:
        """Take from an error whether the backend is there."""
        if isinstance(error, Unreachable):
            self._note_failure(str(error), job)

    async def settled(self) -> Circuit:
        """Return the circuit once all that was noted is in it."""
        await self._settle()
        return self._breaker.circuit

    def _note_answer(self) -> None:
        self._breaker.note_answer()
        if self._breaker.has_news:
            self._ring_soon()

    def _note_failure(self, reason: str, job: UUID) -> None:
        self._breaker.note_failure(str(job), self.backend.mask.text(reason))
        self._ring_soon()

    def _hold(self, seconds: float) -> None:
        """Leave the backend alone for some seconds, and have all workers do so."""
        until = self._clock() + seconds
        if until > self._held_until:
            self._held_until = until
            self._turn_away(_held(seconds))
            self._ring()

    # --- waiting ---

    def goes_at_once(self) -> bool:
        """Begin a request, if nothing is in its way; `leave` ends it. Else `wait`."""
        now = self._clock()
        if (
            self._waiting
            or self._held_until > now
            or self._breaker.circuit.is_open
            or not self._quota.take(self._load.in_use, now)
        ):
            return False
        self._begin(now)
        return True

    def _begin(self, now: float) -> None:
        self._load.begin(now)
        if self._quota.is_low:
            self._ring()

    async def wait(self, *, may_probe: bool = True) -> None:
        """Wait for a turn that is not there at once; `leave` ends it. Raises NotNow."""
        if self._breaker.circuit.is_open and self._clock() - self._heard_at > FRESH_SECONDS:
            await self._hear()
        if (left := self._held_until - self._clock()) > 0:
            raise _held(left)
        is_probe = False
        if self._breaker.circuit.is_open:
            is_probe = may_probe and await self._breaker.take_probe(self.backend.policy)
            if not is_probe and self._breaker.circuit.is_open:
                raise _unreachable(self._breaker.circuit)
        waiter = self.loop.create_future()
        if is_probe:
            self._probe = waiter
        self._waiting.append(waiter)
        self._let_in()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave()  # it was let in, and nobody is there any more
            raise

    def _let_in(self) -> None:
        """Let in who waits, as far as there are slots and turns, and see to it that more come."""
        now, quota = self._clock(), self._quota
        while self._waiting:
            if self._waiting[0].done():  # cancelled
                self._waiting.popleft()
            elif quota.take(self._load.in_use, now):
                self._begin(now)
                self._waiting.popleft().set_result(None)
            else:
                break
        else:
            return
        if self._load.in_use >= quota.slots and not quota.is_over(now):
            if quota.slots < self.backend.policy.in_flight and now >= self._press_at:
                self._ring()
            return
        next_at = quota.next_turn_at()
        if next_at is None or quota.is_over(now):
            self._ring()
        elif self._timer is None:
            # Later by a little: then several are let in at once.
            wait = max(next_at - now, 0.0) + TIMER_SECONDS
            self._timer = self.loop.call_later(wait, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._let_in()

    def _turn_away(self, error: NotNow, but: asyncio.Future[None] | None = None) -> None:
        """Turn away all who wait, but for one."""
        turned_away, self._waiting = self._waiting, deque()
        for waiter in turned_away:
            if waiter is but:
                self._waiting.append(waiter)
            elif not waiter.done():
                waiter.set_exception(error)

    # --- the attendant ---

    def _ring(self) -> None:
        """Have a round trip made at once."""
        self._bell.set()
        if self._attendant is None and not self._is_closed:
            self._attendant = self.loop.create_task(self._attend())

    def _ring_soon(self) -> None:
        """Have a round trip made soon, one for much news."""
        if self._news is None:
            self._news = self.loop.call_later(NEWS_SECONDS, self._on_news)

    def _on_news(self) -> None:
        self._news = None
        self._ring()

    async def _hear(self) -> None:
        """Wait until Redis was asked once more."""
        heard = self.loop.create_future()
        self._listening.append(heard)
        self._ring()
        await heard

    async def _attend(self) -> None:
        """Make round trips until there has been nothing to do for a while."""
        used_at = self._clock()
        try:
            while True:
                self._bell.clear()
                if self._load.in_use or self._waiting or self._quota.taken:
                    used_at = self._clock()
                await self._ask()
                if self._clock() - used_at >= IDLE_SECONDS and not self._breaker.has_news:
                    await self._quota.give_back(self.backend.policy)
                    if not self._bell.is_set():
                        return
                await self._pause()
        except Exception:
            logger.exception("the limits of a backend fail", backend=self.backend.name)
            self.loop.call_later(RENEW_SECONDS, self._ring)
        finally:
            self._attendant = None
            self._tell_heard()

    async def _ask(self) -> None:
        """Make one round trip, and act by what it brings."""
        now, slots = self._clock(), self._quota.slots
        self._load.roll(now)
        share = await self._quota.renew(
            self.backend.policy,
            in_use=self._load.in_use,
            waiting=len(self._waiting),
            hold_seconds=max(self._held_until - now, 0.0),
        )
        if share is not None:
            if share.hold_seconds > 0:
                self._hold(share.hold_seconds)
            self._breaker.learn(share.circuit)
        if self._breaker.has_news:
            await self._settle()
        self._heard_at = self._clock()
        self._tell_heard()
        self._turn_away_if_open()
        self._press_at = now if self._quota.slots > slots else now + PRESS_SECONDS
        self._let_in()

    async def _pause(self) -> None:
        lacks_slots = bool(self._waiting) and self._load.in_use >= self._quota.slots
        is_pressed = lacks_slots and self._quota.slots < self.backend.policy.in_flight
        seconds = PRESS_SECONDS if is_pressed or self._quota.is_contended else RENEW_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()

    async def _settle(self) -> None:
        if self._breaker.has_news:
            await self._breaker.settle(self.backend.policy, is_alone=self._quota.is_alone)
            self._turn_away_if_open()

    def _turn_away_if_open(self) -> None:
        if self._breaker.circuit.is_open:
            self._turn_away(_unreachable(self._breaker.circuit), but=self._probe)

    def _tell_heard(self) -> None:
        for heard in self._listening:
            if not heard.done():
                heard.set_result(None)
        self._listening.clear()

    async def close(self) -> None:
        """Give back what this worker holds, and close its connection; nobody comes any more."""
        self._is_closed = True
        if self._attendant is not None:
            self._attendant.cancel()
        await self._quota.give_back(self.backend.policy)
        await self._shared.close()


def _held(seconds: float) -> NotNow:
    return NotNow(clock.now() + timedelta(seconds=seconds) + MARGIN)


def _unreachable(circuit: Circuit) -> NotNow:
    now = clock.now()
    at = max(circuit.retry_at, min(circuit.probing_until, now.timestamp() + 1))
    return NotNow(max(datetime.fromtimestamp(at, UTC), now) + MARGIN, circuit)
