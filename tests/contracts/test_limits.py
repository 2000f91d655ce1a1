"""A backend's limits hold across all workers, with Redis, without it, and on the way between.

Two limiters of one backend are two workers: each has a lease of its own in the real Redis.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from progrock.backends.backend import Backend
from progrock.backends.loading import load
from progrock.polling import limiter as limiters
from progrock.polling import quota, shared
from progrock.polling.limiter import Limiter
from progrock.polling.limits import limiter_of
from progrock.polling.shared import Shared

DEADLINE_SECONDS = 20.0
DESCRIBED = """
[backends.{name}]
base_url = "http://127.0.0.1:9"
start.path = "/jobs"
status.path = "/jobs/{{operation}}"
map.operation = ".body.id"
poll = {{ per_second = {per_second}, in_flight = {in_flight} }}
"""
Worker = Callable[..., Limiter]
_numbers = itertools.count()


@pytest.fixture
def described(tmp_path: Path, redis_client: redis.Redis) -> Callable[..., Backend]:
    """Describe a backend with limits."""

    def describe(per_second: float = 1_000.0, in_flight: int = 16, name: str = "") -> Backend:
        name = name or f"limited{next(_numbers)}"
        file = tmp_path / "limited.toml"
        file.write_text(
            DESCRIBED.format(name=name, per_second=per_second, in_flight=in_flight), "utf-8"
        )
        return load(file, {}).by_name[name]

    return describe


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """Make a worker's limiter of a backend; what one asks of Redis is counted."""
    made: list[Limiter] = []

    def make(backend: Backend) -> Limiter:
        made.append(Limiter(backend))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Shared]:
    """Who asked Redis, each time."""
    asking: list[Shared] = []
    ask = Shared.ask

    async def counted(self: Shared, *args: Any) -> shared.Share:
        asking.append(self)
        return await ask(self, *args)

    monkeypatch.setattr(Shared, "ask", counted)
    return asking


class Visits:
    """Requests that are made as fast as the limiters let them."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.of: dict[Limiter, int] = {}
        self.present = 0
        self.most = 0
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, limiter: Limiter, seconds: float = 0.0, many: int = 64) -> None:
        """Have many visitors come again and again, each for some seconds."""
        self.of[limiter] = 0
        self._tasks += [asyncio.create_task(self._visit(limiter, seconds)) for _ in range(many)]

    async def _visit(self, limiter: Limiter, seconds: float) -> None:
        while True:
            async with limiter:
                self.at.append(asyncio.get_running_loop().time())
                self.of[limiter] += 1
                self.present += 1
                self.most = max(self.most, self.present)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    self.present -= 1

    async def end(self) -> None:
        """Send all of them away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def most_within(self, seconds: float) -> int:
        """Return the most that came within any window of some seconds."""
        first, most = 0, 0
        for last, at in enumerate(self.at):
            while self.at[first] < at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


@pytest.fixture
async def visits() -> AsyncIterator[Visits]:
    """Visitors that go at the end."""
    coming = Visits()
    yield coming
    await coming.end()


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not is_so():  # noqa: ASYNC110 - what it looks at tells nobody
                await asyncio.sleep(0.005)
    assert is_so(), f"not within {DEADLINE_SECONDS:g} s: {what}"


# --- so many a second ----------------------------------------------------------------------------


async def test_one_worker_has_the_whole_rate_in_few_round_trips(
    described: Callable[..., Backend], worker: Worker, visits: Visits, asked: list[Shared]
) -> None:
    backend = described(per_second=500)
    visits.begin(worker(backend))
    await until(lambda: len(visits.at) >= 1_500, "the bucket, and two seconds' worth")
    took = visits.at[1_499] - visits.at[0]
    assert took >= 0.9 * 1_000 / 500  # beyond the bucket no more than the rate
    assert len(asked) < len(visits.at) / 10


