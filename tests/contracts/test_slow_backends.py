"""A backend that is slow takes no time from another, and none of it is claimed for long."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import redis
from pytest_django.fixtures import Settings

from progrock import background_loop
from progrock.backends import registry
from progrock.models import Job
from progrock.polling import answers, lanes, looks
from progrock.polling.claim import MARGIN
from tests.contracts.engine import Engine
from tests.contracts.parts import new_job, now
from tests.contracts.test_outages import until
from tests.scripted_backend import ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published")
TIMEOUT = 30
IN_FLIGHT = 32
DESCRIBED = """
[backends.slow]
base_url = "{slow}"
start.path = "/jobs"
status.path = "/state"
map.state = ".body.state"
map.operation = ".body.id"
poll = {{ min = 0.2, max = 0.2, per_second = 1000, in_flight = {in_flight}, timeout = {timeout} }}

[backends.fast]
base_url = "{fast}"
start.path = "/jobs"
status.path = "/state"
map.state = ".body.state"
map.operation = ".body.id"
poll = {{ min = 0.2, max = 0.2, per_second = 1000, in_flight = 64, timeout = 5 }}
"""
FAST_JOBS = 100
SLOW_JOBS = 1_000
POLLS = 15 * FAST_JOBS


class MuteService:
    """Takes connections and says nothing; each is one request, since none is ever answered."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.connections.append(self._listener.accept()[0])

    def end(self) -> None:
        """Reset all connections, and take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for each in self.connections:
            each.close()


@pytest.fixture
def mute() -> Iterator[MuteService]:
    """A service that never answers."""
    running = MuteService()
    yield running
    running.end()


@pytest.fixture
def service(real_parts: None, settings: Settings, mute: MuteService) -> Iterator[ScriptedBackend]:
    """One that answers at once."""
    with ScriptedBackend() as running:
        file = Path(settings.PROGROCK_BACKENDS)
        file.write_text(
            DESCRIBED.format(slow=mute.url, fast=running.url, in_flight=IN_FLIGHT, timeout=TIMEOUT)
        )
        registry.replace_all(None)
        running.at("GET", "/state", {"state": "running"})
        yield running


@pytest.fixture
def lags(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """How long after they were due the polls of each backend were written, in seconds."""
    lags: dict[str, list[float]] = {"slow": [], "fast": []}
    record = answers.record

    def timed(batch: list[answers.Answered], *more: datetime) -> object:
        recorded = record(batch, *more)
        for claim, _ in batch:
            lags[claim.job.backend].append((now() - claim.due).total_seconds())
        return recorded

    monkeypatch.setattr(answers, "record", timed)
    return lags


def add_jobs(backend: str, count: int) -> None:
    """Have jobs run on a backend, all due now."""
    first = new_job(backend=backend, state="running", started=now(), due_at=now())
    fields = Job.objects.filter(id=first.id).values().get()
    Job.objects.bulk_create(
        Job(**fields | {"id": UUID(int=first.id.int + number)}) for number in range(1, count)
    )
    lanes.arm_now(backend, 0, now())


def p99(lags: list[float]) -> float:
    return sorted(lags)[int(len(lags) * 0.99)]


def test_a_backend_that_hangs_delays_no_other(
    service: ScriptedBackend,
    mute: MuteService,
    redis_client: redis.Redis,
    lags: dict[str, list[float]],
) -> None:
    add_jobs("fast", FAST_JOBS)
    with Engine(redis_client):
        until(lambda: len(lags["fast"]) >= POLLS, "polls of the fast one alone")
        alone = p99(lags["fast"][FAST_JOBS:])

        add_jobs("slow", SLOW_JOBS)
        until(lambda: len(mute.connections) == IN_FLIGHT, "the slow one is asked")
        lags["fast"].clear()
        until(lambda: len(lags["fast"]) >= POLLS, "polls of the fast one beside it")
        beside = p99(lags["fast"])

        claimed = Job.objects.filter(backend="slow", due_at__gt=now())
        assert claimed.count() == IN_FLIGHT  # no more than can be asked for
        longest = MARGIN + timedelta(seconds=IN_FLIGHT / 1_000 + TIMEOUT)
        assert max(claimed.values_list("due_at", flat=True)) < now() + longest
        assert lags["slow"] == []
        assert len(mute.connections) == IN_FLIGHT
        Job.objects.filter(backend="slow").delete()
        for each in mute.connections:  # what hangs is over
            each.close()
    background_loop.run(looks.poller.close(), 10)
    # By orders: with the slow one's threads, slots or connections it would take its TIMEOUT.
    told = f"{beside:.3f} s beside the slow one, {alone:.3f} s alone"
    assert beside < max(10 * alone, TIMEOUT / 10), told


def test_a_lane_that_finds_no_room_gets_its_share(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = registry.find("fast")
    assert fast is not None
    monkeypatch.setattr(looks, "_in_hand", Counter())
    monkeypatch.setattr(looks, "_short", {})
    assert looks.room(fast, shard=0) == 64
    looks.note_answered(fast, -64)  # lane 0 asks for all that may be
    assert looks.room(fast, shard=1) == 0
    looks.note_answered(fast, 10)
    assert looks.room(fast, shard=0, asked=54) == 0, "what comes free is for the other lane"
    assert looks.room(fast, shard=1) == 10
    looks.note_answered(fast, 30)
    assert looks.room(fast, shard=0, asked=24) == 8, "half of all"
    monkeypatch.setattr(looks, "SHARE_SECONDS", -1.0)  # they were short some time ago
    assert looks.room(fast, shard=0, asked=24) == 40
