"""Starts, looks and cancels against a real HTTP service, each as one task runs it (DESIGN 3)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django.fixtures import Settings

from progrock import background_loop
from progrock.backends import registry
from progrock.identity import ANONYMOUS
from progrock.jobs import services
from progrock.models import Job, Lane
from progrock.polling import lanes, looks, starting, stopping, tick
from progrock.protocol.messages import StartRequest
from tests.contracts.parts import Tasks, at_once, check_numbering, frames_of, later, now, row_of
from tests.scripted_backend import Reply, Script, ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published", "described")
EVIL = "http://evil.example/state"
DESCRIBED = """
[backends.told]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel" }}
poll = {{ min = 1, deadline = 3600, timeout = 5 }}
map.operation = ".body.id"
map.state = ".body.state"
map.progress = ".body.progress"
map.status_url = ".body.status_url"
map.message = ".body.message"

[backends.safe]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}", idempotent = true }}
status.path = "/jobs/{{operation}}"
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel" }}
poll = {{ min = 1, timeout = 5 }}
map.operation = ".body.id"
map.state = ".body.state"

[backends.titled]
preset = "progrock"
base_url = "{url}"
start.headers.X-Name = "job {{params.name}}"
"""


@pytest.fixture
def service() -> Iterator[ScriptedBackend]:
    """A service that does as it is told."""
    with ScriptedBackend() as running:
        yield running
        background_loop.run(looks.poller.close(), 10)


@pytest.fixture
def described(service: ScriptedBackend, real_parts: None, settings: Settings) -> None:
    """The description of that service."""
    Path(settings.PROGROCK_BACKENDS).write_text(DESCRIBED.format(url=service.url))
    registry.replace_all(None)


def asked_for(script: Script, backend: str = "told", **params: Any) -> Job:
    """Return a new job of a script, as a client starts it."""
    request = StartRequest(backend=backend, params=script.params | params)
    return services.start_job(ANONYMOUS, request)


def started(script: Script) -> Job:
    """Return a job that the service runs."""
    job = asked_for(script)
    starting.start(job.id)
    assert row_of(job)["started"] is not None
    return job


def look(job: Job) -> None:
    """Let the lane's tick look at a job now."""
    Job.objects.filter(id=job.id).update(due_at=now())
    lanes.arm_now(job.backend, job.shard, now())
    number = Lane.objects.get(backend=job.backend, shard=job.shard).tick
    assert tick.run_tick(job.backend, job.shard, number) == 1


def run_cancels(tasks: Tasks) -> None:
    """Run the cancels that wait for a worker."""
    for (id_,) in tasks.named("cancel_job"):
        stopping.cancel(UUID(id_))


def error_of(job: Job) -> str | None:
    error = row_of(job)["error"]
    return error and error["code"]


# --- the start -----------------------------------------------------------------------------------


def test_a_start_that_runs_twice_or_at_once_is_sent_once(service: ScriptedBackend) -> None:
    script = service.script()
    job = asked_for(script)
    at_once(*[lambda: starting.start(job.id)] * 3)
    starting.start(job.id)
    assert len(script.starts) == 1
    assert (row_of(job)["state"], row_of(job)["operation"]) == ("queued", script.operations[0])
    check_numbering(job)


def test_a_started_job_is_looked_at_at_once(service: ScriptedBackend, tasks: Tasks) -> None:
    job = started(service.script())
    assert len(tasks.named("tick")) == 1
    due = row_of(job)["due_at"]
    assert due is not None
    assert due <= now()


def test_a_start_that_cannot_be_built_is_refused_and_not_sent(service: ScriptedBackend) -> None:
    script = service.script()
    job = asked_for(script, backend="titled")  # its header needs {params.name}
    starting.start(job.id)
    assert (row_of(job)["state"], error_of(job)) == ("failed", "backend_refused")
    assert script.starts == []


def test_a_start_that_no_one_answers_is_not_repeated(service: ScriptedBackend) -> None:
    script = service.script(start=[Reply(reset=True)])
    job = asked_for(script)
    starting.start(job.id)
    assert (row_of(job)["state"], error_of(job)) == ("failed", "start_unknown")
    starting.start(job.id)
    assert len(script.starts) == 1


