"""What is on its way to one connection: bounded, in order, written by one task while there is any.

An idle connection has no task and no queue of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MAX_FRAMES = 1_000
MAX_BYTES = 4 * 1024 * 1024


class Outbox:
    """Frames as text, written by `send` one after the other.

    `on_full` is called once when a bound is reached, `on_broken` when the connection is gone; in
    both cases nothing more is written.
    """

    __slots__ = ("_bytes", "_frames", "_is_closed", "_on_broken", "_on_full", "_send", "_task")

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        on_full: Callable[[], None],
        on_broken: Callable[[], None],
    ) -> None:
        self._send = send
        self._on_full = on_full
        self._on_broken = on_broken
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    def put(self, frame: str) -> None:
        """Have a frame written after all before it; never waits."""
        if self._is_closed:
            return
        if len(self._frames) >= MAX_FRAMES or self._bytes + _size(frame) > MAX_BYTES:
            self.close()
            self._on_full()
            return
        self._frames.append(frame)
        self._bytes += _size(frame)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    def close(self) -> None:
        """Drop what is not yet written and take no more."""
        self._is_closed = True
        self._frames.clear()
        self._bytes = 0

    async def drained(self) -> None:
        """Wait until all that was put is written, or the box is closed."""
        while self._task is not None and not self._is_closed:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        try:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= _size(frame)
                await self._send(frame)
        except Exception:  # noqa: BLE001 - each server has its own error for a peer that is gone
            self.close()
            self._on_broken()
        finally:
            self._task = None


def _size(frame: str) -> int:
    """Return the bytes of a frame in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode())
