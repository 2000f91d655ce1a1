"""What operators are told of the backends: `GET backends?figures=true` and `/metrics`.

The engine runs as in a worker, against a real service, Redis and database.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from progrock import background_loop, identity
from progrock.backends import registry
from progrock.backends.loading import Backends
from progrock.identity import ANONYMOUS
from progrock.jobs import services
from progrock.models import Job
from progrock.polling import looks
from progrock.protocol.messages import StartRequest
from progrock.telemetry import figures
from tests.contracts.engine import Engine
from tests.contracts.parts import new_job, now, row_of, running_job
from tests.scripted_backend import Reply, Script, ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published", "described")
DEADLINE_SECONDS = 30.0
SECRET = "a-secret-of-the-service"
DESCRIBED = f"""
[backends.counted]
preset = "progrock"
base_url = "{{url}}/counted"
headers = {{{{ Authorization = "${{{{KEY:-{SECRET}}}}}" }}}}
poll = {{{{ min = 0.05, max = 0.1, timeout = 5, failures = 1000 }}}}

[backends.idle]
preset = "progrock"
base_url = "{{url}}/idle"
"""


@pytest.fixture
def service() -> Iterator[ScriptedBackend]:
    """A service that does as it is told."""
    with ScriptedBackend() as running:
        yield running


@pytest.fixture
def described(
    service: ScriptedBackend, real_parts: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description of that service."""
    monkeypatch.setenv("KEY", SECRET)
    Path(settings.PROGROCK_BACKENDS).write_text(DESCRIBED.format(url=service.url))
    settings.PROGROCK_ANONYMOUS = True
    registry.replace_all(None)
    figures.forget()


@pytest.fixture
def engine(redis_client: redis.Redis, described: None) -> Iterator[Engine]:
    """A worker."""
    with Engine(redis_client) as running:
        yield running
    background_loop.run(looks.poller.close(), 10)


def started(script: Script, who: identity.Who = ANONYMOUS) -> Job:
    """Return a new job of a script, as a client starts it."""
    request = StartRequest(backend="counted", params=script.params)
    return services.start_job(who, request)


def until(is_so: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:g} s: {what}"
        time.sleep(0.05)


def told(client: Client | None = None, name: str = "counted") -> dict[str, Any]:
    """Return a backend's figures as a visitor gets them."""
    answer = (client or Client()).get(f"/api/v1/backends/{name}?figures=true")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["figures"]
    return found


def samples(client: Client | None = None) -> dict[tuple[str, ...], float]:
    """Return what /metrics says by (name, values of the labels in the order of their names)."""
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_polls_are_told_as_they_are_made(service: ScriptedBackend, engine: Engine) -> None:
    script = service.script({"state": "running", "progress": 10})
    job = started(script)
    until(lambda: (told()["polls"]["count"]) >= 20, "polls that are counted")
    found = told()
    assert found["polls"]["failed"] == 0
    assert found["polls"]["error_rate"] == 0
    assert 1 < found["polls"]["per_second"] < 25  # one in 0.05 to 0.1 s
    assert 0 < found["polls"]["latency"]["p50"] <= found["polls"]["latency"]["p99"] <= 5
    assert (found["jobs"]["active"], found["jobs"]["states"]) == (1, {"running": 1})
    assert found["jobs"]["lag"] < DEADLINE_SECONDS
    assert found["durations"] is None
    assert found["last_failure"] is None
    asked = len(script.polls)
    assert told()["polls"]["count"] <= len(script.polls)
    until(lambda: samples()["progrock_backend_polls_total", "counted", "ok"] >= asked, "all of it")
    present = samples()
    assert present["progrock_backend_poll_seconds_count", "counted"] >= asked
    assert present["progrock_backend_calls_total", "counted", "ok"] == 1  # its start
    assert present["progrock_jobs_active", "counted", "running"] == 1
    assert present["progrock_backend_polls_total", "idle", "ok"] == 0
    assert row_of(job)["state"] == "running"


