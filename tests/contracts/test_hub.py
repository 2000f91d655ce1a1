"""The hub: events once and in order, whatever the layer does (PROTOCOL 2.6, DESIGN 4.4).

The layer's messages are hints: here they are dropped, doubled and shuffled, and the log makes it
right. Each watcher must get what the log holds.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from config.layers import DATABASE
from progrock.backends import registry
from progrock.identity import ANONYMOUS
from progrock.jobs import editing, log, queries
from progrock.jobs.changes import Observation
from progrock.jobs.log import Entry
from progrock.jobs.states import State
from progrock.live import hub as hub_module
from progrock.live.hub import Hub
from progrock.live.publishing import MESSAGE_TYPE, Facts, Published, _packed, group_of
from progrock.models import Job
from progrock.protocol.messages import JobEdit
from tests.contracts.parts import DEADLINE_SECONDS, new_job, running_job

pytestmark = pytest.mark.usefixtures("real_parts")
FACTS = Facts(None, "plain", (), "running")


class Collector:
    """A watcher that keeps what it is told."""

    who = ANONYMOUS

    def __init__(self) -> None:
        self.events: list[Published] = []

    def deliver(self, event: Published) -> None:
        """Keep the event."""
        self.events.append(event)

    def on_beat(self, now: float) -> None:
        """Be told the time."""

    def fail(self) -> None:
        """Be told that nothing more comes."""

    def seqs(self, job: Job | None = None) -> list[int]:
        """Return the seqs told, of one job or of all."""
        return [event.seq for event in self.events if job is None or event.job == str(job.id)]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A hub of the test's event loop."""
    made = Hub()
    yield made
    for task in list(made._tasks):
        task.cancel()


@pytest.fixture
def silent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison with the log but the one that a test asks for.

    PostgreSQL's layer may lose a message (0016), so there the hub compares as it always does.
    """
    name = request.getfixturevalue("layer") if "layer" in request.fixturenames else ""
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 0.2 if name == DATABASE else 3_600.0)


async def eventually(look: Callable[[], object], what: str) -> None:
    """Wait until what is seen is true; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"never came: {what}"
        await asyncio.sleep(0.005)


async def quiet(hub: Hub) -> None:
    """Wait until no gap is being filled."""
    await eventually(
        lambda: not any(topic.is_filling for topic in hub._topics.values()), "the gaps are filled"
    )


@database_sync_to_async
def lived(events: int, *, is_over: bool = False, **fields: Any) -> tuple[Job, list[Published]]:
    """Return a job with so many events in its log, and these as they are published."""
    job = running_job(**fields)
    grow(job, events - job.seq - is_over)
    if is_over:
        grow(job, 1, state=State.SUCCEEDED)
    return Job.objects.get(id=job.id), published_of(job)


def grow(job: Job, events: int, **values: Any) -> None:
    """Add events to a job's log."""
    for _ in range(events):
        seq, look = Job.objects.values_list("seq", "look").get(id=job.id)
        change = Observation(look=look, **({"message": f"after {seq}"} | values))
        log.record([Entry(job=job.id, change=change)], registry.policy_of)


def published_of(job: Job) -> list[Published]:
    """Return a job's kept events as they are published."""
    return [
        Published(
            job=str(job.id),
            seq=event.seq,
            type=event.type,
            frame=event.frame,
            facts=Facts(None, job.backend, tuple(job.labels), json.loads(event.frame)["state"]),
            shard=job.shard,
        )
        for event in queries.events_after(job.id, 0, 10_000)
    ]


def follow(hub: Hub, job: Job, seq: int) -> Collector:
    """Return a watcher that follows a job from a seq on."""
    watcher = Collector()
    hub.watch(watcher, str(job.id), seq, FACTS, job.shard)
    return watcher


def follow_feed(hub: Hub) -> Collector:
    """Return a watcher that follows the feed of all jobs."""
    watcher = Collector()
    hub.watch_feed(watcher)
    return watcher


def mangled(events: list[Published], chance: random.Random) -> list[Published]:
    """Return layer messages as they may come: some lost, some twice, some late."""
    kept = [event for event in events if chance.random() > 0.3]
    doubled = [event for event in kept for _ in range(1 + (chance.random() < 0.3))]
    order = sorted(range(len(doubled)), key=lambda place: place + chance.random() * 6)
    return [doubled[place] for place in order]


