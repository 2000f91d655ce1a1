"""The limits of the backends in this process: one `Limiter` each, for polls and single calls."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from progrock import background_loop
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.polling.limiter import Limiter, NotNow
from progrock.telemetry import counting

__all__ = ["Limiter", "NotNow", "Turn", "close", "latency_of", "limiter_of", "turn"]
WAIT_SECONDS = 60.0  # for a turn of a single call
CLOSE_SECONDS = 2.0
_limiters: dict[str, Limiter] = {}


def limiter_of(backend: Backend) -> Limiter:
    """Return the one limiter of a backend in this process; call it on the background loop."""
    limiter = _limiters.get(backend.name)
    if limiter is None or limiter.loop is not asyncio.get_running_loop():
        limiter = _limiters[backend.name] = Limiter(backend)
    elif limiter.backend is not backend:
        limiter.describe(backend)
    return limiter


def latency_of(backend: str) -> float:
    """Return the seconds that a backend's requests take of late; 0 while nothing is known."""
    limiter = _limiters.get(backend)
    return 0.0 if limiter is None else limiter.latency


class Turn:
    """A turn of a single call. What its requests came to is told to the limiter."""

    def __init__(self, backend: Backend, limiter: Limiter, job: UUID) -> None:
        self.backend = backend
        self._limiter = limiter
        self._job = job

    def note_reply(self, reply: HttpReply) -> None:
        """Tell of a reply."""
        self._limiter.loop.call_soon_threadsafe(self._limiter.note_reply, reply, self._job)

    def note_error(self, error: BackendError) -> None:
        """Tell that there was no reply."""
        self._limiter.loop.call_soon_threadsafe(self._limiter.note_error, error, self._job)

    def note_end(self, outcome: object, reply: HttpReply | None) -> None:
        """Tell what the whole call came to, and the last reply to it."""
        note = self._limiter.tally.note_call
        self._limiter.loop.call_soon_threadsafe(note, outcome, reply, self._job)


@contextmanager
def turn(
    backend: Backend, job: UUID, *, may_probe: bool = True, wait_seconds: float = WAIT_SECONDS
) -> Iterator[Turn]:
    """Wait in a thread for a turn at a backend, among its polls. Raises TimeoutError, NotNow."""
    entering = _entered(backend, may_probe=may_probe, wait_seconds=wait_seconds)
    # The time is kept on the loop: here, a turn could come just as the wait for it is given up.
    limiter = background_loop.submit(entering).result()
    try:
        yield Turn(backend, limiter, job)
    finally:
        limiter.loop.call_soon_threadsafe(limiter.leave)


async def _entered(backend: Backend, *, may_probe: bool, wait_seconds: float) -> Limiter:
    limiter = limiter_of(backend)
    async with asyncio.timeout(wait_seconds):
        await limiter.enter(may_probe=may_probe)
    return limiter


def close() -> None:
    """Give back what this process holds of all backends, at its end."""
    with contextlib.suppress(TimeoutError):
        background_loop.run(_close(), CLOSE_SECONDS)


async def _close() -> None:
    loop = asyncio.get_running_loop()
    mine = [limiter for limiter in _limiters.values() if limiter.loop is loop]
    _limiters.clear()
    await asyncio.gather(*(limiter.close() for limiter in mine))
    await counting.close()