async def test_the_bucket_holds_one_seconds_worth_and_no_more_comes_in_any_second(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=100)
    for _ in range(3):
        visits.begin(worker(backend), many=8)
    await until(lambda: len(visits.at) >= 350, "the bucket, and more than two seconds' worth")
    late = 10  # a visitor that is let in may come to run a tenth of a second later
    assert visits.most_within(1.0) <= 2 * 100 + late
    began = visits.at[0]
    for number, at in enumerate(visits.at):
        assert number <= 100 * (1 + at - began) + late


async def test_workers_share_the_rate(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=200)
    one, other = worker(backend), worker(backend)
    visits.begin(one)
    visits.begin(other)
    await until(lambda: len(visits.at) >= 1_000, "the bucket, and four seconds' worth")
    seconds = visits.at[999] - visits.at[0]
    assert seconds > 800 / 200 * 0.9
    assert min(visits.of.values()) > 1_000 / 2 / 3


async def test_turns_that_one_worker_leaves_another_takes(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=100)
    one, other = worker(backend), worker(backend)
    async with one:  # it reserves several, and takes one
        pass
    visits.begin(other)
    await until(lambda: len(visits.at) >= 300, "the bucket, and two seconds' worth")
    assert visits.at[299] - visits.at[0] < 2 + 1


async def test_a_low_rate_is_kept_to(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=4, in_flight=2)
    visits.begin(worker(backend), many=3)
    visits.begin(worker(backend), many=3)
    await until(lambda: len(visits.at) >= 10, "the bucket, and one and a half seconds' worth")
    assert visits.at[9] - visits.at[0] > 0.9 * 6 / 4
    assert min(visits.of.values()) >= 1


# --- so many at once -----------------------------------------------------------------------------


async def test_so_many_at_once_hold_across_workers_and_each_gets_its_part(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=100_000, in_flight=9)
    one, two, three = (worker(backend) for _ in range(3))
    visits.begin(one, seconds=0.02)
    await until(lambda: visits.most == 9, "one alone has all of them")
    visits.begin(two, seconds=0.02)
    visits.begin(three, seconds=0.02)
    await until(lambda: min(visits.of[two], visits.of[three]) >= 60, "the others get their part")
    assert visits.most == 9


async def test_workers_that_share_one_slot_take_turns(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=100_000, in_flight=1)
    one, other = worker(backend), worker(backend)
    visits.begin(one, seconds=0.01)
    visits.begin(other, seconds=0.01)
    await until(lambda: min(visits.of.values()) >= 20, "both come")
    assert visits.most == 1


async def test_a_worker_that_wants_little_leaves_the_rest(
    described: Callable[..., Backend], worker: Worker, visits: Visits
) -> None:
    backend = described(per_second=100_000, in_flight=10)
    small, large = worker(backend), worker(backend)
    visits.begin(small, seconds=0.01, many=1)
    await until(lambda: visits.of[small] > 5, "it comes")
    visits.begin(large, seconds=0.01)
    await until(lambda: visits.most == 10, "what is left is taken")
    before = visits.of[small]
    await until(lambda: visits.of[small] > before + 5, "it goes on")
    assert visits.most == 10


async def test_slots_of_a_worker_that_died_come_back(
    described: Callable[..., Backend],
    worker: Worker,
    visits: Visits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "LEASE_SECONDS", 1.0)
    backend = described(in_flight=2)
    dead, alive = Limiter(backend), worker(backend)
    await dead.enter()
    await dead.enter()
    assert dead._attendant is not None
    dead._attendant.cancel()  # nothing is given back, nothing is renewed
    visits.begin(alive)
    await until(lambda: visits.of[alive] > 10, "the slots are taken up")


async def test_an_idle_worker_gives_its_slots_back(
    described: Callable[..., Backend], worker: Worker, redis_client: redis.Redis
) -> None:
    backend = described(name="idle")
    async with worker(backend):
        assert redis_client.hlen("progrock:{idle}:slots") == 1
    await until(lambda: redis_client.hlen("progrock:{idle}:slots") == 0, "they are given back")