def test_the_series_hold_all_that_was_counted(service: ScriptedBackend, engine: Engine) -> None:
    started(service.script({"state": "running"}))
    until(lambda: sum(told()["polls"]["series"]["count"]) > 0, "a slot that is over")
    series = told()["polls"]["series"]
    assert {len(series[name]) for name in ("count", "failed", "p50", "p99")} == {60}
    assert series["seconds"] == 10
    place = next(place for place, count in enumerate(series["count"]) if count)
    assert series["p50"][place] > 0
    assert series["p50"][place - 1] is None


def test_a_failing_reply_is_told_masked(service: ScriptedBackend, engine: Engine) -> None:
    echo = Reply(status=500, body={"error": "boom", "sent": SECRET})
    job = started(service.script({"state": "running"}, echo))
    until(lambda: told()["last_failure"], "the failing reply")
    failure = told()["last_failure"]
    assert (failure["asked"], failure["status"], failure["job"]) == ("poll", 500, str(job.id))
    assert "boom" in failure["body"]
    assert "•••" in failure["body"]
    assert failure["headers"]["content-type"].startswith("application/json")
    assert SECRET not in Client().get("/api/v1/backends?figures=true").content.decode()
    until(lambda: told()["polls"]["error_rate"] > 0, "the error rate")
    assert samples()["progrock_backend_polls_total", "counted", "failed"] > 0


def test_a_refused_start_is_told_as_the_last_failing_reply(
    service: ScriptedBackend, engine: Engine
) -> None:
    refusal = Reply(status=422, body={"error": "width is too large"})
    started(service.script(start=[refusal]))
    until(lambda: told()["last_failure"], "the refused start")
    failure = told()["last_failure"]
    assert (failure["asked"], failure["status"]) == ("call", 422)
    assert failure["code"] == "backend_refused"
    until(lambda: samples()["progrock_jobs_ended_total", "counted", "failed"] == 1, "its end")
    assert samples()["progrock_backend_calls_total", "counted", "failed"] == 1


def test_what_a_failing_reply_says_is_for_who_may_see_its_job(
    service: ScriptedBackend, engine: Engine
) -> None:
    ada = User.objects.create_user("ada", password="x")
    staff = User.objects.create_user("operator", password="x", is_staff=True)
    mine, theirs, boss = Client(), Client(), Client()
    mine.force_login(ada)
    theirs.force_login(User.objects.create_user("bob", password="x"))
    boss.force_login(staff)
    started(
        service.script({"state": "running"}, Reply(status=500, body={"of": "ada"})),
        identity.of_user(ada),
    )
    until(lambda: told(mine)["last_failure"], "the failing reply")
    for client in (mine, boss):
        assert "ada" in told(client)["last_failure"]["body"]
    for client in (theirs, Client()):
        hidden = told(client)["last_failure"]
        assert (hidden["status"], hidden["code"]) == (500, "backend_unreachable")
        assert hidden["is_hidden"] is True
        assert [hidden[name] for name in ("job", "message", "body")] == [None, None, None]


def test_ended_jobs_are_counted_and_their_durations_told(
    service: ScriptedBackend, engine: Engine
) -> None:
    script = service.script({"state": "succeeded"})
    jobs = [started(script) for _ in range(12)]
    until(lambda: {row_of(job)["state"] for job in jobs} == {"succeeded"}, "all ends")
    until(lambda: (told()["jobs"]["ended"]) == {"succeeded": 12}, "their count")
    durations = told()["durations"]
    assert durations["count"] == 12
    assert sum(box["count"] for box in durations["boxes"]) == 12
    assert 0 <= durations["p5"] <= durations["p25"] <= durations["p50"] <= durations["p95"]
    until(lambda: samples()["progrock_jobs_ended_total", "counted", "succeeded"] == 12, "ends")
    assert samples()["progrock_job_duration_seconds_count", "counted"] == 12


