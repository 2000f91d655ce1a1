"""Who watches: the worker knows it without asking, and a thousand cost it no more than one."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from progrock.backends import registry
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import log, services
from progrock.jobs.changes import Observation
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import State
from progrock.live import attendance
from progrock.live.hub import Hub
from progrock.live.publishing import Facts, Published
from progrock.models import FeedWatch, Job
from progrock.polling import answers, attention, watched
from progrock.polling.claim import claim_due
from progrock.protocol.messages import StartRequest
from tests.contracts.parts import (
    DEADLINE_SECONDS,
    Tasks,
    later,
    new_job,
    now,
    row_of,
    running_job,
    unanswered,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")
POLICY = PollPolicy(min=1, max=8)  # of the backend `plain`
LONG_AGO = timedelta(minutes=5)


def slow_job(**fields: Any) -> Job:
    """Return a job that nobody watches: looked at long ago, and in eight seconds again."""
    job = running_job(**fields)
    Job.objects.filter(id=job.id).update(
        interval=8.0, due_at=later(8), looked_at=now() - LONG_AGO, watched_until=0.0
    )
    return Job.objects.get(id=job.id)


def look_at_all(**seen: Any) -> list[Job]:
    """Look at what is due, as a tick does, and see the same of each job; return the jobs."""
    claims = claim_due("plain", 0, POLICY, now())
    answers.record([(claim, Observation(look=claim.job.look, **seen)) for claim in claims])
    return [Job.objects.get(id=claim.job.id) for claim in claims]


def wait_of(job: Job) -> float:
    """Return the interval that the job's last look led to."""
    return float(row_of(job)["interval"])


# --- the intervals -------------------------------------------------------------------------------


def test_a_job_that_moves_is_looked_at_each_min_while_somebody_watches() -> None:
    job = running_job(watched_until=later(60).timestamp())
    look_at_all(progress=5)
    assert wait_of(job) == 1.0


def test_a_job_that_nobody_watches_is_looked_at_less_and_less_though_it_moves() -> None:
    job, waits = running_job(watched_until=later(-1).timestamp()), []
    for progress in range(1, 9):
        Job.objects.filter(id=job.id).update(due_at=now())
        look_at_all(progress=progress)
        waits.append(wait_of(job))
    assert waits[:3] == pytest.approx([1.5, 2.25, 3.375])
    assert waits[-1] == 8


def test_a_watcher_counts_for_a_minute() -> None:
    job = slow_job()
    attention.stay([str(job.id)], now())
    until = row_of(job)["watched_until"]
    assert later(55).timestamp() < until < later(65).timestamp()


def test_a_start_counts_as_watching() -> None:
    job = services.start_job(ANONYMOUS, StartRequest(backend="plain"))
    assert row_of(job)["watched_until"] > later(50).timestamp()


def test_what_was_written_lately_is_not_written_again() -> None:
    job = slow_job()
    attention.stay([str(job.id)], now())
    first = row_of(job)["watched_until"]
    attention.stay([str(job.id)], later(10))
    assert row_of(job)["watched_until"] == first
    attention.stay([str(job.id)], later(25))
    assert row_of(job)["watched_until"] > first


def test_many_jobs_are_noted_by_a_few_statements(django_assert_max_num_queries: Any) -> None:
    jobs = [str(slow_job().id) for _ in range(20)]
    with django_assert_max_num_queries(4):
        attention.stay(jobs, now())
    assert Job.objects.filter(watched_until__gt=0).count() == 20


def test_watching_does_not_come_between_a_claim_and_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    (claim,) = claim_due("plain", 0, POLICY, now())
    ids = [str(job.id)]
    attention.stay(ids, now())
    attention.come(ids, now())
    monkeypatch.setattr(log.rows, "read", lambda jobs: pytest.fail("the rows were read again"))
    change = Observation(look=claim.job.look, progress=7)
    (outcome,) = answers.record([(claim, change)])
    assert outcome.accepted
    row = row_of(job)
    assert (row["progress"], row["watched_until"] > later(50).timestamp()) == (7, True)


# --- someone comes -------------------------------------------------------------------------------


def test_someone_who_comes_has_it_looked_at_at_once(tasks: Tasks) -> None:
    job, at = slow_job(), now()
    attention.come([str(job.id)], at)
    assert row_of(job)["due_at"] == at
    assert row_of(job)["watched_until"] > later(50).timestamp()
    assert len(tasks.named("tick")) == 1