async def test_who_stops_waiting_takes_nothing(
    described: Callable[..., Backend], worker: Worker
) -> None:
    backend = described(in_flight=1)
    limiter = worker(backend)
    await limiter.enter()
    gone = [asyncio.create_task(limiter.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    gone[0].cancel()
    limiter.leave()
    gone[1].cancel()  # as it is let in
    async with asyncio.timeout(DEADLINE_SECONDS):
        await gone[2]
    limiter.leave()
    async with asyncio.timeout(DEADLINE_SECONDS), limiter:
        pass


async def test_a_changed_description_counts_for_what_is_under_way(
    described: Callable[..., Backend], redis_client: redis.Redis
) -> None:
    limiter = limiter_of(described(name="changing", in_flight=2))
    await limiter.enter()
    await limiter.enter()
    changed = limiter_of(described(name="changing", in_flight=3))
    assert changed is limiter
    async with asyncio.timeout(DEADLINE_SECONDS):
        await changed.enter()  # the third
        fourth = asyncio.create_task(changed.enter())
        await asyncio.sleep(2 * limiters.PRESS_SECONDS)
        assert not fourth.done()
        changed.leave()
        await fourth
    await limiter.close()


# --- without Redis -------------------------------------------------------------------------------


async def test_an_emptied_redis_stops_nobody(
    described: Callable[..., Backend], worker: Worker, visits: Visits, redis_client: redis.Redis
) -> None:
    backend = described(per_second=100_000, in_flight=4)
    visits.begin(worker(backend), seconds=0.005)
    visits.begin(worker(backend), seconds=0.005)
    await until(lambda: min(visits.of.values()) > 20, "both come")
    redis_client.flushall()
    redis_client.script_flush()
    slots = f"progrock:{{{backend.name}}}:slots"
    await until(lambda: redis_client.hlen(slots) == 2, "both are known again")
    visits.of = dict.fromkeys(visits.of, 0)
    await until(lambda: min(visits.of.values()) > 20, "both go on")
    visits.most = 0
    visits.of = dict.fromkeys(visits.of, 0)
    await until(lambda: min(visits.of.values()) > 20, "and again")
    assert visits.most <= 4


async def test_without_redis_a_worker_keeps_to_the_limits_alone_and_comes_back(
    described: Callable[..., Backend],
    worker: Worker,
    visits: Visits,
    settings: Settings,
    redis_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quota, "ALONE_SECONDS", 0.3)
    socket = tmp_path / "redis.sock"
    settings.REDIS_URL = f"unix://{socket}?db=0"  # nobody is there
    backend = described(per_second=200, in_flight=3)
    limiter = worker(backend)
    visits.begin(limiter, seconds=0.001)
    await until(lambda: len(visits.at) >= 500, "requests go on")
    assert visits.most == 3
    assert visits.at[499] - visits.at[0] > 0.9 * 300 / 200
    socket.symlink_to(settings.TEST_REDIS_SOCKET)  # it is back
    other = worker(backend)
    visits.begin(other, seconds=0.001)
    await until(lambda: not limiter._quota.is_alone, "it is found again")
    visits.of = dict.fromkeys(visits.of, 0)
    await until(lambda: min(visits.of.values()) >= 30, "each gets its part")
    visits.most = 0
    before = len(visits.at)
    await until(lambda: len(visits.at) >= before + 100, "both go on")
    assert visits.most <= 3


async def test_a_redis_that_hangs_holds_a_request_up_for_a_moment_only(
    described: Callable[..., Backend],
    worker: Worker,
    visits: Visits,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "ASK_SECONDS", 0.2)
    server = await asyncio.start_unix_server(lambda *_: None, tmp_path / "mute.sock")
    settings.REDIS_URL = f"unix://{tmp_path / 'mute.sock'}"
    visits.begin(worker(described(per_second=1_000)))
    await until(lambda: len(visits.at) >= 100, "requests go on")
    server.close()
