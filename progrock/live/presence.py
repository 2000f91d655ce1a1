"""Who watches which job, over all web processes; told to those who watch, when it changes.

The hub says when a watcher comes or goes. About once a second, and only while there are watchers,
a round posts what changed here, reads what changed elsewhere, and tells the watchers of the jobs
concerned. Nothing is done for an event, and next to nothing for watchers that stay. While Redis
is away, each process counts its own.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import structlog
from redis import RedisError

from progrock.identity import Who
from progrock.live.presence_board import NOBODY, PAUSE_SECONDS, Board, Post
from progrock.live.publishing import Facts, Published
from progrock.protocol import frames
from progrock.protocol.codec import encode

logger = structlog.get_logger(__name__)
GATHER_SECONDS = 0.05
ROUND_SECONDS = 1.0
RENEW_SECONDS = 5.0
REREAD_SECONDS = 60.0  # in case that so much was posted at once that some of it was trimmed
COUNT_SECONDS = 0.5  # that an answer to a client waits for the other processes' figures
NAMES = 20
PER_SECOND = 1_000  # frames for one job: a full room is told less often


class Onlooker(Protocol):
    """A watcher that is counted, and told who else watches."""

    who: Who | None

    def show_presence(self, event: Published) -> bool:
        """Take who watches now, as an event without a seq; False to be asked again later."""


class House(Protocol):
    """What presence has to know of the hub."""

    def watchers_of(self, job: str) -> Collection[object]:
        """Return the local watchers of a job; some of them are onlookers."""

    def facts_of(self, job: str) -> Facts | None:
        """Return what decides who may see a job, None where nobody here follows it."""


class _Room:
    """A job that is or was watched here."""

    __slots__ = ("newcomers", "next_at", "others", "posted", "shown")

    def __init__(self) -> None:
        self.posted = NOBODY  # what the board has of us
        self.others: dict[str, Post] | None = None  # by process; None until it was read
        self.shown: Post | None = None
        self.newcomers: list[Onlooker] = []
        self.next_at = 0.0  # when it may be told again


class Presence:
    """Who watches, as one hub sees it. `run` starts a coroutine as a task of the hub."""

    def __init__(self, house: House, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._house = house
        self._run = run
        self._board = Board()
        self._rooms: dict[str, _Room] = {}
        self._dirty: set[str] = set()
        self._processes: list[str] | None = None  # the others; None when not known
        self._is_running = False
        self._is_new = True  # nothing of ours is on the board
        self._renew_at = 0.0
        self._reread_at = 0.0
        self._pause_until = 0.0  # after Redis did not answer

    # --- from the hub ---

    def come(self, job: str, watcher: object) -> None:
        """Take that a watcher of a job has come."""
        if is_onlooker(watcher):
            self._touch(job).newcomers.append(cast("Onlooker", watcher))

    def go(self, job: str, watcher: object) -> None:
        """Take that a watcher of a job has gone."""
        if is_onlooker(watcher):
            self._touch(job)

    def _touch(self, job: str) -> _Room:
        room = self._rooms.get(job)
        if room is None:
            room = self._rooms[job] = _Room()
        self._dirty.add(job)
        if not self._is_running:
            self._is_running = True
            self._run(self._go_on())
        return room

    async def count(self, job: str) -> int:
        """Return how many watch a job, over all processes that can be asked in time."""
        here = self._own(job).size
        room = self._rooms.get(job)
        if room is not None and room.others is not None:
            return here + sum(post.size for post in room.others.values())
        if time.monotonic() < self._pause_until:
            return here
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                if self._processes is None:
                    self._processes = await self._board.processes()
                found = await self._board.read({each: [job] for each in self._processes})
        except (RedisError, OSError) as exc:  # TimeoutError is an OSError
            self._lose_the_board(exc)
            return here
        return here + sum(posts[job].size for posts in found.values())

    # --- the rounds ---

    async def _go_on(self) -> None:
        try:
            await asyncio.sleep(GATHER_SECONDS)
            while self._rooms:
                try:
                    await self._round()
                except Exception:
                    logger.exception("a round of presence failed")
                _end_if_cancelled()
                await asyncio.sleep(ROUND_SECONDS)
        finally:
            await self._board.close()
        _end_if_cancelled()
        self._begin_anew()
        self._processes = None
        self._is_running = False
        for job in tuple(self._rooms):  # those that came while the board was closed
            self._touch(job)

    async def _round(self) -> None:
        changed, self._dirty = self._dirty, set()
        if time.monotonic() >= self._pause_until:
            try:
                changed |= await self._exchange(changed)
            except (RedisError, OSError) as exc:
                self._lose_the_board(exc)
                changed |= self._rooms.keys()
        for job in changed:
            self._tell(job)
        for job in changed - self._dirty:
            if self._rooms[job].posted == self._own(job) == NOBODY:
                del self._rooms[job]

    async def _exchange(self, changed: set[str]) -> set[str]:
        """Post what changed here; return the jobs of which more is known now."""
        now, anew = time.monotonic(), self._is_new
        renew = anew or now >= self._renew_at
        posts = {job: self._own(job) for job in (self._rooms if anew else changed)}
        posts = {job: own for job, own in posts.items() if own != self._rooms[job].posted}
        held = sum(room.posted.size > 0 for room in self._rooms.values()) if renew else None
        news = await self._board.exchange(posts, held, anew=anew)
        for job, own in posts.items():
            self._rooms[job].posted = own
        if renew:
            self._is_new, self._processes = False, news.processes
            self._renew_at = now + RENEW_SECONDS
        if news.is_lost:
            logger.info("the board was emptied; posting again")
            self._begin_anew()
        elif now >= self._reread_at:
            self._reread_at = now + REREAD_SECONDS
            for room in self._rooms.values():
                room.others = None
        read = await self._read(news.changes)
        return read | await self._forget_the_gone() if renew else read

    async def _read(self, changes: list[tuple[str, list[str]]]) -> set[str]:
        """Read what changed elsewhere, and all of what is not known; return the jobs read."""
        wanted: dict[str, set[str]] = {process: set() for process in self._processes or ()}
        for process, jobs in changes:
            wanted.setdefault(process, set()).update(self._rooms.keys() & set(jobs))
        unread = {job for job, room in self._rooms.items() if room.others is None}
        wanted = {process: jobs | unread for process, jobs in wanted.items()}
        found = await self._board.read(wanted)
        for job in unread:
            self._rooms[job].others = {}
        for process, posts in found.items():
            for job, post in posts.items():
                self._take(job, process, post)
        return unread.union(*wanted.values())

    def _take(self, job: str, process: str, post: Post) -> None:
        others = self._rooms[job].others
        if others is None:
            return
        if post.size:
            others[process] = post
        else:
            others.pop(process, None)

    async def _forget_the_gone(self) -> set[str]:
        """Forget processes whose lease has ended; return the jobs that they had watchers of."""
        telling = {process for room in self._rooms.values() for process in room.others or ()}
        gone = await self._board.gone(list(telling))
        changed = set()
        for job, room in self._rooms.items() if gone else ():
            for process in gone & (room.others or {}).keys():
                changed.add(job)
                self._take(job, process, NOBODY)
        return changed

    def _begin_anew(self) -> None:
        self._is_new = True
        for room in self._rooms.values():
            room.posted = NOBODY
            room.others = None

    def _lose_the_board(self, exc: Exception) -> None:
        if not self._is_new:
            logger.warning("not known who watches elsewhere; counting our own", error=str(exc))
        self._pause_until = time.monotonic() + PAUSE_SECONDS
        self._begin_anew()

    # --- telling ---

    def _onlookers(self, job: str) -> list[Onlooker]:
        watchers = self._house.watchers_of(job)
        return [cast("Onlooker", each) for each in watchers if is_onlooker(each)]

    def _own(self, job: str) -> Post:
        watchers = self._onlookers(job)
        if not watchers:
            return NOBODY
        names = {each.who.name for each in watchers if each.who is not None and each.who.name}
        return Post(len(watchers), _some(names))

    def _tell(self, job: str) -> None:
        """Tell the watchers of a job who watches, if that has changed; newcomers in any case."""
        room, now = self._rooms[job], time.monotonic()
        if now < room.next_at:
            self._dirty.add(job)
            return
        posts = [self._own(job), *(room.others or {}).values()]
        names = {name for post in posts for name in post.names}
        present = Post(sum(post.size for post in posts), _some(names))
        audience, room.newcomers = room.newcomers, []
        if present != room.shown:
            audience, room.shown = self._onlookers(job), present
        facts = self._house.facts_of(job)
        if facts is None or not audience:
            return
        frame = encode(frames.presence(job, present.size, present.names, datetime.now(UTC)))
        event = Published(job=job, seq=0, type="presence", frame=frame, facts=facts, shard=0)
        still_here = self._house.watchers_of(job)
        for each in audience:
            if each in still_here and not _is_shown(each, event):
                room.newcomers.append(each)
                self._dirty.add(job)
        room.next_at = now + len(audience) / PER_SECOND


def _end_if_cancelled() -> None:
    """Raise CancelledError where this task was cancelled and a call within has swallowed that.

    redis-py writes by `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that
    comes as the write is done (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def is_onlooker(watcher: object) -> bool:
    """Whether a watcher is counted: a request that waits once is not."""
    return hasattr(watcher, "show_presence")


def _is_shown(onlooker: Onlooker, event: Published) -> bool:
    try:
        return onlooker.show_presence(event)
    except Exception:
        logger.exception("a watcher could not be told who watches", job=event.job)
        return True


def _some(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names)[:NAMES])