def test_a_start_answered_with_a_foreign_address_is_over_and_is_stopped_there(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    # BACKENDS, "A status_url on a foreign origin ends the job as bad_reply (and sends cancel)".
    reply = Reply(status=202, body=lambda name: {"id": name, "status_url": EVIL})
    script = service.script(start=[reply])
    job = asked_for(script)
    starting.start(job.id)
    assert (row_of(job)["state"], error_of(job)) == ("failed", "bad_reply")
    run_cancels(tasks)
    assert len(script.cancels) == 1


# --- the look ------------------------------------------------------------------------------------


def test_a_look_writes_what_the_service_says(service: ScriptedBackend) -> None:
    script = service.script({"state": "running", "progress": 40, "message": "half"})
    job = started(script)
    look(job)
    row = row_of(job)
    assert (row["state"], row["progress"], row["message"]) == ("running", 40, "half")
    check_numbering(job)


def test_a_look_answered_with_a_foreign_address_is_the_end_and_is_stopped_there(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script({"state": "running", "status_url": EVIL})
    job = started(script)
    look(job)
    assert (row_of(job)["state"], error_of(job)) == ("failed", "bad_reply")
    run_cancels(tasks)
    assert len(script.cancels) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * (1024 * 1024 + 1)),
        Reply(status=302, headers={"Location": "/elsewhere"}, body={"state": "succeeded"}),
        Reply(status=503, body={"state": "succeeded"}),
        Reply(body="<html>Welcome</html>"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        Reply(raw=b"nonsense\r\n\r\n"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_a_failed_poll_and_no_end(
    service: ScriptedBackend, reply: Reply
) -> None:
    job = started(service.script(reply, {"state": "succeeded"}))
    look(job)
    assert (row_of(job)["state"], row_of(job)["failures"]) == ("queued", 1)
    look(job)
    assert row_of(job)["state"] == "succeeded"
    check_numbering(job)


def test_a_poll_follows_no_redirect(service: ScriptedBackend) -> None:
    service.at("GET", "/elsewhere", {"state": "succeeded"})
    job = started(service.script(Reply(status=307, headers={"Location": "/elsewhere"})))
    look(job)
    assert service.requests_at("/elsewhere") == []


def test_at_its_deadline_a_job_is_timed_out_and_stopped(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script()
    job = started(script)
    Job.objects.filter(id=job.id).update(started=later(-3_601))
    look(job)
    assert (row_of(job)["state"], error_of(job)) == ("timed_out", "timed_out")
    run_cancels(tasks)
    assert len(script.cancels) == 1


# --- the cancel ----------------------------------------------------------------------------------


def test_a_cancelled_job_ends_when_the_service_says_so(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script()
    job = started(script)
    services.cancel_job(ANONYMOUS, str(job.id))
    run_cancels(tasks)
    run_cancels(tasks)
    assert (len(script.cancels), row_of(job)["state"]) == (1, "cancelling")
    look(job)
    assert (row_of(job)["state"], error_of(job)) == ("cancelled", "cancelled")
    check_numbering(job)


def test_a_job_that_was_cancelled_before_its_start_is_never_sent(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script()
    job = asked_for(script)
    services.cancel_job(ANONYMOUS, str(job.id))
    run_cancels(tasks)
    starting.start(job.id)
    assert (row_of(job)["state"], script.starts) == ("cancelled", [])
    assert [frame["state"] for frame in frames_of(job)] == ["pending", "cancelling", "cancelled"]


def test_a_start_that_may_have_begun_is_answered_before_its_job_is_cancelled(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    # The second answer refuses the second request only; the first may run, and is to be stopped.
    begun = Reply(status=202, body=lambda name: {"id": name})
    script = service.script(start=[Reply(reset=True), Reply(status=500), begun])
    job = asked_for(script, backend="safe")
    for _ in range(2):
        starting.start(job.id)
        Job.objects.filter(id=job.id).update(due_at=now())
    services.cancel_job(ANONYMOUS, str(job.id))
    run_cancels(tasks)
    assert row_of(job)["state"] == "cancelling"
    starting.start(job.id)
    Job.objects.filter(id=job.id).update(cancel_due_at=now())
    run_cancels(tasks)
    assert (len(script.starts), len(script.cancels)) == (3, 1)
    look(job)
    assert row_of(job)["state"] == "cancelled"
    check_numbering(job)


def test_a_cancel_and_the_start_at_once_leave_nothing_running(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    for _ in range(6):
        script = service.script()
        job = asked_for(script)
        at_once(
            lambda job=job: starting.start(job.id),
            lambda job=job: services.cancel_job(ANONYMOUS, str(job.id)),
        )
        run_cancels(tasks)
        if script.starts:
            assert len(script.cancels) == 1
            look(job)
        assert row_of(job)["state"] == "cancelled"
        check_numbering(job)
        tasks.clear()


def test_a_cancel_that_the_service_puts_off_is_sent_again(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script(cancel=[Reply(status=503), Reply(status=202, body={})])
    job = started(script)
    services.cancel_job(ANONYMOUS, str(job.id))
    run_cancels(tasks)
    run_cancels(tasks)
    assert len(script.cancels) == 1  # it is given a moment
    Job.objects.filter(id=job.id).update(cancel_due_at=now())
    run_cancels(tasks)
    run_cancels(tasks)
    assert len(script.cancels) == 2
    assert row_of(job)["cancel_due_at"] is None
