"""Keep to what a backend allows: so many requests a second, so many at once, in this process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from progrock import background_loop
from progrock.backends.backend import Backend
from progrock.jobs.policy import PollPolicy

WAIT_SECONDS = 60.0  # for a turn of a single call


class Limiter:
    """`async with limiter:` around each request. Belongs to one event loop."""

    def __init__(self, policy: PollPolicy) -> None:
        self.policy = policy
        self._slots = asyncio.Semaphore(policy.in_flight)
        self._tokens = policy.per_second  # the bucket holds one second's worth
        self._filled_at = 0.0

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            await self._take_token()
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.release()

    async def _take_token(self) -> None:
        rate = self.policy.per_second
        now = asyncio.get_running_loop().time()
        size = max(rate, 1.0)
        self._tokens = min(size, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        self._tokens -= 1.0  # below zero: the wait for a token that is yet to come
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / rate)


_limiters: dict[str, Limiter] = {}


def limiter_of(backend: Backend) -> Limiter:
    """Return the one limiter of a backend in this process; call it on the background loop."""
    limiter = _limiters.get(backend.name)
    if limiter is None or limiter.policy != backend.policy:
        limiter = _limiters[backend.name] = Limiter(backend.policy)
    return limiter


@contextmanager
def turn(backend: Backend) -> Iterator[None]:
    """Wait in a thread for a turn at a backend, among its polls. Raises TimeoutError."""
    limiter = background_loop.run(_entered(backend), WAIT_SECONDS)
    try:
        yield
    finally:
        background_loop.submit(limiter.__aexit__(None, None, None))


async def _entered(backend: Backend) -> Limiter:
    limiter = limiter_of(backend)
    await limiter.__aenter__()
    return limiter
