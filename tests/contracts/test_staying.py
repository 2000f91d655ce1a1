"""A tick that stays with its lane: jobs are claimed once, and nothing of what holds is lost."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from pytest_django.fixtures import Settings

from progrock import background_loop
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.identity import ANONYMOUS
from progrock.jobs import editing, log, rows, services
from progrock.models import Job, Lane
from progrock.polling import (
    attention,
    claim,
    lanes,
    limits,
    looks,
    starting,
    staying,
    stopping,
    tick,
)
from progrock.polling.claim import Claim, claim_due, hasten
from progrock.protocol.messages import JobEdit, StartRequest
from tests.contracts.parts import (
    DEADLINE_SECONDS,
    Tasks,
    check_numbering,
    frames_of,
    later,
    now,
    row_of,
)
from tests.contracts.test_outages import until
from tests.scripted_backend import Reply, Script, ScriptedBackend

pytestmark = pytest.mark.usefixtures("real_parts", "published", "described")
DESCRIBED = """
[backends.told]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel" }}
poll = {{ min = 0.1, max = 0.1, deadline = 3600, timeout = 5, per_second = 1000 }}
map.operation = ".body.id"
map.state = ".body.state"
map.progress = ".body.progress"

[backends.limited]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
poll = {{ min = 0.1, max = 0.1, deadline = 3600, timeout = 5, per_second = 4 }}
map.operation = ".body.id"
map.state = ".body.state"

[backends.seldom]
base_url = "{url}"
start = {{ path = "/jobs", json = "{{params}}" }}
status.path = "/jobs/{{operation}}"
poll = {{ min = 4, max = 4, deadline = 3600, timeout = 5, per_second = 1000 }}
map.operation = ".body.id"
map.state = ".body.state"
map.progress = ".body.progress"
"""
Stays = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def service() -> Iterator[ScriptedBackend]:
    with ScriptedBackend() as running:
        yield running
        background_loop.run(looks.poller.close(), 10)


@pytest.fixture
def described(
    service: ScriptedBackend,
    real_parts: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(settings.PROGROCK_BACKENDS).write_text(DESCRIBED.format(url=service.url))
    registry.replace_all(None)
    monkeypatch.setattr(staying, "FEWEST", 1)
    monkeypatch.setattr(staying, "SECONDS", 18.0)  # a test ends it before


def run_tick(backend: str) -> int:
    lanes.arm_now(backend, 0, now())
    number = Lane.objects.get(backend=backend, shard=0).tick
    return tick.run_tick(backend, 0, number)


@contextmanager
def staying_tick(backend: str = "told") -> Iterator[None]:
    """Have a tick stay with the lane; it ends with the block, if not before."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            run_tick(backend)
        except BaseException as exc:  # noqa: BLE001 - raised again below
            raised.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: kept_by(backend) != "" or not thread.is_alive(), "a tick that stays")
        yield
    finally:
        staying.stop()
        thread.join(DEADLINE_SECONDS)
        staying._is_ending.clear()
    assert not thread.is_alive(), "the tick does not leave"
    if raised:
        raise raised[0]


def asked_for(script: Script) -> set[str]:
    return {each.path for each in script.polls}


def kept_by(backend: str = "told") -> str:
    return str(Lane.objects.get(backend=backend, shard=0).kept_by)


def kept_until(backend: str = "told") -> datetime:
    found: datetime = Lane.objects.get(backend=backend, shard=0).kept_until
    return found


def started(script: Script, backend: str = "told") -> Job:
    job = services.start_job(ANONYMOUS, StartRequest(backend=backend, params=script.params))
    starting.start(job.id)
    return job


# --- what it spares ------------------------------------------------------------------------------


