"""Who watches, over several web processes and with real Redis (PROTOCOL 2.4 and 2.5).

Each `Process` here is what one web process has of it; they share nothing but Redis.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
import redis
import uuid_utils.compat as uuids
from pytest_django.fixtures import Settings

from progrock.identity import ANONYMOUS, Who
from progrock.live import presence as presence_module
from progrock.live import presence_board
from progrock.live.presence import NAMES, Presence
from progrock.live.publishing import Facts, Published
from tests.contracts.parts import DEADLINE_SECONDS

pytestmark = pytest.mark.usefixtures("real_parts")
FACTS = Facts(None, "plain", (), "running")
JOB = str(uuids.uuid7())
OTHER = str(uuids.uuid7())
Told = tuple[int, list[str]]


class Tab:
    """A watcher that keeps what it is told of who watches."""

    def __init__(self, name: str | None = None) -> None:
        self.who: Who | None = ANONYMOUS if name is None else Who(1, name)
        self.events: list[Published] = []
        self.is_ready = True

    def show_presence(self, event: Published) -> bool:
        """Keep it, unless the answer to the watch is still to come."""
        if self.is_ready:
            self.events.append(event)
        return self.is_ready

    @property
    def told(self) -> list[Told]:
        """What it was told: the count and the names."""
        watchers = [json.loads(event.frame)["watchers"] for event in self.events]
        return [(each["count"], each["names"]) for each in watchers]

    @property
    def last(self) -> Told | None:
        """What it was told last."""
        return self.told[-1] if self.events else None


class Process:
    """The watchers of one web process, and its presence."""

    def __init__(self) -> None:
        self.watchers: dict[str, set[object]] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.presence = Presence(self, self._run)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))

    def watchers_of(self, job: str) -> set[object]:
        return self.watchers.get(job, set())

    def facts_of(self, job: str) -> Facts | None:
        return FACTS if self.watchers.get(job) else None

    def open(self, name: str | None = None, job: str = JOB) -> Tab:
        """Open a tab that watches a job."""
        tab = Tab(name)
        self.watchers.setdefault(job, set()).add(tab)
        self.presence.come(job, tab)
        return tab

    def close(self, tab: Tab, job: str = JOB) -> None:
        """Close a tab."""
        self.watchers[job].discard(tab)
        self.presence.go(job, tab)

    async def die(self) -> None:
        """Do nothing any more, as after a SIGKILL."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            _, left = await asyncio.wait(self.tasks, timeout=DEADLINE_SECONDS)
            assert not left, "a task that was cancelled goes on"


Start = Callable[[], Process]


