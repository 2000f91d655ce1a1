"""A backend that wants to be left alone, or does not answer: what its jobs see, and what it sees.

The engine runs as in a worker, against a real service, Redis and database.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings

from progrock import background_loop
from progrock.backends import registry
from progrock.identity import ANONYMOUS
from progrock.jobs import services
from progrock.models import Job
from progrock.polling import looks, starting
from progrock.polling.circuit import JOBS
from progrock.polling.shared import standings
from progrock.protocol.messages import StartRequest
from tests.contracts.engine import Engine
from tests.contracts.parts import check_numbering, frames_of, later, now, row_of
from tests.scripted_backend import Reply, Script, ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published", "described")
DEADLINE_SECONDS = 30.0
DESCRIBED = """
[backends.told]
preset = "progrock"
base_url = "{url}/told"
poll = {{ min = 0.05, max = 0.2, timeout = 5, failures = 1000 }}

[backends.given-up]
preset = "progrock"
base_url = "{url}/given-up"
poll = {{ min = 0.2, max = 1, timeout = 1, failures = 3, unreachable_for = 2 }}

[backends.brief]
preset = "progrock"
base_url = "{url}/brief"
poll = {{ min = 0.2, max = 1, timeout = 1, failures = 1000, deadline = 2 }}

[backends.once]
base_url = "{url}/once"
start = {{ method = "POST", path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel" }}
map = {{ operation = ".body.id", state = ".body.state", progress = ".body.progress" }}
poll = {{ min = 0.05, max = 0.2, timeout = 5, failures = 1000 }}
"""
MANY = 3 * JOBS


@pytest.fixture
def service() -> Iterator[ScriptedBackend]:
    """A service that does as it is told."""
    with ScriptedBackend() as running:
        yield running


@pytest.fixture
def described(service: ScriptedBackend, real_parts: None, settings: Settings) -> None:
    """The description of that service."""
    Path(settings.PROGROCK_BACKENDS).write_text(DESCRIBED.format(url=service.url))
    settings.PROGROCK_ANONYMOUS = True
    registry.replace_all(None)


@pytest.fixture
def engine(redis_client: redis.Redis, described: None) -> Iterator[Engine]:
    """A worker."""
    with Engine(redis_client) as running:
        yield running
    background_loop.run(looks.poller.close(), 10)


def started(script: Script, backend: str = "told", count: int = 1) -> list[Job]:
    """Return new jobs of a script, as clients start them."""
    request = StartRequest(backend=backend, params=script.params)
    return [services.start_job(ANONYMOUS, request) for _ in range(count)]


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:g} s: {what}"
        time.sleep(0.02)


def polled(script: Script, jobs: list[Job]) -> None:
    """Wait until each job was polled."""
    until(
        lambda: len({request.path for request in list(script.polls)}) == len(jobs),
        "a poll of each job",
    )


def column(jobs: list[Job], name: str) -> list[Any]:
    return [row_of(job)[name] for job in jobs]


def told(name: str) -> dict[str, Any]:
    """Return what `GET backends/NAME` tells."""
    answer: dict[str, Any] = Client().get(f"/api/v1/backends/{name}").json()
    return answer


# --- it wants to be left alone -------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_one_reply_with_retry_after_holds_all_jobs_and_counts_for_none_but_its_own(
    service: ScriptedBackend, engine: Engine, status: int
) -> None:
    calm = service.script({"state": "running"})
    jobs = started(calm, count=MANY)
    polled(calm, jobs)
    busy = service.script(
        {"state": "running"},
        Reply(status=status, headers={"Retry-After": "2"}),
        {"state": "succeeded"},
    )
    (loud,) = started(busy)
    service.wait_for(lambda: len(busy.polls) == 2, "the poll that is answered by a pause")
    held_at = busy.polls[1].at
    until(lambda: told("told")["held_until"] is not None, "the pause is known")
    until(lambda: row_of(loud)["state"] == "succeeded", "the end after the pause")
    asked = sorted(request.at for request in list(service.requests) if request.at > held_at)
    under_way = next(n for n, at in enumerate(asked) if at > held_at + 1.9)
    assert under_way <= 2 * MANY
    before = asked[under_way - 1] if under_way else held_at
    assert asked[under_way] - before > 1.0  # then nobody asked for anything
    assert set(column(jobs, "failures")) == {0}
    assert set(column(jobs, "condition")) == {"ok"}
    assert told("told")["held_until"] is None
    count = len(calm.polls)
    service.wait_for(lambda: len(calm.polls) > count + MANY, "polls that go on")


def test_without_retry_after_only_that_job_waits(service: ScriptedBackend, engine: Engine) -> None:
    calm = service.script({"state": "running"})
    started(calm, count=2)
    busy = service.script(Reply(status=503), {"state": "succeeded"})
    (loud,) = started(busy)
    until(lambda: row_of(loud)["state"] == "succeeded", "the end")
    assert told("told")["held_until"] is None


@pytest.mark.parametrize("backend", ["told", "once"])
def test_a_start_waits_and_is_sent_once_when_the_pause_is_over(
    service: ScriptedBackend, engine: Engine, backend: str
) -> None:
    busy = service.script(Reply(status=429, headers={"Retry-After": "2"}), {"state": "running"})
    started(busy, backend)
    service.wait_for(lambda: len(busy.polls) == 1, "the poll that is answered by a pause")
    until(lambda: told(backend)["held_until"] is not None, "the pause")
    script = service.script({"state": "succeeded", "result": 1})
    (job,) = started(script, backend)
    until(lambda: "left alone" in (row_of(job)["message"] or ""), "a word of why it waits")
    assert (row_of(job)["state"], script.starts) == ("pending", [])
    until(lambda: row_of(job)["state"] == "succeeded", "the end after the pause")
    assert len(script.starts) == 1
    assert script.starts[0].at - busy.polls[0].at >= 1.9
    assert row_of(job)["message"] is None
    check_numbering(job)


def test_a_cancel_waits_too(service: ScriptedBackend, engine: Engine) -> None:
    script = service.script(
        {"state": "running"}, Reply(status=503, headers={"Retry-After": "2"}), {"state": "running"}
    )
    (job,) = started(script)
    service.wait_for(lambda: len(script.polls) == 2, "the poll that is answered by a pause")
    until(lambda: told("told")["held_until"] is not None, "the pause")
    services.cancel_job(ANONYMOUS, str(job.id))
    until(lambda: row_of(job)["state"] == "cancelled", "the cancel after the pause")
    (cancel,) = script.cancels
    assert cancel.at - script.polls[1].at >= 1.9


def test_a_deadline_holds_in_a_pause(service: ScriptedBackend, engine: Engine) -> None:
    script = service.script(Reply(status=503, headers={"Retry-After": "3600"}))
    (job,) = started(script, "brief")
    until(lambda: row_of(job)["state"] == "timed_out", "the deadline")
    assert len(script.polls) == 1


def test_a_pause_is_an_hour_at_most(service: ScriptedBackend, engine: Engine) -> None:
    script = service.script(Reply(status=429, headers={"Retry-After": "999999"}))
    started(script)
    until(lambda: told("told")["held_until"] is not None, "the pause")
    assert 3_500 < standings(["told"])["told"].hold_seconds <= 3_600


# --- it does not answer --------------------------------------------------------------------------


def test_an_unreachable_backend_is_probed_by_one_and_polled_by_all_when_it_is_back(
    service: ScriptedBackend, engine: Engine
) -> None:
    script = service.script({"state": "running", "progress": 10})
    jobs = started(script, count=MANY)
    polled(script, jobs)
    assert told("told")["condition"] == "ok"

    script.say(Reply(status=500))
    until(lambda: told("told")["circuit"] != "closed", "an open circuit")
    assert told("told")["condition"] == "unreachable"
    until(lambda: set(column(jobs, "condition")) == {"unreachable"}, "each job is told")
    count, at = len(script.polls), time.monotonic()
    service.wait_for(lambda: len(script.polls) >= count + 10, "probes")
    probes = [request.at for request in script.polls if request.at > at]
    # One by one, each after a pause, where the jobs by themselves would have asked MANY times.
    assert len(probes) / (probes[-1] - at) < 1 / 0.05 + 5

    script.say({"state": "running", "progress": 20})
    until(lambda: set(column(jobs, "progress")) == {20}, "each job is polled again")
    until(lambda: set(column(jobs, "condition")) == {"ok"}, "each job is told")
    assert (told("told")["condition"], told("told")["circuit"]) == ("ok", "closed")
    assert told("told") in Client().get("/api/v1/backends").json()["backends"]
    for job in jobs:
        conditions = [frame["condition"] for frame in frames_of(job) if frame["type"] == "state"]
        assert conditions.count("unreachable") == 1
        check_numbering(job)


def test_jobs_fail_in_time_though_they_are_not_asked_for_one_by_one(
    service: ScriptedBackend, engine: Engine
) -> None:
    script = service.script({"state": "running"})
    jobs = started(script, "given-up", count=MANY)
    polled(script, jobs)
    service.down()
    down_at = now()
    until(lambda: set(column(jobs, "state")) == {"failed"}, "the end of each job")
    for job in jobs:
        row = row_of(job)
        assert row["error"]["code"] == "backend_unreachable"
        assert (row["finished"] - down_at).total_seconds() >= 2.0
        assert frames_of(job)[-2]["condition"] == "unreachable"
        check_numbering(job)
    service.up()


def test_deadlines_hold_while_the_circuit_is_open(service: ScriptedBackend, engine: Engine) -> None:
    script = service.script(Reply(status=502))
    jobs = started(script, "brief", count=MANY)
    until(lambda: told("brief")["circuit"] != "closed", "an open circuit")
    until(lambda: set(column(jobs, "state")) == {"timed_out"}, "the deadline of each job")


@pytest.mark.parametrize("backend", ["told", "once"])
def test_a_start_waits_until_the_backend_is_back(
    service: ScriptedBackend, engine: Engine, backend: str
) -> None:
    script = service.script({"state": "running"})
    polled(script, started(script, backend, count=MANY))
    service.down()
    until(lambda: told(backend)["circuit"] != "closed", "an open circuit")
    (job,) = started(script, backend)
    until(lambda: row_of(job)["message"] is not None, "a word of why it waits")
    assert (row_of(job)["state"], row_of(job)["condition"]) == ("pending", "unreachable")
    assert len(script.starts) == MANY
    service.up()
    until(lambda: row_of(job)["state"] == "running", "its start")
    assert len(script.starts) == MANY + 1
    check_numbering(job)


@pytest.mark.parametrize("count", [1, JOBS - 1])
def test_few_jobs_are_polled_one_by_one_and_the_backend_is_unreachable_all_the_same(
    service: ScriptedBackend, engine: Engine, count: int
) -> None:
    script = service.script({"state": "running"})
    jobs = started(script, count=count)
    polled(script, jobs)
    script.say(Reply(status=500))
    until(lambda: told("told")["condition"] == "unreachable", "it is told")
    before = len(script.polls)
    service.wait_for(lambda: len(script.polls) >= before + 5 * count, "polls that go on")
    assert told("told")["circuit"] == "closed"
    assert min(column(jobs, "failures")) >= 3
    script.say({"state": "succeeded"})
    until(lambda: set(column(jobs, "state")) == {"succeeded"}, "the end")
    assert told("told")["condition"] == "ok"


def test_what_the_backend_refuses_or_garbles_opens_no_circuit(
    service: ScriptedBackend, engine: Engine
) -> None:
    script = service.script({"state": "running"})
    jobs = started(script, count=MANY)
    polled(script, jobs)
    script.say(*[Reply(status=403), Reply(body="<html>"), Reply(status=429)] * 1_000)
    until(lambda: min(column(jobs, "failures")) > 5, "failed polls")
    assert told("told")["circuit"] == "closed"


def test_an_emptied_redis_forgets_no_outage(
    service: ScriptedBackend, engine: Engine, redis_client: redis.Redis
) -> None:
    script = service.script({"state": "running"})
    jobs = started(script, count=MANY)
    polled(script, jobs)
    script.say(Reply(status=500))
    until(lambda: set(column(jobs, "condition")) == {"unreachable"}, "each job is told")
    redis_client.flushall()
    until(lambda: told("told")["circuit"] != "closed", "what the worker remembers")
    script.say({"state": "succeeded"})
    until(lambda: set(column(jobs, "state")) == {"succeeded"}, "the end")


def test_a_picture_waits_for_its_turn_and_is_told_when_none_comes(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = {"url": f"{service.url}/told/picture", "media_type": "image/png"}
    service.at("GET", "/told/picture", Reply(body=b"png", headers={"Content-Type": "image/png"}))
    script = service.script({"state": "succeeded", "result": picture})
    (job,) = started(script)
    starting.start(job.id)
    Job.objects.filter(id=job.id).update(state="succeeded", result=picture, finished=later(0))
    assert Client().get(f"/api/v1/jobs/{job.id}/result").content == b"png"
    service.at("GET", "/told/picture", Reply(status=503, headers={"Retry-After": "60"}))
    assert Client().get(f"/api/v1/jobs/{job.id}/result").status_code == 503
    until(lambda: standings(["told"])["told"].hold_seconds > 0, "the pause")
    count = len(service.requests)
    assert Client().get(f"/api/v1/jobs/{job.id}/result").status_code == 503
    assert len(service.requests) == count
