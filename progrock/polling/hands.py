"""Do work that waits with no more tasks than may be at it at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

logger = structlog.get_logger(__name__)
Work = Callable[[], Coroutine[Any, Any, None]]


class Hands:
    """Tasks that do one piece of work after the other. Belongs to one event loop.

    To begin a task for each piece, and have it wait for its turn, would cost a tenth of a poll.
    """

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self._tasks: set[asyncio.Task[None] | None] = set()

    def add(self, work: Iterable[Work], most: int) -> None:
        """Have some more done, the first that came first, by at most so many tasks in all."""
        self._waiting.extend(work)
        for _ in range(min(len(self._waiting), most - len(self._tasks))):
            self._tasks.add(asyncio.create_task(self._go_on()))

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                work = self._waiting.popleft()
                try:
                    await work()
                except Exception:
                    logger.exception("work failed by a fault of ours; others go on")
        finally:
            # At once, and not by a callback: what is added meanwhile would wait for nobody.
            self._tasks.discard(asyncio.current_task())