# --- one job -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
async def test_events_are_handed_on_as_they_are(hub: Hub) -> None:
    job, events = await lived(6)
    watcher = follow(hub, job, 1)
    for event in events[1:]:
        hub.take(event)
    assert watcher.events == events[1:]


@pytest.mark.usefixtures("published")
async def test_a_doubled_or_late_event_is_handed_on_once(hub: Hub) -> None:
    job, events = await lived(4)
    watcher = follow(hub, job, 1)
    for place in (1, 1, 0, 2, 1, 3, 2, 3, 0):
        hub.take(events[place])
    assert watcher.seqs() == [2, 3, 4]


@pytest.mark.usefixtures("published")
async def test_a_gap_is_filled_from_the_log_before_what_comes_after_it(hub: Hub) -> None:
    job, events = await lived(9)
    watcher = follow(hub, job, 1)
    hub.take(events[1])
    hub.take(events[5])
    await quiet(hub)
    assert watcher.seqs() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert [event.frame for event in watcher.events] == [event.frame for event in events[1:]]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("seed", range(12))
async def test_lost_doubled_and_shuffled_events_come_once_and_in_order(hub: Hub, seed: int) -> None:
    chance = random.Random(seed)
    job, events = await lived(25)
    watcher = follow(hub, job, 1)
    for event in mangled(events[1:], chance):
        hub.take(event)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert [event.frame for event in watcher.events] == [event.frame for event in events[1:]]


@pytest.mark.usefixtures("published")
async def test_events_that_come_while_a_gap_is_filled_are_not_lost(hub: Hub) -> None:
    job, events = await lived(4)
    watcher = follow(hub, job, 1)
    hub.take(events[3])
    for _ in range(20):
        await database_sync_to_async(grow)(job, 1)
        for event in (await database_sync_to_async(published_of)(job))[-1:]:
            hub.take(event)
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs() == list(range(2, 25))


@pytest.mark.usefixtures("published")
async def test_when_the_last_messages_are_lost_the_log_is_asked(hub: Hub) -> None:
    job, events = await lived(7, is_over=True)
    watcher = follow(hub, job, 1)
    hub.take(events[1])
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs() == [2, 3, 4, 5, 6, 7]
    assert watcher.events[-1].type == "complete"
    await hub.reconcile()
    await quiet(hub)
    assert len(watcher.events) == 6