def test_a_look_younger_than_min_is_not_followed_at_once() -> None:
    job, at = slow_job(), now()
    Job.objects.filter(id=job.id).update(looked_at=at - timedelta(seconds=0.25))
    attention.come([str(job.id)], at)
    assert row_of(job)["due_at"] == at + timedelta(seconds=0.75)


def test_the_backends_retry_after_holds_for_someone_who_comes() -> None:
    running_job()
    (job,) = look_at_all(progress=5, retry_after=5)
    Job.objects.filter(id=job.id).update(due_at=later(8))
    attention.come([str(job.id)], later(2))
    assert later(4) < row_of(job)["due_at"] < later(6)


def test_nobody_brings_forward_what_is_to_be_left_alone(tasks: Tasks) -> None:
    jobs = {
        "not started": new_job(due_at=later(9)),
        "being looked at": slow_job(),
        "failing": slow_job(),
        "ended": slow_job(),
        "reported": slow_job(backend="push"),
    }
    ids = {what: job.id for what, job in jobs.items()}
    Job.objects.filter(id=ids["being looked at"]).update(claimed_by="a worker")
    log.record([unanswered(jobs["failing"])], registry.policy_of)
    ended = Observation(look=jobs["ended"].look, state=State.SUCCEEDED)
    log.record([log.Entry(jobs["ended"].id, ended)], registry.policy_of)
    before = {what: row_of(job)["due_at"] for what, job in jobs.items()}
    tasks.clear()
    attention.come([str(id_) for id_ in ids.values()], now())
    assert {what: row_of(job)["due_at"] for what, job in jobs.items()} == before
    assert before["ended"] is None
    assert tasks.named("tick") == []


@pytest.mark.parametrize("comers", [1, 300])
def test_many_who_come_cause_one_look_within_min(comers: int) -> None:
    job, at = slow_job(), now()
    looks = 0
    for number in range(comers):  # one after the other within three seconds, each process for once
        moment = at + timedelta(seconds=3 * number / comers)
        looks += looks_due(moment)
        attention.come([str(job.id)], moment)
    looks += looks_due(at + timedelta(seconds=3))
    assert looks == (1 if comers == 1 else 3)


def looks_due(moment: datetime) -> int:
    """Look at what is due at a moment; it never moves. Return how many looks that were."""
    claims = claim_due("plain", 0, POLICY, moment)
    log.record(
        [
            log.Entry(claim.job.id, Observation(look=claim.job.look), claim.due, claim.stored)
            for claim in claims
        ],
        registry.policy_of,
        moment,
    )
    return len(claims)


# --- lists ---------------------------------------------------------------------------------------


@pytest.fixture
def users(django_user_model: Any) -> dict[str, Who]:
    """Visitors: two users, one of the staff, nobody in particular."""
    made = {name: django_user_model.objects.create_user(name) for name in ("ada", "ben")}
    return {name: Who(user.pk, name) for name, user in made.items()} | {
        "staff": Who(0, "staff", is_staff=True),
        "nobody": ANONYMOUS,
    }


@pytest.mark.parametrize(
    ("reader", "watched_jobs"),
    [("ada", {"ada", None}), ("nobody", {None}), ("staff", {"ada", "ben", None}), (None, set())],
)
def test_a_list_watches_the_jobs_that_its_reader_may_see(
    users: dict[str, Who], reader: str | None, watched_jobs: set[str | None]
) -> None:
    if reader is not None:
        owner = watched.owner_of_feed(users[reader])
        assert owner is not None
        attention.stay_at_feeds([owner], now())
    owners = {name: users[name].user if name else None for name in ("ada", "ben", None)}
    jobs = {name: slow_job(owner_id=user) for name, user in owners.items()}
    Job.objects.update(due_at=now(), interval=4.0)
    look_at_all(progress=5)
    assert {name for name, job in jobs.items() if wait_of(job) == 1.0} == watched_jobs


def test_a_list_that_was_closed_a_minute_ago_counts_no_longer() -> None:
    attention.stay_at_feeds([watched.EVERYBODYS], now() - timedelta(seconds=61))
    assert not watched.feeds().cover(7)
    attention.forget_feeds(later(1))
    assert FeedWatch.objects.count() == 1
    attention.forget_feeds(later(60))
    assert FeedWatch.objects.count() == 0


