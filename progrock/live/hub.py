"""The hub: one per web process, between the layer and the local watchers (DESIGN section 5).

It holds one layer channel, in the group of every shard, and a map from job to local watchers. An
event's frame was encoded once, in the log, and is handed on as it is. What a watcher gets is right
because of `seq` and the log: an event that is old is dropped, a hole is filled from the log, and
every few seconds the hub compares what it has told with what the log holds.
"""

import asyncio
import time
from collections.abc import Collection, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from progrock import conf
from progrock.identity import Who
from progrock.jobs import queries
from progrock.jobs.states import TERMINAL
from progrock.live import publishing, rights
from progrock.live.attendance import Attendance
from progrock.live.heart import beat_seconds
from progrock.live.presence import Presence
from progrock.live.publishing import Facts, Published, group_of, unpack
from progrock.protocol.codec import decode_json

logger = structlog.get_logger(__name__)
RECONCILE_SECONDS = 5.0
FEED_WINDOW = timedelta(seconds=30)  # how far back the feed is compared with the log
REOPEN_SECONDS = 1.0
RECHECK_SECONDS = 0.5
RENEW_SECONDS = 3_600.0  # layers forget who is in a group after a day (group_expiry)
LOG_PAGE = 500
TOLD_KEPT = 10_000
CLOCK_SECONDS = 2.0  # that the clocks of servers may be apart
COMING_AT_ONCE = 8  # watchers that read where their job stands; each holds some KB meanwhile


class Watcher(Protocol):
    """One who follows jobs: a WebSocket connection, or a request that waits.

    `who` may change, and is None for one who has to say who it is, or may no longer be here.
    """

    who: Who | None

    def deliver(self, event: Published) -> None:
        """Take an event; must not wait."""

    def on_beat(self, now: float) -> None:
        """Called every few seconds with the monotonic time."""

    def fail(self) -> None:
        """Called when `deliver` raised: nothing more comes."""


class Topic:
    """A job that is followed: its watchers, and the seq of the last event handed to them."""

    __slots__ = ("facts", "in_turn", "is_filling", "known", "seq", "shard", "watchers")

    def __init__(self, seq: int, facts: Facts, shard: int) -> None:
        self.seq = seq
        self.known = seq  # the latest that the log is known to hold
        self.facts = facts
        self.shard = shard
        self.watchers: set[Watcher] = set()
        self.in_turn: tuple[Watcher, ...] | None = None  # the same, while none comes or goes
        self.is_filling = False

    def add(self, watcher: Watcher) -> None:
        """Have a watcher told of the job."""
        self.watchers.add(watcher)
        self.in_turn = None

    def discard(self, watcher: Watcher) -> None:
        """Tell a watcher no longer."""
        self.watchers.discard(watcher)
        self.in_turn = None


