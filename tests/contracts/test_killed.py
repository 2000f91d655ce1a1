"""A process that is killed at any point of what it does: another one goes on (DESIGN 4.1, 4.2).

Each of these repeats one call and kills it at its first point, its second, and so on, until it
comes to its end (see `dying`). After each, the work is taken up by this process, as a second
worker does: what was left is found in the database alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from pytest_django.fixtures import Settings

from progrock import background_loop
from progrock.backends import push, registry
from progrock.identity import ANONYMOUS
from progrock.jobs import services
from progrock.models import Job, Lane
from progrock.polling import looks, starting, stopping, sweeping, tick
from progrock.protocol.messages import StartRequest
from tests.contracts.parts import Tasks, check_numbering, frames_of, later, row_of
from tests.launcher_process import ROOT
from tests.scripted_backend import Reply, Script, ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published", "described")
ROUNDS = 12  # of a second worker's sweeps, until all is done
MOST_POINTS = 200
A_WHILE = timedelta(minutes=2)  # longer than any lease of these backends
DESCRIBED = """
[backends.once]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel" }}
poll = {{ min = 1, deadline = 3600, timeout = 5 }}
map.operation = ".body.id"
map.state = ".body.state"
map.progress = ".body.progress"

[backends.safe]
preset = "progrock"
base_url = "{url}"
poll = {{ min = 1, deadline = 3600, timeout = 5 }}
"""
RUNNING = {"state": "running", "progress": 40}
DONE = {"state": "succeeded", "progress": 100}


class Worker:
    """Does what it is told, and is killed at a point of it."""

    def __init__(self, backends: Path) -> None:
        self._backends = backends
        self._process: subprocess.Popen[str] | None = None

    def is_killed(self, point: int, call: str, *args: Any) -> bool:
        """Have something done; True when it was killed at that point, False when it was done."""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"call": call, "args": args, "point": point}), file=self._process.stdin)
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        assert said in {"killed", "ended"}, f"{call} at point {point}: {said or 'it is gone'}"
        return said == "killed"

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.dying"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "SECRET_KEY": "only-for-tests",
                "PROGROCK_EMBEDDED": "on",
                "PROGROCK_DATA": str(self._backends.parent),
                "PROGROCK_BACKENDS": str(self._backends),
                "DATABASE_URL": _database_url(),
                "REDIS_URL": _redis_url(),
                "LOG_LEVEL": "ERROR",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate(timeout=10)


def _database_url() -> str:
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    return f"postgres://{given['USER']}@{quote(str(given['HOST']), safe='')}/{given['NAME']}"


def _redis_url() -> str:
    from django.conf import settings  # noqa: PLC0415

    return str(settings.REDIS_URL)


@pytest.fixture
def service() -> Iterator[ScriptedBackend]:
    with ScriptedBackend() as running:
        yield running
        background_loop.run(looks.poller.close(), 10)


@pytest.fixture
def described(service: ScriptedBackend, real_parts: None, settings: Settings) -> None:
    Path(settings.PROGROCK_BACKENDS).write_text(DESCRIBED.format(url=service.url))
    registry.replace_all(None)


@pytest.fixture
def worker(described: None, settings: Settings) -> Iterator[Worker]:
    worker = Worker(Path(settings.PROGROCK_BACKENDS))
    yield worker
    worker.close()


def at_each_point(
    worker: Worker, tasks: Tasks, prepare: Callable[[], tuple[Any, ...]], check: Callable[..., None]
) -> None:
    """Kill a call at each of its points. `prepare` gives its name, its arguments and, last, what
    `check` gets when a second worker has done what was left."""
    for point in range(1, MOST_POINTS):
        tasks.clear()
        Job.objects.all().delete()
        Lane.objects.all().delete()
        call, *args, prepared = prepare()
        tasks.clear()  # what it sent is lost as well
        was_killed = worker.is_killed(point, call, *args)
        try:
            check(prepared)
        except BaseException:
            print(f"killed in {call!r} at point {point}")  # noqa: T201 - shown when it fails
            raise
        if not was_killed:
            assert point > 3, "the call has hardly any points: nothing was shown"
            return
    pytest.fail(f"not done after {MOST_POINTS} points")


def go_on(tasks: Tasks, is_done: Callable[[], bool]) -> None:
    """Do what a second worker does, until it is done; between its rounds a while passes."""
    for _ in range(ROUNDS):
        a_while_passes()
        sweeping.sweep()
        waiting = tasks.all()
        tasks.clear()
        for task in waiting:
            _run(task.name, task.args)
        if is_done():
            return
    assert is_done(), f"not done: {[(row['state'], row['error']) for row in Job.objects.values()]}"


def _run(name: str, args: list[Any]) -> None:
    match name.rpartition(".")[2]:
        case "tick":
            tick.run_tick(*args)
        case "start_job":
            starting.start(UUID(args[0]))
        case "cancel_job":
            stopping.cancel(UUID(args[0]))


def a_while_passes() -> None:
    """Let all leases and countdowns run out: what is due in a while is due now."""
    Job.objects.update(due_at=F("due_at") - A_WHILE, cancel_due_at=F("cancel_due_at") - A_WHILE)
    Lane.objects.update(armed_for=F("armed_for") - A_WHILE)


def has_ended(job: Job) -> bool:
    return Job.objects.filter(id=job.id, finished__isnull=False, cancel_due_at=None).exists()


def asked_for(script: Script, backend: str) -> Job:
    return services.start_job(ANONYMOUS, StartRequest(backend=backend, params=script.params))


def started(script: Script, backend: str = "once") -> Job:
    job = asked_for(script, backend)
    starting.start(job.id)
    assert row_of(job)["started"] is not None
    return job


def end_of(job: Job, tasks: Tasks) -> tuple[str, str | None]:
    """Have a job brought to its end, and return its state and the code of its error."""
    go_on(tasks, lambda: has_ended(job))
    check_numbering(job)
    row = row_of(job)
    return row["state"], row["error"] and row["error"]["code"]


def tick_of(job: Job) -> tuple[Any, ...]:
    """Return the call of a tick at which the job is due."""
    Job.objects.filter(id=job.id).update(due_at=later(-1))
    Lane.objects.update_or_create(
        backend=job.backend, shard=job.shard, defaults={"tick": 7, "armed_for": later(-1)}
    )
    return "tick", job.backend, job.shard, 7


# --- the way of a job ----------------------------------------------------------------------------


def test_a_request_for_a_job(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    def prepare() -> tuple[Any, ...]:
        script = service.script(DONE)
        told = {"backend": "once", "params": script.params}
        return "ask for a job", told, script.name, (script, told)

    def check(prepared: tuple[Script, dict[str, Any]]) -> None:
        script, told = prepared
        job = services.start_job(ANONYMOUS, StartRequest(**told), script.name)  # asked again
        assert Job.objects.count() == 1
        assert end_of(job, tasks) == ("succeeded", None)
        assert len(script.starts) == 1

    at_each_point(worker, tasks, prepare, check)


@pytest.mark.parametrize("backend", ["once", "safe"])
def test_a_start(worker: Worker, tasks: Tasks, service: ScriptedBackend, backend: str) -> None:
    """It is repeated where that is safe; elsewhere never, and an unknown one is told as such."""

    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING, DONE)
        job = asked_for(script, backend)
        return "start", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        end = end_of(job, tasks)
        if backend == "safe":
            assert end == ("succeeded", None)
            assert len(script.operations) == 1
        else:
            assert end in {("succeeded", None), ("failed", "start_unknown")}
            assert len(script.starts) <= 1

    at_each_point(worker, tasks, prepare, check)


def test_a_tick(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING, DONE)
        job = started(script)
        return *tick_of(job), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        assert end_of(job, tasks) == ("succeeded", None)
        assert len(script.starts) == 1

    at_each_point(worker, tasks, prepare, check)


def test_a_tick_that_sees_the_end(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    def prepare() -> tuple[Any, ...]:
        job = started(service.script(DONE))
        return *tick_of(job), job

    def check(job: Job) -> None:
        assert end_of(job, tasks) == ("succeeded", None)

    at_each_point(worker, tasks, prepare, check)


def test_a_tick_that_gives_a_job_up(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    """BACKENDS, `deadline`: then the job is timed_out, and a cancel is sent."""

    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING)
        job = started(script)
        Job.objects.filter(id=job.id).update(started=later(-3_601))
        return *tick_of(job), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        assert end_of(job, tasks) == ("timed_out", "timed_out")
        assert len(script.cancels) == 1

    at_each_point(worker, tasks, prepare, check)


# --- cancels -------------------------------------------------------------------------------------


def test_a_request_for_a_cancel(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING)
        job = started(script)
        return "ask for a cancel", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        services.cancel_job(ANONYMOUS, str(job.id))  # asked again
        assert end_of(job, tasks) == ("cancelled", "cancelled")
        assert len(script.cancels) == 1
        told = [(frame["type"], frame["state"]) for frame in frames_of(job)]
        assert told.count(("state", "cancelling")) == 1

    at_each_point(worker, tasks, prepare, check)


def test_a_cancel(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    """It is sent at least once; a second one is what tells a lost one from one that was sent."""

    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING)
        job = started(script)
        services.cancel_job(ANONYMOUS, str(job.id))
        return "cancel", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        assert end_of(job, tasks) == ("cancelled", "cancelled")
        assert 1 <= len(script.cancels) <= 2

    at_each_point(worker, tasks, prepare, check)


def test_a_cancel_before_the_start(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING)
        job = asked_for(script, "once")
        services.cancel_job(ANONYMOUS, str(job.id))
        return "cancel", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        assert end_of(job, tasks) == ("cancelled", "cancelled")
        assert script.starts == []

    at_each_point(worker, tasks, prepare, check)


@pytest.mark.parametrize("backend", ["once", "safe"])
def test_a_start_of_a_job_that_is_cancelled_meanwhile(
    worker: Worker, tasks: Tasks, service: ScriptedBackend, backend: str
) -> None:
    """What may have begun at the backend is not called cancelled before it was told."""

    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING)
        job = asked_for(script, backend)
        return "start", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        services.cancel_job(ANONYMOUS, str(job.id))
        end = end_of(job, tasks)
        if script.starts and end[0] == "cancelled":
            assert script.cancels
        if backend == "safe":
            assert end == ("cancelled", "cancelled")
        else:
            assert end in {("cancelled", "cancelled"), ("failed", "start_unknown")}
            assert len(script.starts) <= 1

    at_each_point(worker, tasks, prepare, check)


# --- the rest ------------------------------------------------------------------------------------


def test_a_report(worker: Worker, tasks: Tasks) -> None:
    """Sent again by the program, it is told once."""

    def prepare() -> tuple[Any, ...]:
        job = services.start_job(ANONYMOUS, StartRequest(backend=push.NAME, params={}))
        told = {"progress": 40, "log": ["one"], "number": 1}
        return "report", str(job.id), told, (job, told)

    def check(prepared: tuple[Job, dict[str, Any]]) -> None:
        job, told = prepared
        assert not worker.is_killed(0, "report", str(job.id), told)
        assert not worker.is_killed(0, "report", str(job.id), {"state": "succeeded", "number": 2})
        check_numbering(job)
        lines = [line for frame in frames_of(job) for line in frame.get("lines", [])]
        assert lines == ["one"]
        assert row_of(job)["state"] == "succeeded"

    at_each_point(worker, tasks, prepare, check)


def test_a_sweep(worker: Worker, tasks: Tasks, service: ScriptedBackend) -> None:
    """With something of each kind to be found."""

    def prepare() -> tuple[Any, ...]:
        scripts = {name: service.script(RUNNING, DONE) for name in ("lost", "late", "unknown")}
        jobs = {name: asked_for(script, "once") for name, script in scripts.items()}
        scripts["stopped"] = service.script(RUNNING)
        jobs["stopped"] = started(scripts["stopped"])
        starting.start(jobs["late"].id)
        Job.objects.filter(id=jobs["unknown"].id).update(start_sent=later(-60))
        services.cancel_job(ANONYMOUS, str(jobs["stopped"].id))
        a_while_passes()
        return "sweep", (scripts, jobs)

    def check(prepared: tuple[dict[str, Script], dict[str, Job]]) -> None:
        scripts, jobs = prepared
        go_on(tasks, lambda: all(has_ended(job) for job in jobs.values()))
        ends = {name: end_of(job, tasks) for name, job in jobs.items()}
        assert ends == {
            "lost": ("succeeded", None),
            "late": ("succeeded", None),
            "unknown": ("failed", "start_unknown"),
            "stopped": ("cancelled", "cancelled"),
        }
        counts = {name: len(script.starts) for name, script in scripts.items()}
        assert counts == {"lost": 1, "late": 1, "unknown": 0, "stopped": 1}

    at_each_point(worker, tasks, prepare, check)


def test_the_first_cancel_is_put_off_by_the_backend(
    worker: Worker, tasks: Tasks, service: ScriptedBackend
) -> None:
    def prepare() -> tuple[Any, ...]:
        script = service.script(RUNNING, cancel=[Reply(status=503), Reply(status=202, body={})])
        job = started(script)
        services.cancel_job(ANONYMOUS, str(job.id))
        return "cancel", str(job.id), (script, job)

    def check(prepared: tuple[Script, Job]) -> None:
        script, job = prepared
        assert end_of(job, tasks) == ("cancelled", "cancelled")
        assert 2 <= len(script.cancels) <= 3

    at_each_point(worker, tasks, prepare, check)
