"""What a client can ask for, and what an idempotency key promises (PROTOCOL 2.2 and 2.7)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from progrock.backends import registry
from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import log, services
from progrock.jobs.changes import Observation
from progrock.jobs.snapshot import snapshot
from progrock.jobs.states import State
from progrock.live.publishing import Published
from progrock.models import IdempotencyKey, Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import StartRequest
from tests.contracts.parts import (
    Tasks,
    at_once,
    check_numbering,
    frames_of,
    now,
    record,
    row_of,
    running_job,
    seen,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def start(key: str | None = None, who: Who = ANONYMOUS, **fields: Any) -> Job:
    return services.start_job(who, StartRequest(**fields), key)


def refusal(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.code


@pytest.fixture
def ada() -> Who:
    """A visitor with an account."""
    return Who(User.objects.create_user("ada").pk, "ada")


@pytest.fixture
def bob() -> Who:
    """Another one."""
    return Who(User.objects.create_user("bob").pk, "bob")


# --- starting ------------------------------------------------------------------------------------


def test_a_start_writes_the_job_and_its_first_event_and_sends_the_task(tasks: Tasks) -> None:
    job = start(params={"width": 5}, title=" A picture ", labels=["a", "b", "a"])
    row = row_of(job)
    assert (row["state"], row["seq"], row["backend"]) == ("pending", 1, "plain")
    assert (row["params"], row["title"], row["labels"]) == ({"width": 5}, "A picture", ["a", "b"])
    assert [frame["type"] for frame in frames_of(job)] == ["state"]
    assert tasks.named("start_job") == [[str(job.id)]]
    assert job.id.version == 7


def test_what_is_left_out_comes_from_the_description() -> None:
    job = start()
    assert (job.backend, job.title, job.params) == ("plain", "Plain", {"width": 640})


def test_newer_jobs_have_larger_ids() -> None:
    ids = [start().id for _ in range(20)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"backend": "nosuch"}, ErrorCode.UNKNOWN_BACKEND),
        ({"backend": ""}, ErrorCode.UNKNOWN_BACKEND),
        ({"params": {"width": "wide"}}, ErrorCode.BAD_PARAMS),
        ({"params": {"width": 6_000}}, ErrorCode.BAD_PARAMS),
    ],
)
def test_a_start_that_cannot_be_is_refused_and_leaves_nothing(
    fields: dict[str, Any], code: ErrorCode, tasks: Tasks
) -> None:
    assert refusal(lambda: start("k", **fields)) is code
    assert (Job.objects.count(), IdempotencyKey.objects.count(), tasks.all()) == (0, 0, [])


def test_bad_params_are_told_with_the_schemas_errors() -> None:
    with pytest.raises(RequestError) as caught:
        start(params={"width": "wide", "name": 7})
    assert {problem["field"] for problem in caught.value.details} == {"width", "name"}


def test_a_start_that_is_rolled_back_leaves_no_task(
    tasks: Tasks, published: list[list[Published]]
) -> None:
    with transaction.atomic():
        start("k")
        transaction.set_rollback(True)
    assert (Job.objects.count(), tasks.all(), published) == (0, [], [])


# --- the idempotency key -------------------------------------------------------------------------


def test_the_same_key_gives_the_same_job(tasks: Tasks) -> None:
    first = start("k", params={"width": 5})
    again = start("k", params={"width": 5})
    assert again.id == first.id
    assert Job.objects.count() == 1
    assert len(tasks.named("start_job")) == 1
    check_numbering(first)


def test_the_same_params_in_another_order_are_the_same() -> None:
    first = start("k", params={"width": 5, "name": "a", "deep": {"x": 1, "y": 2}})
    again = start("k", params={"deep": {"y": 2, "x": 1}, "name": "a", "width": 5})
    assert again.id == first.id


def test_what_the_description_fills_in_is_the_same_as_what_was_said() -> None:
    assert start("k", backend="plain", params={"width": 640}).id == start("k").id


@pytest.mark.parametrize("fields", [{"params": {"width": 6}}, {"backend": "safe"}])
def test_the_same_key_for_something_else_is_a_conflict(fields: dict[str, Any]) -> None:
    start("k", params={"width": 5})
    assert refusal(lambda: start("k", **fields)) is ErrorCode.CONFLICT
    assert Job.objects.count() == 1


def test_each_user_has_keys_of_their_own(ada: Who, bob: Who) -> None:
    jobs = {start("k", who=who).id for who in (ANONYMOUS, ada, bob)}
    assert len(jobs) == 3


def test_other_keys_and_no_key_give_other_jobs() -> None:
    assert len({start("a").id, start("b").id, start().id, start().id}) == 4


def test_a_key_is_kept_for_24_hours() -> None:
    first = start("k", params={"width": 5})
    IdempotencyKey.objects.update(created=now() - timedelta(hours=23, minutes=59))
    assert start("k", params={"width": 5}).id == first.id
    IdempotencyKey.objects.update(created=now() - timedelta(hours=24, minutes=1))
    assert start("k", params={"width": 6}).id != first.id
    assert IdempotencyKey.objects.count() == 1


def test_the_same_key_from_many_at_once_is_one_job(tasks: Tasks) -> None:
    for number in range(8):
        given = at_once(*[lambda number=number: start(f"k{number}").id] * 4)
        assert len(set(given)) == 1
    assert Job.objects.count() == 8
    assert len(tasks.named("start_job")) == 8


def test_an_expired_key_from_many_at_once_is_one_job() -> None:
    for number in range(5):
        start(f"k{number}")
        IdempotencyKey.objects.update(created=now() - timedelta(hours=25))
        given = at_once(*[lambda number=number: start(f"k{number}").id] * 3)
        assert len(set(given)) == 1


def test_the_same_key_for_different_things_at_once_is_one_job_and_a_conflict() -> None:
    def ask(key: str, width: int) -> object:
        try:
            return start(key, params={"width": width}).id
        except RequestError as exc:
            return exc.code

    for number in range(5):
        key = f"k{number}"
        given = at_once(lambda key=key: ask(key, 1), lambda key=key: ask(key, 2))
        assert given.count(ErrorCode.CONFLICT) == 1
    assert Job.objects.count() == 5


# --- cancelling ----------------------------------------------------------------------------------


def test_a_cancel_turns_the_job_cancelling_and_sends_the_task(tasks: Tasks) -> None:
    job = running_job()
    assert services.cancel_job(ANONYMOUS, str(job.id)).state == "cancelling"
    assert [frame["state"] for frame in frames_of(job)][-1] == "cancelling"
    assert tasks.named("cancel_job") == [[str(job.id)]]


def test_a_second_cancel_is_no_other(tasks: Tasks) -> None:
    job = running_job()
    services.cancel_job(ANONYMOUS, str(job.id))
    seq = row_of(job)["seq"]
    assert services.cancel_job(ANONYMOUS, str(job.id)).state == "cancelling"
    assert row_of(job)["seq"] == seq
    assert len(tasks.named("cancel_job")) == 1


def test_cancels_at_once_are_one() -> None:
    job = running_job()
    at_once(*[lambda: services.cancel_job(ANONYMOUS, str(job.id)).state] * 4)
    assert [frame["state"] for frame in frames_of(job)].count("cancelling") == 1
    check_numbering(job)


def test_a_cancel_and_the_end_at_once_leave_a_job_that_ended() -> None:
    for _ in range(8):
        job = running_job()

        def cancel(job: Job = job) -> object:
            try:
                return services.cancel_job(ANONYMOUS, str(job.id)).state
            except RequestError as exc:
                return exc.code

        def end(job: Job = job) -> None:
            log.record([seen(job, state=State.SUCCEEDED)], registry.policy_of)

        given = at_once(cancel, end)
        assert given[0] in {"cancelling", "succeeded", ErrorCode.NOT_CANCELLABLE}
        assert row_of(job)["state"] == "succeeded"
        check_numbering(job)


def test_what_has_ended_cannot_be_cancelled(tasks: Tasks) -> None:
    job = running_job()
    record(job.id, Observation(look=1, state=State.SUCCEEDED))
    code = refusal(lambda: services.cancel_job(ANONYMOUS, str(job.id)))
    assert code is ErrorCode.NOT_CANCELLABLE
    assert tasks.all() == []


def test_a_job_that_may_not_be_seen_is_unknown(ada: Who, bob: Who) -> None:
    job = start(who=ada)
    for who in (bob, ANONYMOUS):
        code = refusal(lambda who=who: services.cancel_job(who, str(job.id)))
        assert code is ErrorCode.UNKNOWN_JOB
    for name in ("", "7", "\0", "x" * 10_000, "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"):
        code = refusal(lambda name=name: services.cancel_job(ada, name))
        assert code is ErrorCode.UNKNOWN_JOB
    assert services.cancel_job(ada, str(job.id)).state == "cancelling"


# --- earlier runs --------------------------------------------------------------------------------


def ran(seconds: float, state: State = State.SUCCEEDED, **fields: Any) -> Job:
    """Write a job that ended just now and took so long."""
    job = start(**fields)
    begun = now() - timedelta(seconds=seconds)
    Job.objects.filter(id=job.id).update(
        state=state, started=begun, finished=begun + timedelta(seconds=seconds), due_at=None
    )
    return job


def test_a_new_job_knows_how_long_the_same_work_took_before() -> None:
    for seconds in (58, 60, 62, 61):
        ran(seconds, title="Nightly")
    ran(5, title="Another")
    ran(5, title="Nightly", backend="safe")
    ran(5, State.FAILED, title="Nightly")
    history = start(title="Nightly").pace["h"]
    assert (history["n"], history["median"]) == (4, 60.5)
    assert start(title="Another").pace == {}


def test_only_the_latest_runs_count() -> None:
    for _ in range(3):
        ran(600)
    for _ in range(20):
        ran(60)
    assert start().pace["h"]["median"] == 60


def test_a_job_that_reports_itself_has_an_estimate_from_its_start() -> None:
    for _ in range(3):
        ran(60, backend="push")
    job = start(backend="push")
    assert job.pace["s"] == job.created.timestamp()
    told = snapshot(job, ANONYMOUS)
    low, high = told["eta_range"]
    assert low < told["eta"] < high
    assert told["eta"] == pytest.approx(60, abs=3)


def test_the_snapshot_tells_the_time_left_as_of_now() -> None:
    for _ in range(3):
        ran(60)
    job = running_job(pace=start().pace, title="Plain")
    assert snapshot(job, ANONYMOUS)["eta"] == pytest.approx(60, abs=3)
    begun = job.pace["s"]
    Job.objects.filter(id=job.id).update(pace=job.pace | {"s": begun - 40})
    job.refresh_from_db()
    assert snapshot(job, ANONYMOUS)["eta"] == pytest.approx(20, abs=3)
    log.record([seen(job, state=State.SUCCEEDED)], registry.policy_of)
    job.refresh_from_db()
    told = snapshot(job, ANONYMOUS)
    assert (told["eta"], told["eta_range"]) == (None, None)
