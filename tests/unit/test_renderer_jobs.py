"""Taking in, ending, keeping and forgetting of jobs, over a real folder and a gated kind."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from examples.renderer import jobs as jobs_module
from examples.renderer.errors import JobFailed, KeyReused, NotCancellable, QueueFull, UnknownJob
from examples.renderer.job import Job, JsonObject, State
from examples.renderer.jobs import Jobs
from examples.renderer.kinds.base import Run
from examples.renderer.params import Whole
from examples.renderer.pool import Pool
from examples.renderer.store import LOG_LIMIT, Store


@dataclass(frozen=True, kw_only=True)
class GateParams:
    number: Annotated[int, Whole(0, 9)] = 0


class Gate:
    """A kind whose jobs wait for the gate, and then do as its `outcome` says."""

    name = "gate"
    params = GateParams
    steps = ("wait",)
    unit = "gates"
    running_limit = 2

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.outcome: Exception | None = None

    def check(self, params: GateParams) -> list[str]:
        return []

    async def run(self, params: GateParams, run: Run) -> tuple[JsonObject, str]:
        run.begin("wait", "waiting")
        await self.opened.wait()
        if self.outcome:
            raise self.outcome
        return {"number": params.number}, "through"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "data")
    store.open()
    return store


@pytest.fixture
def jobs(gate: Gate, store: Store) -> Jobs:
    return Jobs([gate], store, Pool(1))


async def reach(job: Job, state: State) -> None:
    async with asyncio.timeout(10):
        while job.status.state is not state:  # noqa: ASYNC110  a job has no event to wait for
            await asyncio.sleep(0)


def submit(jobs: Jobs, key: str | None = None, **params: object) -> Job:
    return jobs.submit("gate", params, key)[0]


async def test_a_job_runs_to_its_end(jobs: Jobs, gate: Gate) -> None:
    job = submit(jobs, number=4)
    assert job.status.state is State.QUEUED
    await reach(job, State.RUNNING)
    gate.opened.set()
    await reach(job, State.SUCCEEDED)
    assert job.status.result == {"number": 4}
    assert jobs.unfinished == 0


async def test_more_jobs_than_places_wait_in_the_order_they_came(jobs: Jobs, gate: Gate) -> None:
    first, second, third = (submit(jobs) for _ in range(3))
    await reach(second, State.RUNNING)
    assert (first.status.state, third.status.state) == (State.RUNNING, State.QUEUED)
    jobs.cancel(first)
    await reach(third, State.RUNNING)


async def test_a_cancel_is_cancelling_first_and_may_be_repeated(jobs: Jobs) -> None:
    job = submit(jobs)
    await reach(job, State.RUNNING)
    for _ in range(2):
        jobs.cancel(job)
        assert job.status.state is State.CANCELLING
    await reach(job, State.CANCELLED)
    with pytest.raises(NotCancellable):
        jobs.cancel(job)


async def test_a_job_that_has_not_begun_can_be_cancelled(jobs: Jobs) -> None:
    job = submit(jobs)
    jobs.cancel(job)
    await reach(job, State.CANCELLED)
    assert jobs.unfinished == 0


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (JobFailed("corrupt_row", "row 3"), "corrupt_row"),
        (OSError(28, "No space left on device"), "storage_failed"),
        (ZeroDivisionError("oops"), "internal_error"),
    ],
)
async def test_a_failure_becomes_the_error_of_the_job(
    jobs: Jobs, gate: Gate, outcome: Exception, code: str
) -> None:
    gate.outcome = outcome
    gate.opened.set()
    job = submit(jobs)
    await reach(job, State.FAILED)
    assert job.status.error is not None
    assert job.status.error.code == code


async def test_a_key_stands_for_one_job(jobs: Jobs) -> None:
    job = submit(jobs, key="k", number=1)
    assert jobs.submit("gate", {"number": 1.0}, "k") == (job, False)
    with pytest.raises(KeyReused):
        submit(jobs, key="k", number=2)
    assert jobs.unfinished == 1


async def test_too_many_unfinished_jobs_are_refused(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MOST_UNFINISHED", 3)
    known = [submit(jobs, key=str(number)) for number in range(3)]
    with pytest.raises(QueueFull) as caught:
        submit(jobs)
    assert caught.value.retry_after
    assert submit(jobs, key="0") is known[0]


async def test_a_stop_keeps_the_jobs_for_the_next_start(
    jobs: Jobs, gate: Gate, store: Store
) -> None:
    kept = [submit(jobs, key=str(number), number=number) for number in range(3)]
    await reach(kept[1], State.RUNNING)
    cancelled = submit(jobs)
    jobs.cancel(cancelled)
    await reach(cancelled, State.CANCELLED)
    await jobs.stop()

    later = Jobs([gate], store, Pool(1))
    later.resume()
    found = [later.find("gate", job.spec.id) for job in kept]
    assert [job.status.state for job in found] == [State.RUNNING, State.RUNNING, State.QUEUED]
    assert later.find("gate", cancelled.spec.id).status.state is State.CANCELLED
    assert submit(later, key="2", number=2) is found[2]
    gate.opened.set()
    for job in found:
        await reach(job, State.SUCCEEDED)


async def test_a_cancel_that_a_restart_cut_short_is_carried_out(
    jobs: Jobs, gate: Gate, store: Store
) -> None:
    job = submit(jobs)
    await reach(job, State.RUNNING)
    jobs.cancel(job)
    await jobs.stop()
    later = Jobs([gate], store, Pool(1))
    later.resume()
    assert later.find("gate", job.spec.id).status.state is State.CANCELLED
    assert later.unfinished == 0


async def test_ended_jobs_are_forgotten_when_they_are_too_many(
    jobs: Jobs, gate: Gate, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MOST_FINISHED", 2)
    gate.opened.set()
    ended = []
    for number in range(4):
        ended.append(submit(jobs, key=str(number)))
        await reach(ended[-1], State.SUCCEEDED)
    for job in ended[:2]:
        with pytest.raises(UnknownJob):
            jobs.find("gate", job.spec.id)
        assert not store.folder(job.spec.id).exists()
    assert jobs.find("gate", ended[2].spec.id) is ended[2]
    assert submit(jobs, key="0") is not ended[0]


async def test_ended_jobs_are_forgotten_when_they_are_too_old(jobs: Jobs, gate: Gate) -> None:
    gate.opened.set()
    job = submit(jobs)
    await reach(job, State.SUCCEEDED)
    job.finished = time.time() - jobs_module.KEEP_SECONDS - 1
    with pytest.raises(UnknownJob):
        jobs.find("gate", job.spec.id)


async def test_a_damaged_job_does_not_keep_the_others_from_starting(
    jobs: Jobs, gate: Gate, store: Store
) -> None:
    good, bad = submit(jobs), submit(jobs)
    await jobs.stop()
    (store.folder(bad.spec.id) / "status.json").write_text("{")
    (store.folder("half-made")).mkdir()
    later = Jobs([gate], store, Pool(1))
    later.resume()
    assert later.find("gate", good.spec.id)
    with pytest.raises(UnknownJob):
        later.find("gate", bad.spec.id)
    assert not store.folder("half-made").exists()


async def test_what_is_on_disk_is_whole_json_without_leftovers(jobs: Jobs, store: Store) -> None:
    job = submit(jobs)
    names = {path.name for path in store.folder(job.spec.id).iterdir()}
    assert names == {"spec.json", "status.json"}
    document = json.loads((store.folder(job.spec.id) / "status.json").read_text())
    assert document["state"] == "queued"


async def test_a_log_is_bounded_and_read_in_whole_lines(jobs: Jobs, store: Store) -> None:
    job_id = submit(jobs).spec.id
    assert store.read_log(job_id, 0) == b""
    store.append_log(job_id, "one\ntwo \udcff")
    first = store.read_log(job_id, 0)
    assert first.endswith(b"Z one two \\udcff\n")
    assert store.read_log(job_id, len(first)) == b""
    for _ in range(40):
        store.append_log(job_id, "x" * 30_000)
    offset = 0
    while part := store.read_log(job_id, offset):
        assert part.endswith(b"\n")
        offset += len(part)
    assert LOG_LIMIT < offset < LOG_LIMIT + 31_000
    assert store.read_log(job_id, offset - 20).endswith(b"are left out\n")
