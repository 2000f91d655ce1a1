"""Server-sent events: the same log and the same frames over an HTTP response that goes on.

https://html.spec.whatwg.org/multipage/server-sent-events.html
A stream is a watcher of the hub, as a WebSocket is. A job's stream ends after `complete`, the feed
only with its client.
"""

import asyncio
import random
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from channels.db import database_sync_to_async

from progrock.identity import Who
from progrock.jobs import access, queries
from progrock.jobs.queries import StoredEvent
from progrock.live.commands import page_of_snapshots
from progrock.live.feed import Feed
from progrock.live.following import Following, Opening
from progrock.live.heart import Heart
from progrock.live.hub import hub
from progrock.live.outbox import Outbox
from progrock.live.publishing import Published
from progrock.live.wire import CUT_OFF_SECONDS, Message, Send, StreamWire
from progrock.protocol.codec import decode_json, encode
from progrock.protocol.messages import Filter

logger = structlog.get_logger(__name__)
RETRY_MILLISECONDS = (1_000, 3_000)  # spread, so that not all come back at once
FEED_PAGE = 50
FEED_REPLAY = 1_000  # events; of more, the list is told anew
FEED_OVERLAP = timedelta(seconds=15)  # between an event's time and its commit, and between clocks
HELD = 1_000
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx hands each event on at once
    (b"x-content-type-options", b"nosniff"),
)


def block(id_: object, type_: str, data: str) -> str:
    """Return one event of a stream; `data` is one line of JSON."""
    return f"id: {id_}\nevent: {type_}\ndata: {data}\n\n"


class Stream:
    """What the streams share: an outbox, a heart, a beginning and an end."""

    def __init__(self, who: Who, send: Send) -> None:
        self.who: Who | None = who  # None when it has lost its rights
        self.headers: tuple[tuple[bytes, bytes], ...] = HEADERS
        self._asked_by = who
        self._send = send
        self._wire = StreamWire(send, self.as_text)
        self.outbox = Outbox(self._wire, self)
        self._heart = Heart(self.outbox)
        self._is_open = False
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Follow what is asked for, and read what stands at the beginning; nothing is sent yet.

        Raises RequestError, and leaves nothing behind then.
        """
        hub().join(self)
        try:
            await self.read()
        except BaseException:
            self.forget()
            raise

    @property
    def is_over(self) -> bool:
        """Whether a client that came back finds no more, and should not come again."""
        return False

    async def read(self) -> None:
        """Do as `prepare` says."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Tell what stands at the beginning."""
        raise NotImplementedError

    def as_text(self, frame: str, event: Published | None) -> str:
        """Return a frame as a part of the stream; without an event it is one already."""
        raise NotImplementedError

    def deliver(self, event: Published) -> None:
        """Take an event from the hub."""
        raise NotImplementedError

    async def run(self, receive: Any) -> None:
        """Tell what `prepare` read, and what comes, until the client is gone or all is told."""
        try:
            if self.is_over:
                await self._start(204)
                await self._wire.end()
                return
            await self._start(200)
            self._is_open = True
            self.outbox.put(f"retry: {random.randint(*RETRY_MILLISECONDS)}\n")  # noqa: S311
            await self.begin()
            message: Message = {"type": ""}
            while message["type"] != "http.disconnect":
                message = await receive()
        finally:
            self.forget()

    async def _start(self, status: int) -> None:
        headers = [each for each in self.headers if status != 204 or each[0] != b"content-type"]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def on_beat(self, now: float) -> None:
        """Send a comment before the stream has been silent for too long."""
        if self._is_open and self._heart.is_due(now):
            self.outbox.put(": heartbeat\n")

    # --- the end ---

    def forget(self) -> None:
        """Leave nothing behind."""
        hub().leave(self)
        self.outbox.close()

    def end_soon(self) -> None:
        """End the response behind all that waits."""
        if self._ending is None:
            hub().leave(self)
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(CUT_OFF_SECONDS):
                await self.outbox.drained()
                self.outbox.close()
                await self._wire.end()
        except TimeoutError:
            self._wire.abort()

    def on_full(self) -> None:
        """Cut off a client that does not read, at once; it may come back with what it has."""
        logger.info("a watcher does not read; cut off")
        hub().leave(self)
        self._wire.abort()

    def on_broken(self) -> None:
        """Take that the client is gone; the disconnect follows."""
        hub().leave(self)

    def fail(self) -> None:
        """Take that the hub cannot deliver: the client will come back."""
        if self._is_open:
            self.end_soon()
        else:
            self._wire.abort()


