"""The WebSocket `/prog/`: one consumer a connection (PROTOCOL section 2).

It parses, asks the services, and follows jobs through the hub. What is sent goes through one
bounded outbox, so that frames keep their order and a slow reader delays nobody.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import uuid4

import structlog
from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer

from progrock import conf, identity
from progrock.backends import push
from progrock.errors import RequestError, unknown_job
from progrock.identity import Who
from progrock.jobs import access, queries, retrying, services
from progrock.jobs.snapshot import snapshot
from progrock.live import commands
from progrock.live.hub import hub
from progrock.live.outbox import Outbox
from progrock.live.publishing import Published
from progrock.live.rate import BURST, PER_SECOND, Rate
from progrock.models import Job
from progrock.protocol import codec, frames, messages
from progrock.protocol.codes import CloseCode, ErrorCode
from progrock.protocol.frames import Frame

logger = structlog.get_logger(__name__)
AUTH_SECONDS = 10.0
MAX_WATCHES = 100
MAX_BAD_FRAMES = 10
FEED_PAGE = 50  # jobs in the answer to a watch of the feed
LIMITS = {
    "frame_bytes": codec.MAX_FRAME_BYTES,
    "watches": MAX_WATCHES,
    "messages_per_second": PER_SECOND,
    "burst": BURST,
}


class ProgressConsumer(AsyncConsumer):
    """One connection: who it is, which jobs it follows and how far it has been told of each."""

    # No layer channel per connection: the hub holds one for the process.
    channel_layer_alias = ""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept, and say hello."""
        self.who: Who | None = cast("dict[str, Any]", self.scope)["who"]
        self.connection = uuid4().hex[:16]
        self.positions: dict[str, int | None] = {}  # by job; None while its log is read
        self.held: dict[str, list[Published]] = {}
        self.feed: messages.Filter | None = None
        self.bad_frames = 0
        self.is_closed = False
        self.rate = Rate(time.monotonic())
        self.sent_at = time.monotonic()
        self.outbox = Outbox(self._write, self._on_full, self._on_broken)
        self.auth_timer: asyncio.TimerHandle | None = None
        self.closing: asyncio.Task[None] | None = None
        offered = self.scope.get("subprotocols", [])
        await self.send(
            {
                "type": "websocket.accept",
                "subprotocol": frames.PROTOCOL if frames.PROTOCOL in offered else None,
            }
        )
        if self.who is None:
            loop = asyncio.get_running_loop()
            self.auth_timer = loop.call_later(AUTH_SECONDS, self._on_auth_timeout)
        hub().join(self)
        self._reply(self._hello())

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Forget the connection."""
        hub().leave(self)
        self.outbox.close()
        if self.auth_timer is not None:
            self.auth_timer.cancel()
        raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer one frame."""
        if self.is_closed:  # sent before the other side knew
            return
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        if len(frame) > codec.MAX_FRAME_BYTES:
            await self._close(CloseCode.TOO_BIG)
            return
        now = time.monotonic()
        if not self.rate.allows(now):
            await self._over_the_rate(frame, now)
            return
        asked: messages.ClientMessage | None = None
        try:
            asked = codec.decode(frame)
            await self._dispatch(asked)
        except codec.BadFrame as exc:
            self._reply(frames.error(exc, exc.frame_id))
            self.bad_frames += 1
            if self.bad_frames >= MAX_BAD_FRAMES:
                await self._close(CloseCode.BAD_FRAMES)
            return
        except RequestError as exc:
            self._reply(frames.error(exc, asked.id if asked else None))
            if isinstance(asked, messages.Auth):
                await self._close(CloseCode.NOT_AUTHENTICATED)
        except Exception:
            logger.exception("a message could not be answered", connection=self.connection)
            sorry = RequestError(
                ErrorCode.UNAVAILABLE, "This cannot be answered just now; try again.", retry_after=1
            )
            self._reply(frames.error(sorry, asked.id if asked else None))
        self.bad_frames = 0

    # --- the actions ---

    async def _dispatch(self, asked: messages.ClientMessage) -> None:
        if isinstance(asked, messages.Auth):
            await self._auth(asked)
            return
        who = self.who
        if who is None:
            raise RequestError(
                ErrorCode.NOT_AUTHENTICATED, 'Say who you are first: {"action":"auth","token":"…"}.'
            )
        match asked:
            case messages.Start():
                await self._start(who, asked.id, partial(services.start_job, who, asked, asked.key))
            case messages.Retry():
                retry = partial(retrying.retry_job, who, asked.job, asked, asked.key)
                await self._start(who, asked.id, retry)
            case messages.Watch(feed="jobs"):
                await self._watch_feed(who, asked)
            case messages.Watch():
                await self._watch(who, asked)
            case messages.Unwatch():
                self._unwatch(asked)
            case messages.Ping():
                self._reply(frames.pong(asked.id))
            case _:
                answer = database_sync_to_async(commands.answer)
                self._reply(await answer(who, self.connection, asked))

    async def _auth(self, asked: messages.Auth) -> None:
        self.who = await database_sync_to_async(identity.by_token)(asked.token)
        if self.auth_timer is not None:
            self.auth_timer.cancel()
        self._reply(self._hello() | {"id": asked.id})

    async def _start(self, who: Who, asked_id: str | None, begin: Callable[[], Job]) -> None:
        self._check_watches(None)
        job = await database_sync_to_async(begin)()
        id_ = str(job.id)
        self.positions[id_] = None
        self.held[id_] = []
        hub().watch(self, id_, job.seq, queries.facts_of(job), job.shard)
        # The job as it was made, before the backend is asked: what that says comes as events.
        made = await database_sync_to_async(snapshot)(job, who, hub().count(id_))
        since = await database_sync_to_async(queries.events_after)(id_, job.seq, conf.events_kept())
        token = identity.report_token(job.id) if job.backend == push.NAME else None
        self._reply(frames.started(asked_id, made, token))
        for event in since:
            self._put(event.frame)
        present = since[-1].seq if since else job.seq
        self._release(id_, present)
        hub().caught_up(id_, present)

    async def _watch(self, who: Who, asked: messages.Watch) -> None:
        name = asked.job or ""
        self._check_watches(name)
        job = await database_sync_to_async(queries.find_job)(who, name)
        present = await self._follow(who, job)
        missed: list[queries.StoredEvent] | None = None
        if asked.after is not None:
            missed = await database_sync_to_async(_missed)(job, asked.after, present["seq"])
        told = None if missed is not None else present
        self._reply(frames.watching(asked.id, present["job"], present["seq"], told))
        for event in missed or ():
            self._put(event.frame)
        self._release(present["job"], present["seq"])

    async def _follow(self, who: Who, job: Job) -> Frame:
        """Follow a job, holding its events back, and return its snapshot as of then."""
        id_ = str(job.id)
        self.positions[id_] = None
        self.held[id_] = []
        hub().watch(self, id_, job.seq, queries.facts_of(job), job.shard)
        try:
            # Read after the hub knows us: an event is in this reading, or it is delivered.
            present = await database_sync_to_async(_snapshot)(who, id_, hub().count(id_))
        except BaseException:
            self._forget(id_)
            raise
        hub().caught_up(id_, present["seq"])
        return present

    def _release(self, job: str, seq: int) -> None:
        """From here on deliver as it comes; what was held back goes first."""
        self.positions[job] = seq
        for event in self.held.pop(job, []):
            self.deliver(event)

    async def _watch_feed(self, who: Who, asked: messages.Watch) -> None:
        queries.require_lists(who)
        queries.states_of(asked.filter)
        self.feed = asked.filter
        hub().watch_feed(self)
        page, next_ = await database_sync_to_async(commands.page_of_snapshots)(
            who, asked.filter, FEED_PAGE, None
        )
        self._reply(frames.watching_feed(asked.id, page, next_))

    def _unwatch(self, asked: messages.Unwatch) -> None:
        if asked.feed:
            self.feed = None
            hub().unwatch_feed(self)
            self._reply(frames.unwatched(asked.id, {"feed": "jobs"}))
            return
        job = (asked.job or "").lower()
        if job not in self.positions:
            raise unknown_job(asked.job)
        self._forget(job)
        self._reply(frames.unwatched(asked.id, {"job": job}))

    def _forget(self, job: str) -> None:
        self.positions.pop(job, None)
        self.held.pop(job, None)
        hub().unwatch(self, job)

    def _check_watches(self, job: str | None) -> None:
        if len(self.positions) >= MAX_WATCHES and job not in self.positions:
            raise RequestError(
                ErrorCode.TOO_MANY_WATCHES,
                f"One connection may follow {MAX_WATCHES} jobs; unwatch one, or watch the feed.",
            )

    # --- a watcher, to the hub ---

    def deliver(self, event: Published) -> None:
        """Take an event from the hub: put it into the outbox, once and in order."""
        who = self.who
        if who is None or not access.may_follow(who, event.job, event.facts.owner):
            return
        if event.job in self.positions:
            position = self.positions[event.job]
            if position is None:
                self.held[event.job].append(event)
            elif event.seq > position:
                self.positions[event.job] = event.seq
                self._put(event.frame)
        elif self.feed is not None and _matches(self.feed, event, who):
            self._put(event.frame)

    def on_beat(self, now: float) -> None:
        """Send a heartbeat when the connection would be silent too long by the next beat."""
        if now - self.sent_at >= conf.heartbeat_seconds() - 6.0:
            self._reply(frames.heartbeat(datetime.now(UTC)))

    # --- sending ---

    def _hello(self) -> Frame:
        return frames.hello(
            connection=self.connection,
            name=self.who.name if self.who else None,
            anonymous=self.who is None or self.who.is_anonymous,
            heartbeat=conf.heartbeat_seconds(),
            limits=LIMITS,
        )

    def _reply(self, frame: Frame) -> None:
        self._put(codec.encode(frame))

    def _put(self, text: str) -> None:
        self.sent_at = time.monotonic()
        self.outbox.put(text)

    async def _write(self, text: str) -> None:
        await self.send({"type": "websocket.send", "text": text})

    async def _over_the_rate(self, frame: str | bytes, now: float) -> None:
        if self.rate.is_flooded(now):
            await self._close(CloseCode.FLOODING)
            return
        error = RequestError(
            ErrorCode.RATE_LIMITED,
            f"At most {PER_SECOND:g} messages a second; this one was not read.",
            retry_after=self.rate.retry_after,
        )
        self._reply(frames.error(error, codec.id_of(frame)))

    def _on_auth_timeout(self) -> None:
        if self.who is None:
            self._close_soon(CloseCode.AUTH_TIMEOUT)

    def _on_full(self) -> None:
        logger.info("a watcher does not read; cut off", connection=self.connection)
        hub().leave(self)
        self._close_soon(CloseCode.TRY_LATER)

    def _on_broken(self) -> None:
        hub().leave(self)

    def fail(self) -> None:
        """Take that nothing more comes: the hub cannot deliver, or the rights are lost."""
        if self.who is not None:
            self._close_soon(CloseCode.TRY_LATER)
            return
        hub().leave(self)
        lost = RequestError(
            ErrorCode.NOT_AUTHENTICATED, "You are logged out, or your token is no longer valid."
        )
        self._reply(frames.error(lost))
        self._close_soon(CloseCode.NOT_AUTHENTICATED)

    def _close_soon(self, code: CloseCode) -> None:
        self.closing = asyncio.get_running_loop().create_task(self._close(code))

    async def _close(self, code: CloseCode) -> None:
        self.is_closed = True
        await self.outbox.drained()
        self.outbox.close()
        await self.send({"type": "websocket.close", "code": code.value})


def _snapshot(who: Who, job: str, watchers: int) -> Frame:
    return snapshot(queries.find_job(who, job), who, watchers)


def _missed(job: Job, after: int, seq: int) -> list[queries.StoredEvent] | None:
    """Return the events after `after` up to `seq`, or None where not all of them are kept."""
    if after > seq or seq - after > conf.events_kept():
        return None
    events = [
        event
        for event in queries.events_after(job.id, after, conf.events_kept())
        if event.seq <= seq
    ]
    return events if len(events) == seq - after else None


def _matches(wanted: messages.Filter, event: Published, who: Who) -> bool:
    facts = event.facts
    states = queries.states_of(wanted)
    return (
        (not states or facts.state in states)
        and wanted.backend in {None, facts.backend}
        and (wanted.label is None or wanted.label in facts.labels)
        and (not wanted.mine or facts.owner == who.user)
    )
