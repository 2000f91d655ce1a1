"""Which jobs a connection follows, and how far it has been told of each.

Whoever begins to follow a job reads the log first, page by page and as fast as the connection
takes it; what the hub hands on meanwhile is only noted by its number, for it is in the log as well.
So nothing is lost, nothing comes twice, and nothing piles up.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from channels.db import database_sync_to_async

from progrock.identity import Who
from progrock.jobs import access, queries
from progrock.jobs.queries import StoredEvent
from progrock.jobs.snapshot import snapshot
from progrock.live.hub import Watcher, hub
from progrock.live.outbox import Outbox
from progrock.live.publishing import Published
from progrock.models import Job
from progrock.protocol.frames import Frame

PAGE = 250  # events read at once; fewer than an outbox holds
TAKE_SECONDS = 30.0  # in which a connection has to take a page


class _Position:
    """How far a connection was told of a job."""

    __slots__ = ("ahead", "is_reading", "owner", "seq", "who")

    def __init__(self) -> None:
        self.who: Who | None = None  # who may follow it as long as the job is that `owner`'s
        self.owner: int | None = None
        self.seq = 0  # the last event that was put into the outbox
        self.ahead = 0  # the last one that the hub handed on while the log is read
        self.is_reading = True


class Opening(NamedTuple):
    """Where a job stands when it begins to be followed.

    `page` are the first events after the one that was asked for. None in their place: begin from
    the snapshot, for nobody asked for events, or the log no longer has all of them, or what was
    asked for is beyond it. The log holds events up to `until` at least.
    """

    present: Frame
    page: list[StoredEvent] | None
    until: int


class Following:
    """The jobs that one connection follows."""

    __slots__ = ("_as_kept", "_outbox", "_positions", "_watcher")

    def __init__(
        self, watcher: Watcher, outbox: Outbox, as_kept: Callable[[str, StoredEvent], str]
    ) -> None:
        """`as_kept` gives the text for the outbox of a job's event that was read from the log."""
        self._watcher = watcher
        self._outbox = outbox
        self._as_kept = as_kept
        self._positions: dict[str, _Position] = {}

    def __contains__(self, job: object) -> bool:
        return job in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def is_reading(self, job: str) -> bool:
        """Whether the beginning of a job is not told yet."""
        position = self._positions.get(job)
        return position is not None and position.is_reading

    def begin(self, job: Job) -> None:
        """Follow a job. Nothing is told before `read_on` says from where."""
        id_ = str(job.id)
        self._positions[id_] = _Position()
        hub().watch(self._watcher, id_, job.seq, queries.facts_of(job), job.shard)

    async def open(self, who: Who, name: str, after: int | None) -> Opening:
        """Follow a job, and return where it stands. Raises RequestError(unknown_job)."""
        async with hub().entrance:
            return await self._open(who, name, after)

    async def _open(self, who: Who, name: str, after: int | None) -> Opening:
        followed = hub().topic(name.lower())
        job, page = await database_sync_to_async(_read)(who, name, after)
        id_ = str(job.id)
        self.begin(job)
        try:
            topic = hub().topic(id_)
            until = job.seq
            if topic is None or topic is not followed:
                # Nobody here was told of what was written between the reading and now.
                seqs = await database_sync_to_async(queries.seqs_of)([id_])
                until = max(until, seqs.get(id_, 0))
            hub().caught_up(id_, until)
            if topic is not None:
                until = max(until, topic.seq)  # what the others were told, we have to read
            present = snapshot(job, who, await hub().presence.count(id_))
        except BaseException:
            self.end(id_)
            raise
        return Opening(present, page, until)

    def end(self, job: str) -> None:
        """Follow a job no longer."""
        if self._positions.pop(job, None) is not None:
            hub().unwatch(self._watcher, job)

    async def read_on(
        self, job: str, after: int, until: int, page: Sequence[StoredEvent] = ()
    ) -> None:
        """Tell the events after `after` from the log, at least up to `until`, then as they come.

        `page` holds the first of them where they have been read already. A connection that takes
        too long, or a log that has lost them meanwhile, fails the watcher.
        """
        position = self._positions[job]
        position.seq = after
        try:
            while max(until, position.ahead) > position.seq and not self._outbox.is_closed:
                page = page or await database_sync_to_async(queries.events_after)(
                    job, position.seq, PAGE
                )
                if not page or page[0].seq != position.seq + 1:
                    raise LookupError("the events are no longer kept")
                for event in page:
                    self._outbox.put(self._as_kept(job, event))
                position.seq = page[-1].seq
                page = ()
                async with asyncio.timeout(TAKE_SECONDS):
                    await self._outbox.drained()
        except (LookupError, TimeoutError):
            self.end(job)
            self._watcher.fail()
        except BaseException:
            self.end(job)
            raise
        position.is_reading = False

    def deliver(self, event: Published) -> bool | None:
        """Take an event from the hub, once, in order, and only where the watcher has the right.

        None: the job is not followed. False: it is, but the event is not told (now).
        """
        position = self._positions.get(event.job)
        if position is None:
            return None
        if position.is_reading:
            position.ahead = max(position.ahead, event.seq)
            return False
        if event.seq <= position.seq or not self._may_be_told(position, event):
            return False
        position.seq = event.seq
        self._outbox.put(event.frame, event)
        return True

    def _may_be_told(self, position: _Position, event: Published) -> bool:
        """Whether the watcher has the right; looked up anew where it or the owner is another one.

        The hub gives a watcher another `who` when its rights have changed (live.rights).
        """
        who, owner = self._watcher.who, event.facts.owner
        if who is None:
            return False
        if position.who is who and position.owner == owner:
            return True
        if not access.may_follow(who, event.job, owner):
            return False
        if who.expires is None:
            position.who, position.owner = who, owner
        return True


def _read(who: Who, name: str, after: int | None) -> tuple[Job, list[StoredEvent] | None]:
    found = queries.find_job(who, name)
    if after is None or after > found.seq:
        return found, None
    if after == found.seq:
        return found, []
    kept = queries.events_after(found.id, after, PAGE)
    return found, kept if kept and kept[0].seq == after + 1 else None
