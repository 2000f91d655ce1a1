"""The sweeper finds in the database what lost tasks left behind (DESIGN 3.8, 4.1)."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from pytest_django.fixtures import Settings

from progrock.jobs.changes import CancelRequested, Observation
from progrock.jobs.states import State
from progrock.models import Event, IdempotencyKey, Job
from progrock.polling import pulse, sweeping
from progrock.polling.claim import claim_start
from tests.contracts.parts import (
    Tasks,
    at_once,
    check_numbering,
    frames_of,
    later,
    new_job,
    now,
    record,
    row_of,
    running_job,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def sent_start(backend: str, due: datetime) -> Job:
    """Return a job whose start was sent and is not answered; its lease ends at `due`."""
    job = new_job(backend=backend)
    assert claim_start(job.id, timedelta(seconds=30), now(), again=True)
    Job.objects.filter(id=job.id).update(due_at=due)
    return job


def starts(tasks: Tasks) -> list[UUID]:
    return [UUID(id_) for (id_,) in tasks.named("start_job")]


def test_with_nothing_left_behind_nothing_is_sent(tasks: Tasks) -> None:
    new_job(due_at=later(10))
    running_job(due_at=later(10))
    sent_start("safe", later(10))
    ended = running_job()
    record(ended.id, Observation(look=1, state=State.SUCCEEDED))
    sweeping.sweep()
    assert tasks.all() == []


# --- starts --------------------------------------------------------------------------------------


def test_a_start_whose_task_was_lost_is_sent_again(tasks: Tasks) -> None:
    job = new_job(due_at=later(-1))
    sweeping.sweep()
    assert starts(tasks) == [job.id]


def test_a_start_that_waits_for_a_worker_is_not_sent_at_each_sweep(tasks: Tasks) -> None:
    new_job(due_at=later(-1))
    for _ in range(5):
        sweeping.sweep()
    assert len(starts(tasks)) == 1


def test_an_unanswered_start_ends_the_job_where_it_must_not_be_repeated(tasks: Tasks) -> None:
    job = sent_start("plain", later(-1))
    sweeping.sweep()
    row = row_of(job)
    assert (row["state"], row["error"]["code"]) == ("failed", "start_unknown")
    assert frames_of(job)[-1]["type"] == "complete"
    assert starts(tasks) == []
    check_numbering(job)


def test_an_unanswered_start_is_sent_again_where_that_is_safe(tasks: Tasks) -> None:
    job = sent_start("safe", later(-1))
    sweeping.sweep()
    assert starts(tasks) == [job.id]
    assert row_of(job)["state"] == "pending"


@pytest.mark.parametrize("backend", ["plain", "safe"])
def test_a_job_that_never_began_is_over_at_its_deadline(backend: str) -> None:
    job = new_job(backend=backend, created=later(-7_200), due_at=later(-1))
    sweeping.sweep()
    row = row_of(job)
    assert (row["state"], (row["error"] or {}).get("code")) == ("timed_out", "timed_out")


def test_two_sweepers_at_once_end_a_job_once() -> None:
    jobs = [sent_start("plain", later(-1)) for _ in range(5)]
    at_once(sweeping.sweep, sweeping.sweep, sweeping.sweep)
    for job in jobs:
        check_numbering(job)
        assert row_of(job)["state"] == "failed"


# --- cancels -------------------------------------------------------------------------------------


def test_a_cancel_that_was_never_sent_is_sent_again(tasks: Tasks) -> None:
    job, fresh, told, ended = (running_job(due_at=later(60)) for _ in range(4))
    for each in (job, told, ended):
        record(each.id, CancelRequested(), later(-10))
    record(fresh.id, CancelRequested())
    Job.objects.filter(id=told.id).update(cancel_due_at=None)
    record(ended.id, Observation(look=1, state=State.CANCELLED))
    sweeping.sweep()
    assert tasks.named("cancel_job") == [[str(job.id)]]


def test_a_cancel_of_a_job_that_was_never_started_is_not_forgotten(tasks: Tasks) -> None:
    job = new_job(due_at=later(60))
    record(job.id, CancelRequested(), later(-10))
    sweeping.sweep()
    assert tasks.named("cancel_job") == [[str(job.id)]]


# --- pruning -------------------------------------------------------------------------------------


def test_the_latest_events_of_each_job_are_kept(settings: Settings) -> None:
    settings.PROGROCK_EVENTS_KEPT = 10
    long, short = running_job(), running_job()
    for number in range(30):
        record(long.id, Observation(look=1, message=str(number)))
        Job.objects.filter(id=long.id).update(look=1)
    record(long.id, Observation(look=1, state=State.SUCCEEDED))
    seq = row_of(long)["seq"]
    assert sweeping.prune() == seq - 10
    assert [frame["seq"] for frame in frames_of(long)] == list(range(seq - 9, seq + 1))
    assert frames_of(long)[-1]["type"] == "complete"
    check_numbering(short)
    assert sweeping.prune() == 0
    assert Event.objects.count() == 12


def test_keys_are_kept_for_their_time() -> None:
    for age in (23, 25):
        IdempotencyKey.objects.create(
            scope="s", key=str(age), fingerprint="", job=new_job(), created=later(-age * 3_600)
        )
    sweeping.prune()
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["23"]


def test_a_sweep_is_a_sign_of_life(tasks: Tasks) -> None:
    assert pulse.age_seconds() is None
    sweeping.sweep()
    age = pulse.age_seconds()
    assert age is not None
    assert age < 10
    tasks.clear()
    assert pulse.age_seconds() is None


if settings.TEST_DATABASE == "postgresql":  # where its layer can be

    def test_what_the_layer_leaves_in_the_database_is_deleted() -> None:
        message = apps.get_model("channels_postgres", "Message")
        member = apps.get_model("channels_postgres", "GroupChannel")
        for expire in (later(-1), later(60)):
            message.objects.create(channel="specific.a!b", message=b"", expire=expire)
            member.objects.create(group_key="events.0", channel="specific.a!b", expire=expire)

        sweeping.prune()

        for kept in (message, member):
            assert [row.expire > now() for row in kept.objects.all()] == [True]
