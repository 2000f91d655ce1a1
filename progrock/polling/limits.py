"""Keep to what a backend allows: so many requests a second, so many at once, in this process."""

import asyncio
from types import TracebackType

from progrock.jobs.policy import PollPolicy


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
