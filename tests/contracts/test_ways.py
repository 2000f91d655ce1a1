"""One log, many ways to read it (PROTOCOL 4), and a layer that loses messages (PROTOCOL 2.6).

The web server is a real one, the clients speak to it over sockets, and each frame is held against
what is published.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, permutations

import pytest
from channels.db import database_sync_to_async
from channels.layers import channel_layers

from progrock.backends import registry
from progrock.identity import ANONYMOUS
from progrock.jobs import commenting, editing, log
from progrock.jobs.changes import Observation
from progrock.jobs.log import Entry
from progrock.jobs.states import State
from progrock.live import hub as hub_module
from progrock.models import Job
from progrock.protocol.messages import JobEdit
from tests.conformance.connection import Frame, holes_in
from tests.contracts.lossy_layer import LossyLayer
from tests.contracts.parts import DEADLINE_SECONDS, frames_of, running_job
from tests.contracts.ways import WAYS, Way
from tests.contracts.web_server import serving

pytestmark = pytest.mark.usefixtures("real_parts")
EACH = 3  # events that are read by one way before another is taken
ALL = 1_000  # more than there are
Step = Callable[[Job], object]


def moved(job: Job, **values: object) -> None:
    """Have the job's backend say something."""
    seen = Observation(look=Job.objects.values_list("look", flat=True).get(id=job.id), **values)
    log.record([Entry(job=job.id, change=seen)], registry.policy_of)


LIFE: list[Step] = [
    partial(moved, progress=10.0),
    partial(moved, progress=20.0, log=("one", "two")),
    lambda job: commenting.comment_on(ANONYMOUS, str(job.id), "so far so good"),
    partial(moved, progress=40.0, message="half way, nearly"),
    lambda job: editing.edit_job(ANONYMOUS, str(job.id), JobEdit(title="Ünder way", pinned=True)),
    partial(moved, steps=[{"name": "a", "state": "running", "progress": 50.0}]),
    partial(moved, progress=70.0),
    partial(moved, progress=90.0, log=("three",)),
    partial(moved, state=State.SUCCEEDED, result={"rows": 7}),
    lambda job: commenting.comment_on(ANONYMOUS, str(job.id), "after the end"),
]
"""What happens to a job: events of every kind, one or two at a time."""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a server."""
    async with serving() as (_, port):
        yield f"http://127.0.0.1:{port}"


def read(way: Way, url: str, job: Job, after: int, count: int) -> list[Frame]:
    """Read so many events by one way, and leave."""
    events = way(url, str(job.id), after)
    try:
        return list(islice(events, count))
    finally:
        events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("first", "later"), list(permutations(WAYS, 2)))
async def test_a_reader_stops_at_any_seq_and_goes_on_by_another_way(
    url: str, first: str, later: str
) -> None:
    def made() -> Job:
        job = running_job()
        for step in LIFE:
            step(job)
        return job

    def stop_everywhere(job: Job, kept: list[Frame]) -> None:
        for stop in range(len(kept)):
            begun = read(WAYS[first], url, job, 0, stop) if stop else []
            rest = read(WAYS[later], url, job, stop, len(kept) - stop)
            assert begun + rest == kept, f"{first} to {later} at {stop}"

    job = await database_sync_to_async(made)()
    kept = await database_sync_to_async(frames_of)(job)
    assert [frame["seq"] for frame in kept] == list(range(1, len(kept) + 1))
    await asyncio.to_thread(stop_everywhere, job, kept)


def told(frames: list[Frame]) -> list[Frame]:
    """Return events as the log has them, whatever was merged into them."""
    return [{name: frame[name] for name in frame if name != "skipped"} for frame in frames]


def follow_by_turns(ways: list[Way], url: str, job: Job, each: int = EACH) -> list[Frame]:
    """Read a job to its end, a few events by one way, and then by the next one."""
    frames: list[Frame] = []
    turn = 0
    while not any(frame["type"] == "complete" for frame in frames):
        after = frames[-1]["seq"] if frames else 0
        events = ways[turn % len(ways)](url, str(job.id), after)
        turn += 1
        for frame in islice(events, each):
            frames.append(frame)
            if frame["type"] == "complete":
                break
        events.close()  # type: ignore[attr-defined]
    return frames


def check_against_the_log(frames: list[Frame], kept: list[Frame]) -> None:
    """Nothing may be lost or twice; only `progress` may be merged, and says so."""
    assert holes_in(frames) == []
    by_seq = {frame["seq"]: frame for frame in kept}
    assert told(frames) == [by_seq[frame["seq"]] for frame in frames]


@pytest.mark.parametrize("seed", range(2))
async def test_ways_are_changed_while_the_job_goes_on(layer: str, url: str, seed: int) -> None:
    job = await database_sync_to_async(running_job)()
    ways = random.Random(seed).sample(list(WAYS.values()), len(WAYS))
    reading = asyncio.create_task(asyncio.to_thread(follow_by_turns, ways, url, job))
    for step in LIFE:
        await database_sync_to_async(step)(job)
        await asyncio.sleep(0.005)
    async with asyncio.timeout(3 * DEADLINE_SECONDS):
        frames = await reading

    kept = await database_sync_to_async(frames_of)(job)
    check_against_the_log(frames, kept)
    assert frames[-1]["type"] == "complete"


@pytest.fixture(params=range(3))
def lossy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyLayer]:
    """A layer at its worst; the hub looks at the log often, so that no test waits long."""
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 0.2)
    layer = LossyLayer(request.param)
    before = channel_layers.set("default", layer)
    yield layer
    channel_layers.set("default", before)


async def test_over_a_lossy_layer_every_watcher_ends_with_the_right_log(
    url: str, lossy: LossyLayer
) -> None:
    jobs = [await database_sync_to_async(running_job)() for _ in range(2)]
    watchers = [(way, job) for way in WAYS.values() for job in jobs]
    with ThreadPoolExecutor(len(watchers)) as threads:
        loop = asyncio.get_running_loop()
        reading = [
            loop.run_in_executor(threads, follow_by_turns, [way], url, job, ALL)
            for way, job in watchers
        ]
        for step in LIFE:
            for job in jobs:
                await database_sync_to_async(step)(job)
        async with asyncio.timeout(3 * DEADLINE_SECONDS):
            logs = await asyncio.gather(*reading)

    assert lossy.fates["lost"]
    assert lossy.fates["doubled"] + lossy.fates["held"]
    for (_, job), frames in zip(watchers, logs, strict=True):
        check_against_the_log(frames, await database_sync_to_async(frames_of)(job))
