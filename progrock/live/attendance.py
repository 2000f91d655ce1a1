"""Who is here: tells the worker which jobs are watched in this process, seldom and in batches.

However many watch a job and however often they ask, that is at most one write for a job in twenty
seconds, and one for each list.
"""

import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from progrock.backends import push
from progrock.identity import Who
from progrock.jobs.states import TERMINAL, State
from progrock.live.publishing import Facts
from progrock.polling import attention, watched

logger = structlog.get_logger(__name__)
TELL_SECONDS = 20.0  # from one telling of a thing to the next
TOLD_KEPT = 20_000  # jobs; of others it may be told sooner again
FEED = "feed "  # a name of a list begins so; any other is a job


class Visitor(Protocol):
    """One who watches; `who` is None for one who has yet to say."""

    who: Who | None


class Told:
    """What was told lately, each thing once in twenty seconds. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, float] = {}  # monotonic; told longest ago first

    def is_due(self, name: str) -> bool:
        """Whether a thing is to be told now; it counts as told from then on."""
        now = time.monotonic()
        with self._lock:
            if now - self._at.get(name, -TELL_SECONDS) < TELL_SECONDS:
                return False
            self._at.pop(name, None)
            self._at[name] = now
            if len(self._at) > TOLD_KEPT:
                del self._at[next(iter(self._at))]
            return True

    def forget(self, names: Iterable[str]) -> None:
        """Have things told again: the telling failed."""
        with self._lock:
            for name in names:
                self._at.pop(name, None)


told = Told()  # one in the process: a request may have an event loop of its own


class Attendance:
    """Tells of the watchers of one hub. `run` starts a task on the hub's event loop."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._run = run
        self._coming: set[str] = set()
        self._is_telling = False
        self._stayed_at = time.monotonic()

    def come(self, job: str, facts: Facts) -> None:
        """Say that somebody came to watch a job."""
        if is_polled(facts.backend, facts.state):
            self._tell_of(job)

    def come_to_feed(self, who: Who | None) -> None:
        """Say that somebody opened a list."""
        owner = watched.owner_of_feed(who) if who is not None else None
        if owner is not None:
            self._tell_of(FEED + owner)

    async def stay(self, jobs: Iterable[str], readers: Iterable[Visitor]) -> None:
        """Say what is still watched; called every few seconds, it does so every twenty."""
        now = time.monotonic()
        if now - self._stayed_at < TELL_SECONDS:
            return
        self._stayed_at = now
        owners = {watched.owner_of_feed(reader.who) for reader in readers if reader.who}
        await database_sync_to_async(_stay)(list(jobs), [own for own in owners if own is not None])

    def _tell_of(self, name: str) -> None:
        if told.is_due(name):
            self._coming.add(name)
            if not self._is_telling:
                self._is_telling = True
                self._run(self._tell())

    async def _tell(self) -> None:
        """Tell of all who have come; those who come meanwhile are told of together."""
        try:
            while self._coming:
                names, self._coming = self._coming, set()
                await database_sync_to_async(tell)(names)
        finally:
            self._is_telling = False


def is_polled(backend: str, state: str) -> bool:
    """Whether it matters to the worker that a job is watched.

    Of one that has yet to start it is known, and its first look follows at once.
    """
    return backend != push.NAME and state != State.PENDING and state not in TERMINAL


def look_in(job: str, backend: str, state: str) -> None:
    """Say that somebody asked for a job once. Never raises; at most one write in a while."""
    if is_polled(backend, state) and told.is_due(job):
        tell({job})


def tell(names: Collection[str]) -> None:
    """Tell the worker who has come, to jobs and lists. Never raises."""
    now = datetime.now(UTC)
    jobs = [name for name in names if not name.startswith(FEED)]
    try:
        if jobs:
            attention.come(jobs, now)
        for name in names:
            if name.startswith(FEED):
                attention.come_to_feed(name.removeprefix(FEED), now)
    except DatabaseError as exc:
        told.forget(names)
        logger.warning("not told that a job is watched", error=str(exc))


def _stay(jobs: list[str], owners: list[str]) -> None:
    now = datetime.now(UTC)
    try:
        attention.stay(jobs, now)
        attention.stay_at_feeds(owners, now)
    except DatabaseError as exc:  # they count as watched for longer than until the next time
        logger.warning("not told which jobs are watched", error=str(exc))