class JobStream(Stream):
    """The events of one job: `id` is the seq."""

    def __init__(
        self, who: Who, send: Send, job: str, after: int | None, *, is_back: bool = False
    ) -> None:
        """`is_back`: the client was here before, and `after` is what it had then."""
        super().__init__(who, send)
        self._name = job
        self._after = after
        self._is_back = is_back
        self._following = Following(self, self.outbox, self._as_kept)
        self._opening: Opening | None = None
        self._is_complete = False

    @property
    def is_over(self) -> bool:
        """Whether the client had all of an ended job when it came back."""
        has_all = self._opening is not None and self._opening.page == []
        return self._is_back and self._is_complete and has_all

    async def read(self) -> None:
        """Follow the job, and read where it stands."""
        self._opening = await self._following.open(self._asked_by, self._name, self._after)
        self._is_complete = self._opening.present["complete"]

    async def begin(self) -> None:
        """Tell the events after `after`, or the snapshot; then the events as they come."""
        if self._opening is None:
            return
        (present, page, until), self._opening = self._opening, None
        after = self._after
        if page is None or after is None:
            after = present["seq"]
            told = {"type": "snapshot", **present}
            self.outbox.put(block(after, "snapshot", encode(told)))
        await self._following.read_on(present["job"], after, until, page or ())
        if self._is_complete:
            self.end_soon()

    def deliver(self, event: Published) -> None:
        """Take an event from the hub; the stream ends with `complete`."""
        if self._following.deliver(event) and event.type == "complete":
            self.end_soon()

    def show_presence(self, event: Published) -> bool:
        """Be counted; who watches is not told here, where each event has its seq as `id`."""
        return True

    def as_text(self, frame: str, event: Published | None) -> str:
        """Return an event as it stands in the stream."""
        return frame if event is None else block(event.seq, event.type, frame)

    def _as_kept(self, job: str, event: StoredEvent) -> str:
        self._is_complete = self._is_complete or event.type == "complete"
        return block(event.seq, event.type, event.frame)


class FeedStream(Stream):
    """The events of all jobs that match: `id` is a time, opaque to clients.

    After a client came back it gets again what is not much older than its last event; a frame
    whose seq it has already is old (PROTOCOL 2.2).
    """

    def __init__(self, who: Who, send: Send, wanted: Filter, after: str | None) -> None:
        super().__init__(who, send)
        self._feed = Feed(who, wanted)
        self._wanted = wanted
        self._after = after
        self._first = ""
        self._held: deque[Published] | None = deque()  # None once the beginning is told
        self._have: dict[str, int] = {}  # how far the beginning told of each job

    async def read(self) -> None:
        """Follow the feed, and read what the client has missed, or the list."""
        hub().watch_feed(self)
        self._first = await database_sync_to_async(self._read)()

    def _read(self) -> str:
        since = _time_of(self._after)
        missed = None
        if since is not None:
            missed = queries.events_since(
                self._asked_by, self._wanted, since - FEED_OVERLAP, FEED_REPLAY
            )
        if missed is None:
            now = datetime.now(UTC)
            page, next_ = page_of_snapshots(self._asked_by, self._wanted, FEED_PAGE, None)
            self._have = {job["job"]: job["seq"] for job in page}
            told = {"type": "snapshot", "feed": "jobs", "jobs": page, "next": next_}
            return block(_milliseconds(now), "snapshot", encode(told))
        self._have = {past.job: past.event.seq for past in missed}
        return "".join(
            block(_id_of(past.event.frame), past.event.type, past.event.frame)
            for past in missed
            if self._feed.matches(past.facts)
        )

    async def begin(self) -> None:
        """Tell what was read; then what came meanwhile."""
        self.outbox.put(self._first)
        self._first = ""
        held, self._held = self._held or (), None
        for event in held:
            self.deliver(event)
        if len(held) > HELD:  # and so perhaps not all of them
            self.end_soon()

    def deliver(self, event: Published) -> None:
        """Take an event from the hub."""
        if self._held is not None:
            if len(self._held) <= HELD:
                self._held.append(event)
        elif (
            self.who is not None
            and access.may_follow(self.who, event.job, event.facts.owner)
            and event.seq > self._have.get(event.job, 0)
            and self._feed.matches(event.facts)
        ):
            self.outbox.put(event.frame, event)

    def as_text(self, frame: str, event: Published | None) -> str:
        """Return an event as it stands in the stream."""
        return frame if event is None else block(_id_of(frame), event.type, frame)


def _id_of(frame: str) -> int:
    return _milliseconds(datetime.fromisoformat(decode_json(frame)["at"]))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _time_of(id_: str | None) -> datetime | None:
    """Return the time that an id of the feed names, or None where it names none."""
    if id_ is None or not id_.isascii() or not id_.isdigit() or len(id_) > 15:
        return None
    try:
        return datetime.fromtimestamp(int(id_) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