class Hub:
    """Hands events to local watchers. Belongs to one event loop; started by the first watcher."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._feeds: set[Watcher] = set()
        self._watchers: dict[Watcher, tuple[str, ...]] = {}  # with the jobs that each follows
        self._feed_since = 0.0  # Unix time; jobs that began since are told from event 1
        self._told: dict[str, int] = {}  # ended jobs of the feed: the last seq, oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self.entrance = asyncio.Semaphore(COMING_AT_ONCE)  # the others wait with little in hand
        self.attendance = Attendance(self._run)
        self.presence = Presence(self, self._run)
        self._channel: str | None = None  # the layer's, once there is one
        self._entered_at = 0.0
        self._is_started = False
        self._is_rechecking = False

    # --- coming and going ---

    def join(self, watcher: Watcher) -> None:
        """Know a watcher, so that its heart beats; the first one starts the hub."""
        self._watchers.setdefault(watcher, ())
        if not self._is_started:
            self._is_started = True
            self._run(self._receive())
            self._run(self._beat())
            self._run(self._keep_house())

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher and all that it follows."""
        self.unwatch_feed(watcher)
        for job in self._watchers.pop(watcher, ()):
            self._discard(watcher, job)

    def watch(self, watcher: Watcher, job: str, seq: int, facts: Facts, shard: int) -> None:
        """Hand a watcher a job's events from now on; `seq` is the job's, as read before.

        The watcher reads the job again afterwards and tells `caught_up`: so an event is either in
        that reading or handed on, and none falls between.
        """
        topic = self._topics.get(job)
        if topic is None and self._feeds:  # the last event may yet be on its way to them
            topic = self._feed_topic(job, seq, facts, shard)
            topic.known = seq
        elif topic is None:
            topic = self._topics[job] = Topic(seq, facts, shard)
        if watcher not in topic.watchers:
            topic.add(watcher)
            self._watchers[watcher] = (*self._watchers.get(watcher, ()), job)
            self.attendance.come(job, facts)
            self.presence.come(job, watcher)

    def topic(self, job: str) -> Topic | None:
        """Return what is known here of a job that is followed; of another one, None."""
        return self._topics.get(job)

    def caught_up(self, job: str, seq: int) -> None:
        """Say that the log holds `seq`: if the others have not been told so far, tell them."""
        topic = self._topics.get(job)
        if topic is not None and seq > topic.seq:
            topic.known = max(topic.known, seq)
            self._fill(job, topic)

    def unwatch(self, watcher: Watcher, job: str) -> None:
        """End what `watch` began."""
        followed = self._watchers.get(watcher, ())
        if job in followed:
            self._watchers[watcher] = tuple(other for other in followed if other != job)
            self._discard(watcher, job)

    def _discard(self, watcher: Watcher, job: str) -> None:
        topic = self._topics.get(job)
        if topic is not None:
            topic.discard(watcher)
            self.presence.go(job, watcher)
            self._drop_unwatched(job, topic, is_over=topic.facts.state in TERMINAL)

    def watch_feed(self, watcher: Watcher) -> None:
        """Hand a watcher the events of all jobs; it chooses among them."""
        if not self._feeds:
            self._feed_since = time.time()
        self._feeds.add(watcher)
        self.attendance.come_to_feed(watcher.who)

    def unwatch_feed(self, watcher: Watcher) -> None:
        """End what `watch_feed` began."""
        if watcher not in self._feeds:
            return
        self._feeds.remove(watcher)
        if not self._feeds:
            self._told.clear()
            for job, topic in list(self._topics.items()):
                self._drop_unwatched(job, topic)

    def watchers_of(self, job: str) -> Collection[Watcher]:
        """Return the watchers of a job in this process."""
        topic = self._topics.get(job)
        return topic.watchers if topic else ()

    def facts_of(self, job: str) -> Facts | None:
        """Return what decides who may see a job, None where nobody here follows it."""
        topic = self._topics.get(job)
        return topic.facts if topic else None

    # --- handing on ---

    def take(self, event: Published) -> None:
        """Hand an event on, once and in order; a hole is filled from the log first."""
        topic = self._topics.get(event.job)
        if topic is None:
            if not self._feeds or event.seq <= self._told.get(event.job, 0):
                return
            topic = self._feed_topic(event.job, event.seq, event.facts, event.shard)
        if event.seq <= topic.seq:
            return  # old
        topic.facts = event.facts
        topic.known = max(topic.known, event.seq)
        if topic.is_filling:
            return  # about to be read from the log
        if event.seq == topic.seq + 1:
            self._hand_on(topic, event)
        else:
            self._fill(event.job, topic)

    def _feed_topic(self, job: str, seq: int, facts: Facts, shard: int) -> Topic:
        """Follow a job for the feed: from where it was told, or from its beginning when new."""
        told = self._told.pop(job, None)
        if told is None:
            # Of an older job the feed's first answer held what came before.
            told = 0 if began_at(job) >= self._feed_since - CLOCK_SECONDS else seq - 1
        topic = self._topics[job] = Topic(told, facts, shard)
        return topic

    def _hand_on(self, topic: Topic, event: Published) -> None:
        topic.seq = event.seq
        if topic.in_turn is None:
            topic.in_turn = tuple(topic.watchers)
        watchers = topic.in_turn
        if self._feeds:
            watchers += tuple(self._feeds - topic.watchers)
        for watcher in watchers:
            try:
                watcher.deliver(event)
            except Exception:
                logger.exception("a watcher failed and is left out", job=event.job)
                self.leave(watcher)
                watcher.fail()
        if event.facts.state in TERMINAL:
            self._drop_unwatched(event.job, topic, is_over=True)

    def _drop_unwatched(self, job: str, topic: Topic, *, is_over: bool = False) -> None:
        if not topic.watchers and (is_over or not self._feeds):
            self._topics.pop(job, None)
            if self._feeds:
                self._told[job] = topic.seq
                if len(self._told) > TOLD_KEPT:
                    del self._told[next(iter(self._told))]

    def _fill(self, job: str, topic: Topic) -> None:
        if not topic.is_filling:
            topic.is_filling = True
            self._run(self._fill_from_log(job, topic))

    async def _fill_from_log(self, job: str, topic: Topic) -> None:
        """Hand on what the log holds beyond the topic's seq, until nothing more is there."""
        try:
            while self._topics.get(job) is topic:
                stored = await database_sync_to_async(queries.events_after)(
                    job, topic.seq, LOG_PAGE
                )
                for event in stored:
                    self._hand_on(topic, _published(job, event, topic))
                if not stored or topic.seq >= topic.known:
                    break
        except Exception as exc:  # noqa: BLE001 - the database may be away; reconciled later
            logger.warning("a gap is not filled yet", job=job, error=str(exc))
        finally:
            topic.is_filling = False

    # --- the loops ---

    async def _receive(self) -> None:
        """Read the process's layer channel for ever; a layer that fails is opened anew."""
        while True:
            try:
                await self._receive_from_layer()
            except Exception as exc:  # noqa: BLE001 - whatever a layer raises
                logger.warning("the channel layer failed; opening it again", error=str(exc))
                await asyncio.sleep(REOPEN_SECONDS)

    async def _receive_from_layer(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            raise RuntimeError("CHANNEL_LAYERS has no default layer")
        channel = await layer.new_channel()
        await self._enter(layer, channel)
        self._channel = channel
        while True:
            message = await layer.receive(channel)
            if message["type"] == publishing.RIGHTS_TYPE:
                self._recheck_soon()
                continue
            for packed in message["events"]:
                if self._feeds or packed[0] in self._topics:  # else nobody here wants it
                    self.take(unpack(packed))

    async def _enter(self, layer: Any, channel: str) -> None:
        for shard in range(conf.shards()):
            await layer.group_add(group_of(shard), channel)
        self._entered_at = time.monotonic()

    async def _stay(self) -> None:
        """Enter the groups again before the layer forgets who is in them."""
        channel, layer = self._channel, get_channel_layer()
        if channel is None or time.monotonic() - self._entered_at < RENEW_SECONDS:
            return
        try:
            await self._enter(layer, channel)
        except Exception as exc:  # noqa: BLE001 - whatever a layer raises
            logger.warning("the groups were not entered again; trying later", error=str(exc))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(beat_seconds())
            now = time.monotonic()
            for watcher in tuple(self._watchers):
                watcher.on_beat(now)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await self.reconcile()
                watched = (job for job, topic in self._topics.items() if topic.watchers)
                await self.attendance.stay(watched, self._feeds)
            except Exception as exc:  # noqa: BLE001 - the database may be away for a while
                logger.warning("not compared with the log; trying again", error=str(exc))
            await self.recheck()
            await self._stay()

    def _recheck_soon(self) -> None:
        """Look at the rights again in a moment: the hint comes before the change is made."""
        if not self._is_rechecking:
            self._is_rechecking = True
            self._run(self._recheck_later())

    async def _recheck_later(self) -> None:
        await asyncio.sleep(RECHECK_SECONDS)
        self._is_rechecking = False
        await self.recheck()

    async def recheck(self) -> None:
        """End the connections of those who have lost their rights."""
        try:
            await rights.recheck(tuple(self._watchers))
        except Exception as exc:  # noqa: BLE001 - the database may be away for a while
            logger.warning("rights not looked at; trying again", error=str(exc))

    async def reconcile(self) -> None:
        """Find in the log what no layer message told of, and hand it on."""
        jobs = list(self._topics)
        for start in range(0, len(jobs), LOG_PAGE):
            page = jobs[start : start + LOG_PAGE]
            for job, seq in (await database_sync_to_async(queries.seqs_of)(page)).items():
                self.caught_up(job, seq)
        if self._feeds:
            since = datetime.now(UTC) - FEED_WINDOW
            for row in await database_sync_to_async(queries.changed_since)(since):
                if row.job not in self._topics and row.seq > self._told.get(row.job, 0):
                    self._feed_topic(row.job, row.seq, row.facts, row.shard)
                    self.caught_up(row.job, row.seq)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """Return the hub of the running event loop: one per web process."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for closed in [other for other in _hubs if other.is_closed()]:
            del _hubs[closed]
        _hubs[loop] = Hub()
    return _hubs[loop]


def began_at(job: str) -> float:
    """Return when a job was made, in Unix seconds: its id says so (RFC 9562, UUIDv7)."""
    return int(job.replace("-", "")[:12], 16) / 1000


def _published(job: str, event: queries.StoredEvent, topic: Topic) -> Published:
    """Return an event of the log as it was published, and bring the topic's facts up to it."""
    frame = decode_json(event.frame)
    before = topic.facts.labels
    labels = tuple(frame["set"].get("labels", before)) if event.type == "edited" else before
    topic.facts = topic.facts._replace(state=frame["state"], labels=labels)
    return Published(
        job=job,
        seq=event.seq,
        type=event.type,
        frame=event.frame,
        facts=topic.facts._replace(labels=tuple(dict.fromkeys(before + labels))),
        shard=topic.shard,
    )
