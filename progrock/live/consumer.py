"""The WebSocket `/prog/`: one consumer a connection (PROTOCOL section 2).

It parses, asks the services, and follows jobs through the hub. What is sent goes through one
bounded outbox, so that frames keep their order and a slow reader delays nobody.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import uuid4

from channels.db import database_sync_to_async

from progrock import conf, identity
from progrock.backends import push
from progrock.errors import RequestError, unknown_job
from progrock.failures import try_again
from progrock.identity import Who
from progrock.jobs import access, queries, retrying, services
from progrock.jobs.snapshot import snapshot
from progrock.live import commands
from progrock.live.connection import Connection
from progrock.live.feed import Feed
from progrock.live.following import PAGE, Following
from progrock.live.hub import hub
from progrock.live.publishing import Published
from progrock.live.rate import BURST, PER_SECOND, Rate
from progrock.models import Job
from progrock.protocol import codec, frames, messages
from progrock.protocol.codes import CloseCode, ErrorCode
from progrock.protocol.frames import Frame

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


class ProgressConsumer(Connection):
    """One connection: who it is, which jobs it follows and how far it has been told of each."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept, and say hello."""
        self.who: Who | None = cast("dict[str, Any]", self.scope)["who"]
        self.connection = uuid4().hex[:16]
        self.feed: Feed | None = None
        self.bad_frames = 0
        self.rate = Rate(time.monotonic())
        self.auth_timer: asyncio.TimerHandle | None = None
        offered = self.scope.get("subprotocols", [])
        await self.accept(frames.PROTOCOL if frames.PROTOCOL in offered else None)
        self.following = Following(self, self.outbox, _as_kept)
        if self.who is None:
            loop = asyncio.get_running_loop()
            self.auth_timer = loop.call_later(AUTH_SECONDS, self._on_auth_timeout)
        self.reply(self._hello())

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Forget the connection."""
        if self.auth_timer is not None:
            self.auth_timer.cancel()
        await super().websocket_disconnect(message)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer one frame."""
        if self.is_closed:  # sent before the other side knew
            return
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        if len(frame) > codec.MAX_FRAME_BYTES:
            await self.close(CloseCode.TOO_BIG)
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
            self.reply(frames.error(exc, exc.frame_id))
            self.bad_frames += 1
            if self.bad_frames >= MAX_BAD_FRAMES:
                await self.close(CloseCode.BAD_FRAMES)
            return
        except RequestError as exc:
            self.reply(frames.error(exc, asked.id if asked else None))
            if isinstance(asked, messages.Auth):
                await self.close(CloseCode.NOT_AUTHENTICATED)
        except Exception as exc:  # noqa: BLE001 - none may go unanswered
            sorry = try_again(exc, "a message could not be answered", connection=self.connection)
            self.reply(frames.error(sorry, asked.id if asked else None))
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
                self.reply(frames.pong(asked.id))
            case _:
                answer = database_sync_to_async(commands.answer)
                self.reply(await answer(who, self.connection, asked))

    async def _auth(self, asked: messages.Auth) -> None:
        self.who = await database_sync_to_async(identity.by_token)(asked.token)
        if self.auth_timer is not None:
            self.auth_timer.cancel()
        self.reply(self._hello() | {"id": asked.id})

    async def _start(self, who: Who, asked_id: str | None, begin: Callable[[], Job]) -> None:
        self._check_watches(None)
        job = await database_sync_to_async(begin)()
        id_ = str(job.id)
        self.following.begin(job)
        # The job as it was made, before the backend is asked: what that says comes as events.
        watchers = len(hub().watchers_of(id_))  # of a new job: nobody elsewhere knows it
        made, page = await database_sync_to_async(_made)(who, job, watchers)
        token = identity.report_token(job.id) if job.backend == push.NAME else None
        self.reply(frames.started(asked_id, made, token))
        present = page[-1].seq if page else job.seq
        hub().caught_up(id_, present)
        await self.following.read_on(id_, job.seq, present, page)

    async def _watch(self, who: Who, asked: messages.Watch) -> None:
        name = asked.job or ""
        self._check_watches(name)
        present, page, until = await self.following.open(who, name, asked.after)
        id_, seq = present["job"], present["seq"]
        is_recovered = page is not None
        self.reply(frames.watching(asked.id, id_, seq, None if is_recovered else present))
        after = asked.after if is_recovered and asked.after is not None else seq
        await self.following.read_on(id_, after, until, page or ())

    async def _watch_feed(self, who: Who, asked: messages.Watch) -> None:
        self.feed = Feed(who, asked.filter)
        hub().watch_feed(self)
        page, next_ = await database_sync_to_async(commands.page_of_snapshots)(
            who, asked.filter, FEED_PAGE, None
        )
        self.reply(frames.watching_feed(asked.id, page, next_))

    def _unwatch(self, asked: messages.Unwatch) -> None:
        if asked.feed:
            self.feed = None
            hub().unwatch_feed(self)
            self.reply(frames.unwatched(asked.id, {"feed": "jobs"}))
            return
        job = (asked.job or "").lower()
        if job not in self.following:
            raise unknown_job(asked.job)
        self.following.end(job)
        self.reply(frames.unwatched(asked.id, {"job": job}))

    def _check_watches(self, job: str | None) -> None:
        if len(self.following) >= MAX_WATCHES and job not in self.following:
            raise RequestError(
                ErrorCode.TOO_MANY_WATCHES,
                f"One connection may follow {MAX_WATCHES} jobs; unwatch one, or watch the feed.",
            )

    # --- a watcher, to the hub ---

    def deliver(self, event: Published) -> None:
        """Take an event from the hub: put it into the outbox, once and in order."""
        if (
            self.following.deliver(event) is None
            and self.feed is not None
            and self.who is not None
            and access.may_follow(self.who, event.job, event.facts.owner)
            and self.feed.matches(event.facts)
        ):
            self.outbox.put(event.frame, event)

    def show_presence(self, event: Published) -> bool:
        """Tell who watches a job, once the answer to the watch is told."""
        if self.following.is_reading(event.job):
            return False
        who = self.who
        if (
            who is not None
            and event.job in self.following
            and access.may_follow(who, event.job, event.facts.owner)
        ):
            self.outbox.put(event.frame)
        return True

    def _hello(self) -> Frame:
        return frames.hello(
            connection=self.connection,
            name=self.who.name if self.who else None,
            anonymous=self.who is None or self.who.is_anonymous,
            heartbeat=conf.heartbeat_seconds(),
            limits=LIMITS,
        )

    async def _over_the_rate(self, frame: str | bytes, now: float) -> None:
        if self.rate.is_flooded(now):
            await self.close(CloseCode.FLOODING)
            return
        error = RequestError(
            ErrorCode.RATE_LIMITED,
            f"At most {PER_SECOND:g} messages a second; this one was not read.",
            retry_after=self.rate.retry_after,
        )
        self.reply(frames.error(error, codec.id_of(frame)))

    def _on_auth_timeout(self) -> None:
        if self.who is None:
            self.close_soon(CloseCode.AUTH_TIMEOUT)

    def fail(self) -> None:
        """Take that nothing more comes: the hub cannot deliver, or the rights are lost."""
        if self.who is not None:
            super().fail()
            return
        hub().leave(self)
        lost = RequestError(
            ErrorCode.NOT_AUTHENTICATED, "You are logged out, or your token is no longer valid."
        )
        self.reply(frames.error(lost))
        self.close_soon(CloseCode.NOT_AUTHENTICATED)


def _made(who: Who, job: Job, watchers: int) -> tuple[Frame, list[queries.StoredEvent]]:
    """Return the snapshot of a new job, and what has happened to it since."""
    return snapshot(job, who, watchers), queries.events_after(job.id, job.seq, PAGE)


def _as_kept(job: str, event: queries.StoredEvent) -> str:
    return event.frame
