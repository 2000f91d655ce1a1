"""A process's counts: one `Tally` a backend on the background loop, written about once a second.

What is counted while Redis is away is lost: figures are no truth, and must cost nothing.
"""

import asyncio
import contextlib

import redis
import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from progrock import background_loop, clock
from progrock.jobs.values import JobValue
from progrock.telemetry import board
from progrock.telemetry.tally import Tally

logger = structlog.get_logger(__name__)
WRITE_SECONDS = 1.0  # from a first count until it is written
ASK_SECONDS = 1.0  # for an answer of Redis
MOST_BACKENDS = 1_000  # that a process counts


class Counting:
    """The tallies of a process. Belongs to an event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._tallies: dict[str, Tally] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._client = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=ASK_SECONDS,
            socket_connect_timeout=ASK_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._script = self._client.register_script(board.WRITE)

    def tally_of(self, backend: str) -> Tally:
        """Return the tally of a backend."""
        tally = self._tallies.get(backend)
        if tally is None:
            tally = Tally(self._arm)
            if len(self._tallies) < MOST_BACKENDS:
                self._tallies[backend] = tally
        return tally

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(WRITE_SECONDS, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._task = self.loop.create_task(self.write())

    async def write(self) -> None:
        """Write all that was counted since the last time."""
        now = clock.now()
        slot = board.slot_of(now)
        for name, tally in list(self._tallies.items()):
            if not tally.has_news:
                continue
            failure, tally.failure = tally.failure, None
            told = None if failure is None else failure.as_json(tally.mask, now)
            arguments = board.arguments_of(tally.take(), told)
            with contextlib.suppress(redis.RedisError, OSError, TimeoutError):
                async with asyncio.timeout(ASK_SECONDS):
                    await self._script(keys=board.keys_of(name, slot), args=arguments)

    async def close(self) -> None:
        """Write what is left, and close the connection."""
        if self._timer is not None:
            self._timer.cancel()
        await self.write()
        with contextlib.suppress(redis.RedisError, OSError):
            await self._client.aclose()


_counting: Counting | None = None


def tally_of(backend: str) -> Tally:
    """Return the tally of a backend in this process; call it on the background loop."""
    global _counting  # noqa: PLW0603 - one a process and loop
    if _counting is None or _counting.loop is not asyncio.get_running_loop():
        _counting = Counting()
    return _counting.tally_of(backend)


def note_end(job: JobValue) -> None:
    """Count a job that has ended. For any thread."""
    ended, begun = job.finished or job.updated, job.started
    seconds = None if begun is None else max(0.0, (ended - begun).total_seconds())

    async def note() -> None:
        tally_of(job.backend).note_end(job.state, seconds)

    background_loop.submit(note())


async def close() -> None:
    """Write what is left, at the end of the process; call it on the background loop."""
    global _counting
    if _counting is not None and _counting.loop is asyncio.get_running_loop():
        counting, _counting = _counting, None
        await counting.close()