@pytest.mark.usefixtures("published")
async def test_a_long_gap_is_filled_whole(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LOG_PAGE", 7)
    job, events = await lived(40)
    watcher = follow(hub, job, 1)
    hub.take(events[-1])
    await quiet(hub)
    assert watcher.seqs() == list(range(2, 41))


@pytest.mark.usefixtures("published")
async def test_what_was_written_between_reading_and_watching_is_told(hub: Hub) -> None:
    job, _ = await lived(5)
    watcher = follow(hub, job, 2)  # as read before; the log has gone on
    hub.caught_up(str(job.id), 5)
    await quiet(hub)
    assert watcher.seqs() == [3, 4, 5]


@pytest.mark.usefixtures("published")
async def test_a_second_watcher_misses_nothing_and_the_first_gets_nothing_twice(hub: Hub) -> None:
    job, events = await lived(8)
    first = follow(hub, job, 1)
    for event in events[1:4]:
        hub.take(event)
    second = follow(hub, job, 6)  # it has read more of the log than the hub was told
    hub.caught_up(str(job.id), 6)
    await quiet(hub)
    for event in events[5:]:
        hub.take(event)
    assert first.seqs() == [2, 3, 4, 5, 6, 7, 8]
    assert [seq for seq in second.seqs() if seq > 6] == [7, 8]


@pytest.mark.usefixtures("published")
async def test_a_watcher_that_breaks_does_not_keep_the_others_from_being_told(hub: Hub) -> None:
    class Broken(Collector):
        def deliver(self, event: Published) -> None:
            raise RuntimeError("broken")

    job, events = await lived(4)
    watchers = [Collector(), Broken(), Collector(), Broken(), Collector()]
    for watcher in watchers:
        hub.watch(watcher, str(job.id), 1, FACTS, job.shard)
    for event in events[1:]:
        hub.take(event)
    assert [watchers[place].seqs() for place in (0, 2, 4)] == [[2, 3, 4]] * 3


@pytest.mark.usefixtures("published")
async def test_while_the_log_cannot_be_read_nothing_is_skipped(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, events = await lived(6)
    watcher = follow(hub, job, 1)

    def away(*_: object) -> list[queries.StoredEvent]:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(queries, "events_after", away)
        hub.take(events[4])
        await quiet(hub)
        assert watcher.seqs() == []
    hub.take(events[5])
    await quiet(hub)
    assert watcher.seqs() == [2, 3, 4, 5, 6]


@pytest.mark.usefixtures("published")
async def test_what_is_read_from_the_log_has_the_facts_of_its_time(hub: Hub) -> None:
    # A feed's filter of states is matched against them.
    job, events = await lived(5, is_over=True)
    watcher = follow(hub, job, 2)
    hub.take(events[4])
    await quiet(hub)
    assert [(event.type, event.facts.state) for event in watcher.events] == [
        (event.type, event.facts.state) for event in events[2:]
    ]


@pytest.mark.usefixtures("published")
async def test_who_no_longer_watches_is_told_nothing_and_leaves_nothing_behind(hub: Hub) -> None:
    job, events = await lived(6)
    one, two = follow(hub, job, 1), follow(hub, job, 1)
    assert len(hub.watchers_of(str(job.id))) == 2
    hub.take(events[1])
    hub.unwatch(one, str(job.id))
    hub.unwatch(one, str(job.id))
    hub.take(events[2])
    hub.leave(two)
    hub.take(events[3])
    assert (one.seqs(), two.seqs()) == ([2], [2, 3])
    assert len(hub.watchers_of(str(job.id))) == 0
    assert not hub._topics
    await hub.reconcile()
    assert (one.seqs(), two.seqs()) == ([2], [2, 3])


# --- the feed ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("published")
async def test_a_feed_gets_the_events_of_all_jobs(hub: Hub) -> None:
    watcher = follow_feed(hub)
    lives = [await lived(4) for _ in range(3)]
    for place in range(4):
        for _, events in lives:
            hub.take(events[place])
    for job, _ in lives:
        assert watcher.seqs(job) == [1, 2, 3, 4]


@pytest.mark.usefixtures("published")
async def test_who_follows_a_job_and_the_feed_is_told_once(hub: Hub) -> None:
    job, events = await lived(4)
    watcher = follow(hub, job, 1)
    hub.watch_feed(watcher)
    for event in events[1:]:
        hub.take(event)
    assert watcher.seqs() == [2, 3, 4]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("seed", range(6))
async def test_a_feed_gets_the_events_of_a_known_job_once_and_in_order(hub: Hub, seed: int) -> None:
    chance = random.Random(seed)
    _, events = await lived(20)
    watcher = follow_feed(hub)
    hub.take(events[0])
    for event in mangled(events[1:], chance):
        hub.take(event)
        if chance.random() < 0.3:
            await asyncio.sleep(0.001)
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs() == list(range(1, 21))


@pytest.mark.usefixtures("published")
async def test_a_doubled_end_comes_to_a_feed_once(hub: Hub) -> None:
    job, events = await lived(4, is_over=True)
    watcher = follow_feed(hub)
    for event in [*events, events[-1], events[1], events[-1]]:
        hub.take(event)
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs(job) == [1, 2, 3, 4]


@pytest.mark.usefixtures("published")
async def test_a_feed_hears_of_a_new_job_though_its_first_message_was_lost(hub: Hub) -> None:
    watcher = follow_feed(hub)
    job, events = await lived(3)
    hub.take(events[1])
    hub.take(events[2])
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs(job) == [1, 2, 3]


@pytest.mark.usefixtures("published")
async def test_a_feed_hears_of_a_short_job_though_all_its_messages_were_lost(hub: Hub) -> None:
    watcher = follow_feed(hub)
    job, _ = await lived(4, is_over=True)
    for _ in range(3):
        await hub.reconcile()
        await quiet(hub)
    assert watcher.seqs(job)[-1:] == [4]
    assert watcher.seqs(job) == sorted(set(watcher.seqs(job)))


@pytest.mark.usefixtures("published")
async def test_a_feed_hears_of_a_running_job_though_messages_were_lost(hub: Hub) -> None:
    watcher = follow_feed(hub)
    job, _ = await lived(4)
    for _ in range(3):
        await hub.reconcile()
        await quiet(hub)
    assert watcher.seqs(job)[-1:] == [4]
    assert watcher.seqs(job) == sorted(set(watcher.seqs(job)))


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(("opened_later", "told"), [(0, [1, 2, 3]), (60, [3])])
async def test_a_feed_gets_the_event_that_somebody_else_read_before_it_came(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, opened_later: float, told: list[int]
) -> None:
    reader = follow_feed(hub)
    monkeypatch.setattr(hub, "_feed_since", time.time() + opened_later)
    job, events = await lived(3)
    other = follow(hub, job, 3)
    hub.take(events[2])
    await quiet(hub)
    await hub.reconcile()
    await quiet(hub)
    assert reader.seqs(job) == told
    hub.leave(other)


@pytest.mark.usefixtures("published")
async def test_a_job_that_ended_while_it_was_watched_is_not_kept_for_a_feed(hub: Hub) -> None:
    reader = follow_feed(hub)
    job, events = await lived(3, is_over=True)
    watcher = follow(hub, job, 1)
    for event in events:
        hub.take(event)
    await quiet(hub)
    assert reader.seqs(job) == [1, 2, 3]
    hub.leave(watcher)
    assert not hub._topics


@pytest.mark.usefixtures("published")
async def test_jobs_that_ended_are_not_kept_for_a_feed(hub: Hub) -> None:
    watcher = follow_feed(hub)
    for _ in range(10):
        _, events = await lived(3, is_over=True)
        for event in events:
            hub.take(event)
    assert len(watcher.events) == 30
    hub.leave(watcher)
    assert not hub._topics
    assert not hub._feeds


@pytest.mark.usefixtures("published")
async def test_an_edit_after_the_end_reaches_the_feed_once_and_keeps_nothing(hub: Hub) -> None:
    watcher = follow_feed(hub)
    job, events = await lived(3, is_over=True)
    for event in events:
        hub.take(event)
    edit = database_sync_to_async(partial(editing.edit_job, ANONYMOUS, str(job.id)))
    await edit(JobEdit(note="after the end"))
    edited = (await database_sync_to_async(published_of)(job))[-1]
    for _ in range(2):
        hub.take(edited)
    await hub.reconcile()
    await quiet(hub)
    assert watcher.seqs(job) == [1, 2, 3, 4]
    assert not hub._topics


@pytest.mark.usefixtures("published")
async def test_the_labels_of_an_edit_that_was_not_told_come_from_the_log(hub: Hub) -> None:
    job, _ = await lived(3, labels=["old"])
    watcher = Collector()
    hub.watch(watcher, str(job.id), 3, FACTS._replace(labels=("old",)), job.shard)
    edit = database_sync_to_async(partial(editing.edit_job, ANONYMOUS, str(job.id)))
    await edit(JobEdit(labels=["new"]))
    await database_sync_to_async(grow)(job, 1)
    await hub.reconcile()
    await quiet(hub)
    assert [event.facts.labels for event in watcher.events] == [("old", "new"), ("new",)]


@pytest.mark.usefixtures("published")
async def test_without_watchers_nothing_is_kept(hub: Hub) -> None:
    _, events = await lived(3)
    for event in events:
        hub.take(event)
    await hub.reconcile()
    assert not hub._topics


# --- through the layer ---------------------------------------------------------------------------


async def listening(hub: Hub, watcher: Collector) -> None:
    """Start the hub, and wait until messages of the layer reach it."""
    probe, _ = await lived(2)
    ear = follow(hub, probe, 0)
    hub.join(watcher)
    seq = 0

    async def call() -> bool:
        nonlocal seq
        seq += 1
        await send(
            Published(job=str(probe.id), seq=seq, type="log", frame="{}", facts=FACTS, shard=0)
        )
        await asyncio.sleep(0.02)
        return bool(ear.events)

    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await call():
            pass
    hub.unwatch(ear, str(probe.id))


async def send(*events: Published) -> None:
    """Send events through the layer, as one message."""
    await send_message({"type": MESSAGE_TYPE, "events": [_packed(event) for event in events]})


async def send_message(message: dict[str, Any]) -> None:
    """Send a message through the layer."""
    found = get_channel_layer()
    assert found is not None
    # PostgreSQL's refuses while another event loop uses it: the message is lost (0016).
    with suppress(RuntimeError):
        await found.group_send(group_of(0), message)


@pytest.mark.usefixtures("layer", "silent")
async def test_what_is_committed_reaches_the_watchers_of_another_process(hub: Hub) -> None:
    watcher = Collector()
    await listening(hub, watcher)
    job, _ = await lived(3)
    hub.watch(watcher, str(job.id), 3, FACTS, job.shard)
    await database_sync_to_async(grow)(job, 10)
    await database_sync_to_async(grow)(job, 1, state=State.SUCCEEDED)
    await eventually(lambda: watcher.seqs(job)[-1:] == [14], "the end of the job")
    events = await database_sync_to_async(published_of)(job)
    assert [event.frame for event in watcher.events] == [event.frame for event in events[3:]]


@pytest.mark.usefixtures("layer", "silent")
async def test_a_feed_hears_through_the_layer_of_a_job_from_its_first_event(hub: Hub) -> None:
    watcher = Collector()
    await listening(hub, watcher)
    hub.watch_feed(watcher)
    job = await database_sync_to_async(new_job)(labels=["a", "ü"])
    await eventually(lambda: watcher.seqs(job), "the first event")
    assert watcher.events[-1].facts == Facts(None, "plain", ("a", "ü"), "pending")


@pytest.mark.usefixtures("layer", "silent", "published")
@pytest.mark.parametrize("seed", range(3))
async def test_messages_that_the_layer_loses_doubles_and_shuffles_do_no_harm(
    hub: Hub, seed: int
) -> None:
    watcher = Collector()
    await listening(hub, watcher)
    chance = random.Random(seed)
    job, events = await lived(30)
    hub.watch(watcher, str(job.id), 1, FACTS, job.shard)
    told = mangled(events[1:], chance) + events[-1:]
    while told:
        size = chance.randint(1, 5)
        await send(*told[:size])
        told = told[size:]
    await eventually(lambda: watcher.seqs(job)[-1:] == [30], "the last event")
    assert [event.frame for event in watcher.events] == [event.frame for event in events[1:]]


@pytest.mark.usefixtures("layer", "silent", "published")
async def test_a_message_that_makes_no_sense_does_not_deafen_the_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "REOPEN_SECONDS", 0.01)
    watcher = Collector()
    await listening(hub, watcher)
    job, events = await lived(3)
    hub.watch(watcher, str(job.id), 1, FACTS, job.shard)
    for nonsense in ({"events": [[1, 2]]}, {"events": None}, {}):
        await send_message({"type": MESSAGE_TYPE, **nonsense})
    for _ in range(200):
        await send(events[1])
        await asyncio.sleep(0.01)
        if watcher.seqs(job):
            break
    assert watcher.seqs(job)[:1] == [2]


async def test_a_hub_enters_its_groups_again_before_they_forget_it(
    hub: Hub, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 0.01)
    monkeypatch.setattr(hub_module, "RENEW_SECONDS", 0.0)
    found = get_channel_layer()
    assert found is not None
    entered: list[str] = []
    enter = found.group_add

    async def counted(group: str, channel: str) -> None:
        await enter(group, channel)
        entered.append(channel)

    monkeypatch.setattr(found, "group_add", counted)
    await listening(hub, Collector())
    await eventually(lambda: len(entered) >= 3, "the groups were entered again")
    assert len(set(entered)) == 1


async def test_when_redis_drops_the_connection_the_watchers_are_told_all_the_same(
    hub: Hub, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 0.2)
    watcher = Collector()
    await listening(hub, watcher)
    job, _ = await lived(3)
    hub.watch(watcher, str(job.id), 3, FACTS, job.shard)
    for _ in range(5):
        redis_client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await database_sync_to_async(grow)(job, 3)
    await eventually(lambda: watcher.seqs(job)[-1:] == [18], "the last event")
    assert watcher.seqs(job) == list(range(4, 19))
