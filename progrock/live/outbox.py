"""What is on its way to one connection: bounded, in order, merged when it does not get away.

A frame goes to the wire at once where there is room. Else it waits here, and one task writes what
waits; an idle connection has neither task nor queue.
"""

import asyncio
from collections import deque
from typing import Protocol

from progrock.live.publishing import Published
from progrock.live.wire import Wire

MAX_FRAMES = 1_000
MAX_BYTES = 4 * 1024 * 1024


class Owner(Protocol):
    """Whose outbox it is."""

    def on_full(self) -> None:
        """Called once when a bound is reached; nothing more is written."""

    def on_broken(self) -> None:
        """Called once when the connection is gone; nothing more is written."""


class Outbox:
    """Frames as text, written to a wire one after the other.

    A `progress` that comes while another one of the same job waits, with nothing of that job in
    between, takes its place; the frame then says how many were `skipped` (PROTOCOL 2.6). Nothing
    else is ever left out.
    """

    __slots__ = ("_backlog", "_owner", "_wire", "is_closed", "was_used")

    def __init__(self, wire: Wire, owner: Owner) -> None:
        self._wire = wire
        self._owner = owner
        self._backlog: _Backlog | None = None  # while something waits
        self.is_closed = False
        self.was_used = True  # since somebody last set it to False

    def put(self, frame: str, event: Published | None = None) -> None:
        """Have a frame written after all before it; never waits.

        `event` is the event that the frame tells, where it may be merged with others.
        """
        self.was_used = True
        if self._backlog is not None:
            if not self._backlog.take(frame, event):
                self.close()
                self._owner.on_full()
        elif not self.is_closed:
            try:
                if not self._wire.write_now(frame, event):
                    self._backlog = _Backlog(frame, event)
                    self._backlog.task = asyncio.get_running_loop().create_task(
                        self._write(self._backlog)
                    )
            except Exception:  # noqa: BLE001 - each server has an error of its own for a peer that is gone
                self._break()

    def close(self) -> None:
        """Drop what is not yet written and take no more."""
        self.is_closed = True
        if self._backlog is not None:
            self._backlog.drop()
            self._backlog = None

    async def drained(self) -> None:
        """Wait until all that was put is written, or the box is closed."""
        while self._backlog is not None and self._backlog.task is not None:
            await asyncio.wait([self._backlog.task])

    async def _write(self, backlog: "_Backlog") -> None:
        try:
            while item := backlog.next():
                backlog.is_blocked = True
                await self._wire.write(item.told(), item.event)
                backlog.is_blocked = False
        except Exception:  # noqa: BLE001 - as above
            self._break()
        finally:
            if self._backlog is backlog:
                self._backlog = None

    def _break(self) -> None:
        if not self.is_closed:
            self.close()
            self._owner.on_broken()


class _Waiting:
    """A frame that waits; `skipped` counts the events that were merged into it."""

    __slots__ = ("event", "frame", "size", "skipped")

    def __init__(self, frame: str, event: Published | None) -> None:
        self.frame = frame
        self.event = event
        self.size = _size(frame)
        self.skipped = 0

    @property
    def is_progress(self) -> bool:
        return self.event is not None and self.event.type == "progress"

    def told(self) -> str:
        """Return the frame; where others were merged into it, with their number."""
        return f'{self.frame[:-1]},"skipped":{self.skipped}}}' if self.skipped else self.frame


class _Backlog:
    """The frames of one connection that wait."""

    __slots__ = ("_bytes", "_items", "_last", "is_blocked", "task")

    def __init__(self, frame: str, event: Published | None) -> None:
        self._items: deque[_Waiting] = deque()
        self._last: dict[str, _Waiting] = {}  # by job: the last of its events that wait
        self._bytes = 0
        self.is_blocked = False  # the wire has something, and has no room for more
        self.task: asyncio.Task[None] | None = None
        self.take(frame, event)

    def take(self, frame: str, event: Published | None) -> bool:
        """Add a frame, or merge it; False where a bound is reached."""
        item = _Waiting(frame, event)
        before = self._last.get(event.job) if event is not None else None
        if before is not None and self.is_blocked and before.is_progress and item.is_progress:
            self._bytes += item.size - before.size
            before.frame, before.event, before.size = frame, event, item.size
            before.skipped += 1
            return True
        if self._items and (len(self._items) >= MAX_FRAMES or self._bytes + item.size > MAX_BYTES):
            return False
        self._items.append(item)
        self._bytes += item.size
        if event is not None:
            self._last[event.job] = item
        return True

    def next(self) -> _Waiting | None:
        """Take the first one out; None where nothing waits."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._bytes -= item.size
        if item.event is not None and self._last.get(item.event.job) is item:
            del self._last[item.event.job]
        return item

    def drop(self) -> None:
        """Forget all of them."""
        self._items.clear()
        self._last.clear()
        self._bytes = 0


def _size(frame: str) -> int:
    """Return the bytes of a frame in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode())