def test_a_job_is_claimed_once_and_its_unchanged_replies_write_nothing(
    service: ScriptedBackend,
) -> None:
    script = service.script({"state": "running", "progress": 10})
    job = started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 3, "replies that say the same")
        held = row_of(job)
        assert held["claimed_by"] == claim.worker_name()
        assert held["due_at"] > later(4)  # its lease
        service.wait_for(lambda: len(script.polls) >= 10, "many more")
        assert row_of(job) == held
    left = row_of(job)
    assert (left["claimed_by"], left["seq"]) == ("", held["seq"])
    assert left["look"] <= held["look"] + 1  # claimed once more where the machine took so long
    assert held["looked_at"] < left["looked_at"] <= now()
    assert left["due_at"] <= later(0.2)
    check_numbering(job)


def test_what_changes_is_written_and_told(service: ScriptedBackend) -> None:
    script = service.script(
        *({"state": "running", "progress": number} for number in range(1, 12)),
        {"state": "succeeded"},
    )
    job = started(script)
    with staying_tick():
        until(lambda: row_of(job)["state"] == "succeeded", "the end")
    check_numbering(job)
    assert [f["progress"] for f in frames_of(job) if f["type"] == "progress"] == list(range(2, 12))
    assert row_of(job)["due_at"] is None
    assert len(script.polls) == 12


def test_a_lane_without_jobs_that_are_looked_at_again_is_left_at_once(
    service: ScriptedBackend,
) -> None:
    started(service.script({"state": "succeeded"}))
    assert run_tick("told") == 1
    assert kept_by() == ""


def test_the_next_tick_is_armed_when_it_leaves(service: ScriptedBackend, tasks: Tasks) -> None:
    script = service.script({"state": "running"})
    started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        tasks.clear()
    assert len(tasks.named("tick")) == 1
    assert kept_by() == ""