def test_durations_stand_in_boxes_by_the_time_of_the_end() -> None:
    begin = now() - timedelta(hours=10)
    for hour in range(10):
        for minute in range(10):
            end = begin + timedelta(hours=hour, minutes=minute)
            job = new_job(backend="counted", state="succeeded", due_at=None, finished=end)
            Job.objects.filter(id=job.id).update(started=end - timedelta(seconds=hour * 10 + 5))
    boxes = told()["durations"]["boxes"]
    assert sum(box["count"] for box in boxes) == 100
    middles = [box["p50"] for box in boxes]
    assert middles == sorted(middles)
    assert (middles[0], middles[-1]) == (5.0, 95.0)
    for one, next_ in pairwise(boxes):
        assert one["from"] <= one["to"] < next_["from"]


def test_lag_is_how_long_the_earliest_due_job_has_waited() -> None:
    running_job(backend="idle", due_at=now() + timedelta(seconds=60))
    assert told(name="idle")["jobs"]["lag"] == 0
    running_job(backend="idle", due_at=now() - timedelta(seconds=90))
    figures.forget()
    assert 90 <= told(name="idle")["jobs"]["lag"] < 90 + DEADLINE_SECONDS
    assert samples()["progrock_backend_lag_seconds", "idle"] >= 90


def test_without_redis_the_rest_is_told(settings: Settings, tmp_path: Path) -> None:
    running_job(backend="idle")
    settings.REDIS_URL = f"unix://{tmp_path / 'nothing.sock'}?db=0"
    found = told(name="idle")
    assert (found["polls"], found["last_failure"]) == (None, None)
    assert found["jobs"]["active"] == 1
    present = samples()
    assert present["progrock_redis_up",] == 0
    assert present["progrock_jobs_active", "idle", "running"] == 1
    assert ("progrock_backend_polls_total", "idle", "ok") not in present


def test_a_plain_list_has_no_figures() -> None:
    listed = Client().get("/api/v1/backends").json()["backends"]
    assert ["figures" in backend for backend in listed] == [False, False]
    with_figures = Client().get("/api/v1/backends?figures=true").json()["backends"]
    assert [backend["name"] for backend in with_figures] == [backend["name"] for backend in listed]
    assert all("figures" in backend for backend in with_figures)


def test_figures_are_not_for_the_bearer_of_a_share_link() -> None:
    job = running_job(backend="idle")
    shared = Client().post(f"/api/v1/jobs/{job.id}/share", content_type="application/json")
    bearer = {"Authorization": f"Bearer {shared.json()['token']}"}
    answer = Client().get("/api/v1/backends?figures=true", headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


def test_metrics_are_for_the_staff_where_the_settings_say_so(settings: Settings) -> None:
    settings.PROGROCK_METRICS = "staff"
    user = User.objects.create_user("ada", password="x")
    operator = User.objects.create_user("operator", password="x", is_staff=True)
    assert Client().get("/metrics").status_code == 401
    wrong = {"Authorization": "Bearer prk_wrong"}
    assert Client().get("/metrics", headers=wrong).status_code == 401
    users = {"Authorization": f"Bearer {identity.create_token(user)}"}
    assert Client().get("/metrics", headers=users).status_code == 403
    token = {"Authorization": f"Bearer {identity.create_token(operator)}"}
    answer = Client().get("/metrics", headers=token)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    session = Client()
    session.force_login(operator)
    assert session.get("/metrics").status_code == 200
    assert session.post("/metrics").status_code == 405


def test_metrics_may_be_closed(settings: Settings) -> None:
    settings.PROGROCK_METRICS = "nobody"
    assert Client().get("/metrics").status_code == 404


def test_pages_without_any_backend_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "backends", lambda: Backends(by_name={}, default=None))
    for path in ("/backends", "/start"):
        answer = Client().get(path)
        assert answer.status_code == 200
        assert "No backend is described yet" in answer.content.decode()


def test_the_page_of_the_backends_is_for_who_may_come_in(settings: Settings) -> None:
    settings.PROGROCK_ANONYMOUS = False
    for path in ("/backends", "/start"):
        answer = Client().get(path)
        assert (answer.status_code, answer.url) == (302, f"/login/?next={path}")
