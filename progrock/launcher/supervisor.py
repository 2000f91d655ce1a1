"""Keeps children alive, and ends them all."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from progrock.launcher.child import Child, ChildSpec, Ending

# Together with the moments in which the killed ones die, less than the ten seconds promised.
GRACE_SECONDS = 7.5
LAST_GRACE_SECONDS = 1.0
DYING_SECONDS = 0.3


@dataclass(kw_only=True)
class Backoff:
    """How long to wait before a child starts again: doubling, until one run lived long enough."""

    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    settled_after_seconds: float = 30.0
    _next_seconds: float = 0.0

    def delay_after(self, lived_seconds: float) -> float:
        """Return the seconds to wait now that a run of this length has ended."""
        if lived_seconds >= self.settled_after_seconds or not self._next_seconds:
            self._next_seconds = self.first_seconds
        delay = self._next_seconds
        self._next_seconds = min(self.longest_seconds, delay * 2)
        return delay


class Supervisor:
    """The children of one launch.

    `say` gets the supervisor's own sentences, `take_lines` a child's name and what it printed.
    """

    def __init__(
        self, say: Callable[[str], None], take_lines: Callable[[str, list[str]], None]
    ) -> None:
        self._say = say
        self._take_lines = take_lines
        self._running: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[Ending]] = {}
        self._is_ending = asyncio.Event()
        self._in_a_hurry = asyncio.Event()

    def keep(
        self, spec: ChildSpec, *, came_up: asyncio.Event | None = None
    ) -> asyncio.Task[Ending]:
        """Start a child now, and again each time it dies, until everything ends.

        With `came_up`, a child that dies before that event is not started again. The task returns
        how the last run ended.
        """
        return self._begin(spec, self._keep(spec, came_up))

    async def run_once(self, spec: ChildSpec) -> Ending:
        """Run a child that does its work and ends; return how it ended."""
        # Shielded: whoever stops waiting does not stop the child, which end_all does.
        return await asyncio.shield(self._begin(spec, self._run(spec)))

    async def end_all(self, *, last: Collection[str] = ()) -> None:
        """End every child; those named in `last` only when the others are gone.

        Each is asked first and killed after a grace. The whole takes less than ten seconds.
        """
        self._is_ending.set()
        await self._end(self._tasks.keys() - set(last), GRACE_SECONDS)
        await self._end(set(last) & self._tasks.keys(), LAST_GRACE_SECONDS)

    def hurry(self) -> None:
        """Kill every child at once."""
        self._is_ending.set()
        self._in_a_hurry.set()
        for child in self._running.values():
            child.kill()

    def _begin(
        self, spec: ChildSpec, work: "asyncio._CoroutineLike[Ending]"
    ) -> asyncio.Task[Ending]:
        task = asyncio.create_task(work, name=spec.name)
        self._tasks[spec.name] = task
        return task

    async def _keep(self, spec: ChildSpec, came_up: asyncio.Event | None) -> Ending:
        backoff = Backoff()
        while True:
            ending = await self._run(spec)
            if self._is_ending.is_set() or (came_up is not None and not came_up.is_set()):
                return ending
            delay = backoff.delay_after(ending.lived_seconds)
            self._say(f"{spec.name} {ending.reason}; starting it again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_ending.wait(), delay)
                return ending

    async def _run(self, spec: ChildSpec) -> Ending:
        try:
            child = await Child.start(spec, self._take_lines)
        except OSError as error:  # no process, memory or descriptor left for it
            self._say(f"{spec.name} cannot be started: {error.strerror}")
            return Ending(returncode=126, lived_seconds=0, last_lines=())
        self._running[spec.name] = child
        self._say(f"started {spec.name} (pid {child.pid})")
        # What was decided while it was being started did not reach it yet.
        if self._in_a_hurry.is_set():
            child.kill()
        elif self._is_ending.is_set():
            child.terminate()
        try:
            return await child.ended()
        finally:
            del self._running[spec.name]

    async def _end(self, names: Collection[str], grace_seconds: float) -> None:
        for child in self._children(names):
            child.terminate()
        tasks = [self._tasks[name] for name in names]
        hurry = asyncio.create_task(self._in_a_hurry.wait())
        await _until_all_or(tasks, hurry, grace_seconds)
        hurry.cancel()
        for child in self._children(names):
            if not self._in_a_hurry.is_set():
                self._say(f"{child.spec.name} did not end in {grace_seconds:g} s; killing it")
            child.kill()
        if tasks:
            await asyncio.wait(tasks, timeout=DYING_SECONDS)

    def _children(self, names: Collection[str]) -> list[Child]:
        return [child for name, child in self._running.items() if name in names]


async def _until_all_or(
    tasks: Collection[asyncio.Task[Ending]], signal: asyncio.Task[bool], seconds: float
) -> None:
    """Wait until all tasks are done or the signal comes, for at most so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not signal.done() and (pending := [task for task in tasks if not task.done()]):
                await asyncio.wait({*pending, signal}, return_when=asyncio.FIRST_COMPLETED)