def test_where_more_is_due_than_may_be_asked_for_none_is_kept_from_its_turn(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = service.script({"state": "running"})
    for _ in range(3):
        started(script, "limited")
    most, ask = [0], looks.ask

    def asked(*args: Any) -> None:
        ask(*args)
        most.append(looks._in_hand["limited"])

    monkeypatch.setattr(looks, "ask", asked)
    with staying_tick("limited"):
        service.wait_for(lambda: len(script.polls) >= 3, "a look at each")
        for _ in range(6):
            started(script, "limited")
        service.wait_for(lambda: len(asked_for(script)) == 9, "a look at those that came")
        assert kept_by("limited") != ""
        script.polls.clear()
        service.wait_for(lambda: len(script.polls) >= 14, "many more")
    times = Counter(each.path for each in script.polls)
    assert len(times) == 9
    assert max(times.values()) <= min(times.values()) + 2
    assert max(most) <= 4


def test_it_keeps_the_lane_anew_as_long_as_there_is_something_to_do(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staying, "SECONDS", 2.0)
    monkeypatch.setattr(staying, "LONGEST_SECONDS", 6.0)
    script = service.script({"state": "running"})
    started(script)
    with staying_tick():
        times = {kept_until()}
        until(lambda: len(times) > 2 or times.add(kept_until()), "it keeps on")
        assert kept_by() == claim.worker_name()
        until(lambda: kept_by() == "", "it leaves in the end")
    first, second, *_ = sorted(times)
    assert (second - first).total_seconds() >= 1.0


def test_it_leaves_where_another_tick_has_taken_the_lane(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staying, "SECONDS", 2.0)
    job = started(service.script({"state": "running"}))
    with staying_tick():
        others = later(15)
        Lane.objects.filter(backend="told").update(kept_until=others, kept_by="another")
        until(lambda: row_of(job)["claimed_by"] == "", "it gives back what it held")
        assert (kept_until(), kept_by()) == (others, "another")


# --- what comes meanwhile ------------------------------------------------------------------------


def test_a_job_that_starts_meanwhile_is_looked_at(service: ScriptedBackend) -> None:
    script, other = service.script({"state": "running"}), service.script({"state": "running"})
    started(script)
    with staying_tick():
        started(other)
        service.wait_for(lambda: len(other.polls) >= 3, "looks at both")


def test_a_kept_job_that_is_brought_forward_is_looked_at_at_once(service: ScriptedBackend) -> None:
    script = service.script({"state": "running"})
    job = started(script, "seldom")
    with staying_tick("seldom"):
        until(lambda: len(script.polls) == 1 and row_of(job)["interval"] > 0, "the first look")
        asked = script.polls[0].at
        assert hasten(job.id, now())
        service.wait_for(lambda: len(script.polls) == 2, "a look for the hook")
        assert script.polls[1].at < asked + 3
        until(lambda: row_of(job)["due_at"] > later(4), "it is kept again")


def test_someone_who_comes_finds_a_kept_job_looked_at_as_often_as_may_be(
    service: ScriptedBackend,
) -> None:
    script = service.script({"state": "running"})
    job = started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        before = row_of(job)["due_at"]
        attention.come([str(job.id)], now())
        assert row_of(job)["due_at"] == before


def test_a_cancel_an_edit_and_the_end_find_each_other(
    service: ScriptedBackend, tasks: Tasks
) -> None:
    script = service.script({"state": "running", "progress": 5})
    job = started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        editing.edit_job(ANONYMOUS, str(job.id), JobEdit(title="another"))
        services.cancel_job(ANONYMOUS, str(job.id))
        for (id_,) in tasks.named("cancel_job"):
            stopping.cancel(UUID(id_))
        until(lambda: row_of(job)["state"] == "cancelled", "the end")
    check_numbering(job)
    assert row_of(job)["title"] == "another"


def test_a_job_that_another_worker_took_is_let_go(service: ScriptedBackend) -> None:
    """It was taken for dead, say: what it finds out later counts for nothing."""
    replies = [{"state": "running", "progress": number} for number in range(99)]
    script = service.script(*replies)
    job = started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        Job.objects.filter(id=job.id).update(look=F("look") + 1, claimed_by="another")
        taken = row_of(job)["look"]
        until(lambda: kept_by() == "", "it leaves, for it has no job")
        asked = len(script.polls)
    assert (row_of(job)["look"], row_of(job)["claimed_by"]) == (taken, "another")
    assert len(script.polls) == asked
    check_numbering(job)


# --- without a lease ------------------------------------------------------------------------------


@contextmanager
def looked_at_without_a_lease(
    service: ScriptedBackend, backend: str = "told"
) -> Iterator[tuple[Script, Job, Script, threading.Event]]:
    """Have a tick stay for one job, and another be asked for, whose answer waits for the event."""
    kept, script = service.script({"state": "running"}), service.script({"state": "running"})
    gate = threading.Event()
    started(kept, backend)
    with staying_tick(backend):
        until(lambda: limits.latency_of(backend) > 0, "a look: it is known to answer at once")
        script.say(Reply(body={"state": "running", "progress": 7}, gate=gate))
        job = started(script, backend)
        service.wait_for(lambda: len(script.polls) == 1, "a look at the other one")
        try:
            yield kept, job, script, gate
        finally:
            gate.set()


def test_what_falls_due_meanwhile_is_claimed_without_a_write(service: ScriptedBackend) -> None:
    with looked_at_without_a_lease(service) as (kept, job, script, gate):
        before, looks_before = row_of(job), len(kept.polls)
        assert (before["claimed_by"], before["due_at"] <= now()) == ("", True)
        service.wait_for(lambda: len(kept.polls) >= looks_before + 4, "and meanwhile at the first")
        assert row_of(job) == before
        assert len(script.polls) == 1
        gate.set()
        until(lambda: row_of(job)["progress"] == 7, "the answer")
        after = row_of(job)
    assert after["claimed_by"] == claim.worker_name()
    assert after["due_at"] > later(4)
    assert after["look"] == before["look"] + 1
    check_numbering(job)


def test_a_hook_that_comes_during_such_a_look_brings_another(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    due: dict[UUID, list[datetime]] = defaultdict(list)
    ask = looks.ask

    def noted(backend: Backend, claims: Sequence[Claim], *more: Any) -> None:
        for each in claims:
            due[each.job.id].append(each.due)
        ask(backend, claims, *more)

    monkeypatch.setattr(looks, "ask", noted)
    with looked_at_without_a_lease(service, "seldom") as (_, job, script, gate):
        assert row_of(job)["claimed_by"] == ""
        assert hasten(job.id, now())
        hooked = now()
        gate.set()
        service.wait_for(lambda: len(script.polls) == 2, "another look")
    assert due[job.id][1] <= hooked, "it was the one that was due anyway"


def test_who_leaves_leases_what_is_not_answered(service: ScriptedBackend) -> None:
    with looked_at_without_a_lease(service) as (kept, job, script, gate):
        staying.stop()
        until(lambda: kept_by() == "", "it leaves")
        left = row_of(job)
        assert left["claimed_by"] == claim.worker_name()
        assert left["due_at"] > later(4)
        looks_before = len(kept.polls)
        until(lambda: run_tick("told") > 0, "a tick")
        assert len(kept.polls) == looks_before + 1, "only the one that was kept"
        gate.set()
        until(lambda: row_of(job)["progress"] == 7, "the answer")
    assert row_of(job)["claimed_by"] == ""
    assert row_of(job)["due_at"] <= later(0.2)
    assert len(script.polls) == 1
    check_numbering(job)


# --- two workers, and workers that die ------------------------------------------------------------


def test_another_tick_of_the_lane_does_nothing_meanwhile(service: ScriptedBackend) -> None:
    script = service.script({"state": "running"})
    started(script)
    with staying_tick():
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        Job.objects.update(due_at=now())
        assert run_tick("told") == 0
        assert Lane.objects.get().armed_for is None


def test_what_a_dead_worker_kept_goes_on_when_its_time_is_over(service: ScriptedBackend) -> None:
    started(service.script({"state": "succeeded"}))
    assert lanes.keep("told", 0, "a dead worker", later(10), now())
    assert run_tick("told") == 0
    Lane.objects.update(kept_until=later(-1))
    assert run_tick("told") == 1


def test_what_a_worker_kept_goes_on_when_it_is_started_anew(service: ScriptedBackend) -> None:
    started(service.script({"state": "succeeded"}))
    assert lanes.keep("told", 0, "a worker", later(10), now())
    lanes.let_go("another worker")
    assert run_tick("told") == 0
    lanes.let_go("a worker")
    assert run_tick("told") == 1


def test_a_time_that_the_clock_left_far_ahead_keeps_nothing(service: ScriptedBackend) -> None:
    started(service.script({"state": "succeeded"}))
    assert lanes.keep("told", 0, "a dead worker", later(3600), later(3590))
    assert run_tick("told") == 1


def test_only_so_many_ticks_stay(service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staying, "MOST", 0)
    script = service.script({"state": "running"})
    started(script)
    assert run_tick("told") == 1
    assert len(script.polls) == 1


def test_a_database_that_goes_away_meanwhile_ends_the_stay(
    service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = service.script({"state": "running"})
    job = started(script)
    with pytest.raises(RuntimeError, match="away"), staying_tick():  # noqa: PT012
        service.wait_for(lambda: len(script.polls) >= 2, "a look")
        monkeypatch.setattr(log, "record", _away)
        until(lambda: kept_by() == "", "the end of the stay")
    monkeypatch.undo()
    assert staying._stays == 0
    Job.objects.filter(id=job.id).update(due_at=now())  # its lease ends
    assert len(claim_due("told", 0, registry.policy_of("told"), now())) == 1


def _away(*_: object, **__: object) -> None:
    raise RuntimeError("the database is away")


# --- the end of leases ----------------------------------------------------------------------------


def test_the_end_of_a_lease_is_not_written_over_another_claim(service: ScriptedBackend) -> None:
    job = started(service.script())
    (held,) = claim_due("told", 0, registry.policy_of("told"), now())
    rows.release([(held.stored, later(7))], now())
    assert later(5) < row_of(job)["due_at"] < later(8)
    Job.objects.filter(id=job.id).update(due_at=now())
    (again,) = claim_due("told", 0, registry.policy_of("told"), now())
    rows.release([(held.stored, later(7))], now())
    assert row_of(job)["due_at"] == again.lease_ends
    hasten(job.id, now())
    rows.release([(again.stored, later(7))], now())
    assert row_of(job)["due_at"] <= now()