@asynccontextmanager
async def running() -> AsyncIterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        await process.die()


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Any]]:
    """Start processes whose rounds are short."""
    monkeypatch.setattr(presence_module, "GATHER_SECONDS", 0.001)
    monkeypatch.setattr(presence_module, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(presence_module, "RENEW_SECONDS", 0.1)
    async with AsyncExitStack() as stack:

        async def start_one() -> Process:
            return await stack.enter_async_context(running())

        yield start_one


async def eventually(look: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"never came: {what}"
        await asyncio.sleep(0.005)


async def rounds(process: Process, number: int = 3) -> None:
    """Wait until some rounds of a process have begun and ended."""
    for _ in range(number):
        before = process.presence._renew_at
        await eventually(lambda before=before: process.presence._renew_at != before, "a round")


# --- one process ---------------------------------------------------------------------------------


async def test_who_comes_is_told_who_watches(start: Any) -> None:
    process = await start()
    ada = process.open("ada")
    await eventually(lambda: ada.last == (1, ["ada"]), "the first tab")
    bob = process.open("bob")
    for tab in (ada, bob):
        await eventually(lambda tab=tab: tab.last == (2, ["ada", "bob"]), "both")
    process.close(bob)
    await eventually(lambda: ada.last == (1, ["ada"]), "one left")
    assert bob.last == (2, ["ada", "bob"])


async def test_it_is_an_event_without_a_seq_that_is_told_to_the_jobs_own_watchers(
    start: Any,
) -> None:
    process = await start()
    tab, other = process.open(), process.open(job=OTHER)
    await eventually(lambda: tab.events and other.events, "both")
    (event,) = tab.events
    frame = json.loads(event.frame)
    assert set(frame) == {"type", "job", "at", "watchers"}
    assert (event.type, event.seq, event.job) == ("presence", 0, JOB)
    assert (frame["type"], frame["job"]) == ("presence", JOB)
    assert [json.loads(each.frame)["job"] for each in other.events] == [OTHER]


async def test_anonymous_watchers_are_counted_without_a_name(start: Any) -> None:
    process = await start()
    tabs = [process.open(), process.open(), process.open("ada")]
    await eventually(lambda: tabs[0].last == (3, ["ada"]), "all")


async def test_somebody_with_two_tabs_is_two_watchers_of_one_name(start: Any) -> None:
    process = await start()
    tabs = [process.open("ada"), process.open("ada")]
    await eventually(lambda: tabs[0].last == (2, ["ada"]), "both")


async def test_at_most_so_many_names_are_told(start: Any) -> None:
    one, other = await start(), await start()
    tabs = [one.open(f"user {number:02}") for number in range(15)]
    tabs += [other.open(f"user {number:02}") for number in range(10, 25)]
    names = [f"user {number:02}" for number in range(NAMES)]
    for tab in tabs:
        await eventually(lambda tab=tab: tab.last == (30, names), "all")


async def test_many_who_come_at_once_are_told_once(start: Any) -> None:
    process = await start()
    tabs = [process.open() for _ in range(200)]
    await eventually(lambda: all(tab.events for tab in tabs), "all")
    await rounds(process)
    assert [tab.told for tab in tabs] == [[(200, [])]] * 200


async def test_nothing_is_told_while_nothing_changes(start: Any) -> None:
    process = await start()
    tab = process.open("ada")
    await eventually(lambda: tab.events, "the first")
    await rounds(process, 5)
    assert tab.told == [(1, ["ada"])]


async def test_who_comes_as_another_goes_is_told_and_nobody_else(start: Any) -> None:
    process = await start()
    stays, goes = process.open("ada"), process.open("bob")
    await eventually(lambda: stays.last == (2, ["ada", "bob"]), "both")
    process.close(goes)
    comes = process.open("bob")
    await eventually(lambda: comes.events, "the newcomer")
    await rounds(process)
    assert comes.told == [(2, ["ada", "bob"])]
    assert len(stays.told) == 1


async def test_who_is_not_ready_is_told_later(start: Any) -> None:
    process = await start()
    tab = process.open()
    tab.is_ready = False
    await rounds(process)
    assert tab.events == []
    tab.is_ready = True
    await eventually(lambda: tab.last == (1, []), "what was held back")


async def test_a_request_that_waits_once_is_not_counted(start: Any) -> None:
    process = await start()
    tab = process.open()
    process.watchers[JOB].add(object())
    process.presence.come(JOB, object())
    assert await process.presence.count(JOB) == 1
    await eventually(lambda: tab.last == (1, []), "the tab alone")


async def test_a_full_room_is_told_less_often(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "PER_SECOND", 10)
    process = await start()
    tabs = [process.open() for _ in range(5)]  # half a second's worth
    await eventually(lambda: tabs[0].events, "the first")
    first = time.monotonic()
    tabs.append(process.open())
    await eventually(lambda: tabs[0].last == (6, []), "the second")
    assert time.monotonic() - first > 0.4


async def test_without_watchers_nothing_is_kept_and_nothing_runs(
    start: Any, redis_client: redis.Redis
) -> None:
    process = await start()
    tab = process.open()
    await eventually(lambda: tab.events, "the first")
    process.close(tab)
    await eventually(lambda: all(task.done() for task in process.tasks), "the end")
    assert not process.presence._rooms
    assert redis_client.keys("progrock:presence:of:*") == []
    again = process.open()
    await eventually(lambda: again.last == (1, []), "once more")


# --- several processes ---------------------------------------------------------------------------


async def test_who_watches_elsewhere_is_counted_and_named(start: Any) -> None:
    one, other = await start(), await start()
    ada, bob = one.open("ada"), other.open("bob")
    for tab in (ada, bob):
        await eventually(lambda tab=tab: tab.last == (2, ["ada", "bob"]), "both")
    third = await start()
    nobody = third.open()
    for tab in (ada, bob, nobody):
        await eventually(lambda tab=tab: tab.last == (3, ["ada", "bob"]), "three")
    other.close(bob)
    for tab in (ada, nobody):
        await eventually(lambda tab=tab: tab.last == (2, ["ada"]), "two")


async def test_the_count_for_a_snapshot_knows_of_the_others_at_once(start: Any) -> None:
    one, other = await start(), await start()
    tabs = [one.open(), one.open(), one.open(job=OTHER)]
    await eventually(lambda: all(tab.events for tab in tabs), "the posts")
    other.open()
    assert await other.presence.count(JOB) == 3
    assert await other.presence.count(OTHER) == 1
    assert await other.presence.count(str(uuids.uuid7())) == 0


async def test_http_counts_over_all_processes(start: Any) -> None:
    one, other = await start(), await start()
    tabs = [one.open(), one.open(), other.open()]
    await eventually(lambda: all(tab.last == (3, []) for tab in tabs), "all")
    counted = await asyncio.to_thread(presence_board.watchers_of, [JOB, OTHER])
    assert counted == {JOB: 3, OTHER: 0}
    assert presence_board.watchers_of([]) == {}


async def test_the_watchers_of_a_process_that_died_are_gone_with_its_lease(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_board, "LEASE_SECONDS", 1)
    one, other = await start(), await start()
    ada = one.open("ada")
    bob = other.open("bob")
    await eventually(lambda: ada.last == bob.last == (2, ["ada", "bob"]), "both")
    await other.die()
    await eventually(lambda: ada.last == (1, ["ada"]), "the one that lives")


async def test_a_process_that_slept_longer_than_its_lease_comes_back(
    start: Any, redis_client: redis.Redis
) -> None:
    one, other = await start(), await start()
    ada, bob = one.open("ada"), other.open("bob")
    await eventually(lambda: ada.last == bob.last == (2, ["ada", "bob"]), "both")
    redis_client.delete(f"progrock:presence:of:{other.presence._board.process}")
    await eventually(lambda: len(ada.told) > 1, "a change")
    await eventually(lambda: ada.last == (2, ["ada", "bob"]), "both again")


async def test_an_emptied_redis_is_filled_again(start: Any, redis_client: redis.Redis) -> None:
    one, other = await start(), await start()
    ada, bob = one.open("ada"), other.open("bob")
    await eventually(lambda: ada.last == bob.last == (2, ["ada", "bob"]), "both")
    redis_client.flushall()
    key = f"progrock:presence:of:{one.presence._board.process}"
    await eventually(lambda: redis_client.hlen(key), "our post")
    cleo = other.open("cleo")
    for tab in (ada, bob, cleo):
        await eventually(lambda tab=tab: tab.last == (3, ["ada", "bob", "cleo"]), "all")


async def test_while_redis_is_away_each_process_counts_its_own(
    start: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_module, "PAUSE_SECONDS", 0.05)
    one, other = await start(), await start()
    ada, bob = one.open("ada"), other.open("bob")
    await eventually(lambda: ada.last == bob.last == (2, ["ada", "bob"]), "both")
    exchange = presence_board.Board.exchange

    async def fail(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Redis is away")

    monkeypatch.setattr(presence_board.Board, "exchange", fail)
    await eventually(lambda: ada.last == (1, ["ada"]), "ada alone")
    cleo = one.open("cleo")
    for tab in (ada, cleo):
        await eventually(lambda tab=tab: tab.last == (2, ["ada", "cleo"]), "our own")
    monkeypatch.setattr(presence_board.Board, "exchange", exchange)
    for tab in (ada, bob, cleo):
        await eventually(lambda tab=tab: tab.last == (3, ["ada", "bob", "cleo"]), "all")


@pytest.mark.parametrize("call", ["exchange", "read", "gone", "close"])
async def test_a_cancelled_task_ends_though_a_call_to_redis_swallows_it(
    start: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    entered = asyncio.Event()
    real = getattr(presence_board.Board, call)

    async def swallow(*given: Any, **named: Any) -> Any:
        entered.set()
        with suppress(asyncio.CancelledError):  # as wait_for does where the call within is done
            await asyncio.sleep(0.1)
        return await real(*given, **named)

    monkeypatch.setattr(presence_board.Board, call, swallow)
    process, other = await start(), await start()
    tab = process.open()
    other.open()
    if call == "close":
        await eventually(lambda: tab.events, "the first round")
        process.close(tab)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await entered.wait()
    await process.die()


async def test_without_redis_answers_come_with_what_is_known_here(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr(presence_board, "_pause_until", 0.0)
    async with running() as process:
        process.open()
        assert await process.presence.count(JOB) == 1
        assert await process.presence.count(JOB) == 1
    assert await asyncio.to_thread(presence_board.watchers_of, [JOB]) == {JOB: None}
    assert presence_board._pause_until > time.monotonic()
    assert presence_board.watchers_of([JOB]) == {JOB: None}


async def test_watchers_that_stay_cost_the_same_however_many_they_are(
    start: Any, redis_client: redis.Redis
) -> None:
    def commands() -> int:
        return int(redis_client.info("stats")["total_commands_processed"])

    process = await start()
    tabs = [process.open(job=str(uuids.uuid7())) for _ in range(3_000)]
    await eventually(lambda: all(tab.events for tab in tabs), "all")
    await rounds(process)
    before, began = commands(), time.monotonic()
    await rounds(process, 10)
    lasted = time.monotonic() - began
    each_round = (commands() - before) / (lasted / presence_module.ROUND_SECONDS)
    assert each_round < 10  # 3,000 jobs, and a few commands


async def test_changes_from_many_processes_in_any_order_end_in_what_is_so(start: Any) -> None:
    processes = [await start() for _ in range(4)]
    open_tabs: list[tuple[Process, Tab, str]] = []
    for number in range(120):
        process, job = processes[number % 4], (JOB, OTHER)[number % 3 == 0]
        open_tabs.append((process, process.open(f"user {number % 7}", job), job))
        if number % 2:
            gone = open_tabs.pop((number * 7) % len(open_tabs))
            gone[0].close(gone[1], gone[2])
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    for job in (JOB, OTHER):
        here = [tab for _, tab, watched in open_tabs if watched == job]
        names = sorted({tab.who.name for tab in here if tab.who and tab.who.name})
        expected = (len(here), names)
        for tab in here:
            await eventually(
                lambda tab=tab, expected=expected: tab.last == expected, f"all of {job}"
            )