def test_the_bearer_of_a_token_for_one_job_has_no_list() -> None:
    assert watched.owner_of_feed(Who(None, None, only_job="x")) is None


def test_the_lists_are_not_read_for_each_look(django_assert_num_queries: Any) -> None:
    watched.feeds()
    with django_assert_num_queries(0):
        watched.feeds()


def test_who_opens_a_list_has_its_first_jobs_looked_at(
    users: dict[str, Who], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "FIRST_SHOWN", 2)
    foreign = slow_job(owner_id=users["ben"].user)
    older, own, newest = slow_job(), slow_job(owner_id=users["ada"].user), slow_job()
    at = now()
    attention.come_to_feed(str(users["ada"].user), at)
    dues = {job.id: row_of(job)["due_at"] == at for job in (foreign, older, own, newest)}
    assert dues == {foreign.id: False, older.id: False, own.id: True, newest.id: True}


# --- in a web process ----------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The jobs that came to be watched, as the worker is told of them."""
    batches: list[list[str]] = []
    monkeypatch.setattr(attendance, "told", attendance.Told())
    monkeypatch.setattr(attention, "come", lambda jobs, now: batches.append(sorted(jobs)))
    return batches


def test_a_thousand_questions_for_a_job_are_told_once(told: list[list[str]]) -> None:
    for _ in range(1_000):
        attendance.look_in("a job", "plain", "running")
    attendance.look_in("another", "plain", "running")
    assert told == [["a job"], ["another"]]


@pytest.mark.parametrize(
    ("backend", "state"),
    [("plain", "succeeded"), ("plain", "timed_out"), ("plain", "pending"), ("push", "running")],
)
def test_a_job_that_is_not_polled_is_not_told_of(
    told: list[list[str]], backend: str, state: str
) -> None:
    attendance.look_in("a job", backend, state)
    assert told == []


def test_after_a_while_it_is_told_again(
    told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    attendance.look_in("a job", "plain", "running")
    monkeypatch.setattr(attendance, "TELL_SECONDS", 0.0)
    attendance.look_in("a job", "plain", "running")
    assert told == [["a job"], ["a job"]]


def test_what_could_not_be_told_is_told_at_the_next_question(
    told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(jobs: object, now: datetime) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(attention, "come", away)
        attendance.look_in("a job", "plain", "running")
    attendance.look_in("a job", "plain", "running")
    assert told == [["a job"]]


def test_what_is_remembered_of_the_telling_is_bounded(
    told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "TOLD_KEPT", 3)
    for number in range(9):
        attendance.look_in(f"job {number}", "plain", "running")
    assert len(attendance.told._at) == 3
    assert len(told) == 9


class Onlooker:
    """A watcher that takes what comes."""

    def __init__(self, who: Who = ANONYMOUS) -> None:
        self.who: Who | None = who

    def deliver(self, event: Published) -> None:
        """Take an event."""

    def on_beat(self, now: float) -> None:
        """Be told the time."""

    def fail(self) -> None:
        """Be told that nothing more comes."""


async def test_a_thousand_watchers_of_a_hub_are_told_of_as_one(told: list[list[str]]) -> None:
    hub = Hub()
    facts = Facts(None, "plain", (), "running")
    for number in range(1_000):
        hub.watch(Onlooker(), f"job {number % 3}", 1, facts, 0)
    await asyncio.wait_for(asyncio.gather(*hub._tasks), DEADLINE_SECONDS)
    assert told == [["job 0", "job 1", "job 2"]]
    watcher = Onlooker()
    hub.watch(watcher, "job 0", 1, facts, 0)
    hub.leave(watcher)
    hub.watch(watcher, "job 0", 1, facts, 0)
    assert len(told) == 1
    assert not hub.attendance._is_telling


async def test_a_hub_tells_each_twenty_seconds_what_is_still_watched(
    told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stayed: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(
        attendance, "_stay", lambda jobs, owners: stayed.append((sorted(jobs), sorted(owners)))
    )
    here = attendance.Attendance(lambda coroutine: coroutine.close())
    readers = [Onlooker(), Onlooker(Who(7, "ada")), Onlooker(Who(7, "ada"))]
    await here.stay(["a", "b"], readers)
    assert stayed == []  # they came just now
    here._stayed_at -= attendance.TELL_SECONDS
    await here.stay(["a", "b"], readers)
    await here.stay(["a", "b"], readers)
    assert stayed == [(["a", "b"], ["", "7"])]
