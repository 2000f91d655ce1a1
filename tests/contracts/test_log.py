"""The log: one writer, events without holes, published exactly when committed (DESIGN 4)."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from progrock.backends import conversation, reading, registry
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.jobs import log
from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    JobError,
    Observation,
    Started,
    StartFailed,
)
from progrock.jobs.log import Entry
from progrock.jobs.policy import PollPolicy
from progrock.jobs.rows import value_of as as_value
from progrock.jobs.states import JobErrorCode, State
from progrock.live.publishing import Facts, Published
from progrock.models import Event, Job
from progrock.polling.claim import Claim, claim_due, hasten
from tests.contracts.parts import (
    at_once,
    check_numbering,
    frames_of,
    later,
    new_job,
    now,
    record,
    row_of,
    running_job,
    seen,
    unanswered,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")
ERROR = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message="no answer")


def recorded(entries: list[Entry]) -> list[log.Recorded]:
    return log.record(entries, registry.policy_of)


# --- writing -------------------------------------------------------------------------------------


def test_a_new_job_has_event_1() -> None:
    job = new_job()
    (frame,) = frames_of(job)
    assert (frame["seq"], frame["type"], frame["state"]) == (1, "state", "pending")
    assert (job.seq, row_of(job)["seq"]) == (1, 1)


def test_the_row_agrees_with_the_last_event() -> None:
    job = running_job()
    record(job.id, Observation(look=1, progress=40, current=4, total=10, unit="rows", message="ü"))
    row, frame = row_of(job), frames_of(job)[-1]
    for name in ("seq", "state", "condition", "progress", "current", "total", "unit", "message"):
        assert row[name] == frame[name], name
    check_numbering(job)


def test_the_end_is_written_whole() -> None:
    job = running_job()
    record(job.id, Observation(look=1, state=State.SUCCEEDED, result={"url": "/x", "n": [1, None]}))
    row, frame = row_of(job), frames_of(job)[-1]
    assert (row["state"], row["progress"], row["due_at"]) == ("succeeded", 100, None)
    assert row["result"] == frame["result"] == {"url": "/x", "n": [1, None]}
    assert row["finished"] is not None
    check_numbering(job)


def test_what_is_read_back_is_what_was_written() -> None:
    job = running_job()
    steps = [{"name": "a", "state": "running", "progress": 5.5}]
    outcome = record(job.id, Observation(look=1, progress=12.34, steps=steps, message="x" * 2_000))
    assert as_value(Job.objects.get(id=job.id)) == outcome.job


def random_change(chance: random.Random, look: int) -> Change:
    """Return a change that does not end the job, by the present look or by an old one."""
    look -= chance.random() < 0.2
    match chance.randrange(5):
        case 0:
            return CancelRequested()
        case 1:
            return unanswered(Job(id=UUID(int=0), look=look)).change
        case 2:
            return Observation(look=look, log=(f"line {chance.random()}",), progress=7)
        case _:
            return Observation(look=look, progress=100 * chance.random(), message=str(look))


def test_events_have_no_holes_whatever_the_batches() -> None:
    chance = random.Random(7)
    jobs = [running_job() for _ in range(5)]
    for _ in range(25):
        Job.objects.filter(id__in=[job.id for job in jobs]).update(look=2)
        picked = [chance.choice(jobs) for _ in range(8)]  # a job may come twice in a batch
        recorded([Entry(job=job.id, change=random_change(chance, 2)) for job in picked])
    for job in jobs:
        check_numbering(job)
        assert row_of(job)["seq"] > 2


def test_a_batch_of_many_jobs_is_one_publication(published: list[list[Published]]) -> None:
    jobs = [running_job() for _ in range(100)]
    published.clear()
    outcomes = recorded([seen(job, progress=5) for job in jobs])
    assert [outcome.job.id for outcome in outcomes] == [job.id for job in jobs]
    assert all(outcome.accepted for outcome in outcomes)
    assert set(Job.objects.values_list("progress", "seq")) == {(5.0, 3)}
    assert Event.objects.filter(seq=3, type="progress").count() == 100
    assert [len(batch) for batch in published] == [100]


def test_two_changes_of_one_job_in_a_batch_are_numbered_on() -> None:
    job = running_job()
    recorded([seen(job, log=("one",)), Entry(job=job.id, change=CancelRequested())])
    assert [frame["type"] for frame in frames_of(job)[2:]] == ["log", "state"]
    check_numbering(job)
    assert row_of(job)["state"] == "cancelling"


def test_a_cancel_beside_a_look_does_not_put_the_next_look_off() -> None:
    job = running_job(due_at=later(60))  # the lease
    alone = recorded([seen(job, progress=5)])[0].due_at
    assert alone is not None
    other = running_job(due_at=later(60))
    entries = [seen(other, progress=5), Entry(job=other.id, change=CancelRequested())]
    due = recorded(entries)[-1].due_at
    assert due is not None
    assert abs(due - alone) < timedelta(seconds=30)


def test_an_unknown_job_is_left_out_and_spoils_nothing() -> None:
    job = running_job()
    unknown = Entry(job=UUID(int=1), change=Observation(look=1))
    outcomes = recorded([unknown, seen(job, progress=5), unknown])
    assert [outcome.job.id for outcome in outcomes] == [job.id]
    assert recorded([unknown]) == []
    assert recorded([]) == []


def test_an_ended_job_beside_others_is_left_alone() -> None:
    ended, job = running_job(), running_job()
    record(ended.id, Observation(look=1, state=State.FAILED, error="x"))
    before = row_of(ended)
    outcomes = recorded([seen(ended, state=State.SUCCEEDED), seen(job, progress=5)])
    assert [outcome.accepted for outcome in outcomes] == [False, True]
    assert row_of(ended) == before


def test_a_stale_look_changes_nothing_not_even_when_it_is_due() -> None:
    job = running_job()
    Job.objects.filter(id=job.id).update(look=2)
    before = row_of(job)
    outcome = record(job.id, Observation(look=1, state=State.SUCCEEDED, log=("late",)))
    assert not outcome.accepted
    assert row_of(job) == before
    check_numbering(job)


# --- once, however often -------------------------------------------------------------------------


def changes_of(look: int) -> dict[str, Change]:
    begun = Started(
        look=look,
        operation="op",
        start={"status": 202},
        observation=Observation(look=look, state=State.RUNNING, log=("begun",)),
    )
    return {
        "unanswered": unanswered(Job(look=look)).change,
        "progress": Observation(look=look, progress=5),
        "log": Observation(look=look, log=("one", "two")),
        "nothing new": Observation(look=look),
        "started": begun,
        "not started": StartFailed(look=look, error=ERROR, try_again=True),
        "end": Observation(look=look, state=State.SUCCEEDED),
        "cancel": CancelRequested(),
        "given up": Ended(look=look, state=State.FAILED, error=ERROR),
    }


@pytest.mark.parametrize("name", changes_of(1))
def test_recording_twice_is_recording_once(name: str) -> None:
    job = new_job(look=1, start_sent=now()) if "started" in name else running_job()
    entry = Entry(job=job.id, change=changes_of(1)[name], due=now())
    recorded([entry])
    row, frames = row_of(job), frames_of(job)
    recorded([entry])
    assert frames_of(job) == frames
    assert row_of(job) == row


@pytest.mark.parametrize("name", changes_of(1))
def test_two_workers_with_the_same_look_are_one(name: str) -> None:
    change = changes_of(1)[name]
    pending = "started" in name
    for _ in range(5):
        job = new_job(look=1, start_sent=now()) if pending else running_job()
        alone = new_job(look=1, start_sent=now()) if pending else running_job()
        entry = Entry(job=job.id, change=change)
        at_once(lambda entry=entry: recorded([entry]), lambda entry=entry: recorded([entry]))
        recorded([Entry(job=alone.id, change=change)])
        check_numbering(job)
        for column in ("seq", "state", "failures", "log_lines"):
            assert row_of(job)[column] == row_of(alone)[column], column


def test_workers_that_write_the_same_jobs_in_another_order_do_not_block_each_other() -> None:
    jobs = [running_job() for _ in range(10)]
    for number in range(10):
        entries = [seen(job, message=f"{number}") for job in jobs]
        backwards = [seen(job, log=(f"{number}",)) for job in reversed(jobs)]
        at_once(
            lambda entries=entries: recorded(entries),
            lambda backwards=backwards: recorded(backwards),
        )
        Job.objects.filter(id__in=[job.id for job in jobs]).update(look=1)
    for job in jobs:
        check_numbering(job)


def test_a_cancel_and_an_end_at_once_leave_one_end() -> None:
    for _ in range(10):
        job = running_job()
        cancel = Entry(job=job.id, change=CancelRequested())
        end = seen(job, state=State.SUCCEEDED)
        at_once(lambda c=cancel: recorded([c]), lambda e=end: recorded([e]))
        check_numbering(job)
        assert row_of(job)["state"] == "succeeded"


# --- on what was claimed -------------------------------------------------------------------------


def claimed() -> list[Claim]:
    """Return claims of all jobs that are due."""
    return claim_due("plain", 0, PollPolicy(per_second=1_000), now())


def answered(claim: Claim, **values: Any) -> Entry:
    """Return an entry as a tick makes it: what a claim's look saw."""
    change = Observation(look=claim.job.look, **values)
    return Entry(job=claim.job.id, change=change, due=claim.due, held=claim.stored)


def test_what_was_claimed_is_written_as_what_is_read_again() -> None:
    told = {"progress": 40.0, "current": 4.0, "total": 10.0, "message": "ü", "log": ("one",)}
    told |= {"steps": [{"name": "a", "state": None, "progress": 5.5}], "status_url": "http://b/s"}
    one, other = running_job(), running_job()
    Job.objects.update(pace={})  # they began at different times
    claims = {claim.job.id: claim for claim in claimed()}
    at = now()
    held, read = answered(claims[one.id], **told), answered(claims[other.id], **told)
    read = read._replace(held=None, due=held.due)
    log.record([held], registry.policy_of, at)
    log.record([read], registry.policy_of, at)
    own = {"id", "created", "started", "moved_at", "start_sent"}
    rows = [
        {key: value for key, value in row_of(job).items() if key not in own} for job in (one, other)
    ]
    assert rows[0] == rows[1]
    frames = [[{**frame, "job": "", "at": ""} for frame in frames_of(job)] for job in (one, other)]
    assert frames[0] == frames[1]
    check_numbering(one)


def test_the_end_of_what_was_claimed_is_written_whole() -> None:
    running_job()
    (claim,) = claimed()
    result = {"url": "/x", "n": [1, None, 2.5, "ü"]}
    recorded([answered(claim, state=State.SUCCEEDED, result=result)])
    stored = Job.objects.get()
    assert (stored.result, stored.progress, stored.due_at) == (result, 100, None)
    check_numbering(stored)


def test_a_cancel_since_the_claim_and_the_answer_both_count(
    published: list[list[Published]],
) -> None:
    job = running_job()
    (claim,) = claimed()
    published.clear()
    record(job.id, CancelRequested())
    (outcome,) = recorded([answered(claim, progress=40.0, log=("one",))])
    assert outcome.accepted
    row = row_of(job)
    assert (row["state"], row["progress"]) == ("cancelling", 40)
    assert [event.seq for batch in published for event in batch] == [3, 4, 5]
    check_numbering(job)


def test_one_overtaken_job_of_a_batch_holds_up_no_other(published: list[list[Published]]) -> None:
    jobs = [running_job() for _ in range(20)]
    claims = claimed()
    record(jobs[7].id, CancelRequested())
    record(jobs[3].id, Ended(state=State.FAILED, error=ERROR))
    Job.objects.filter(id=jobs[11].id).delete()
    Job.objects.filter(id=jobs[5].id).update(look=9)  # claimed by another since
    published.clear()
    outcomes = {each.job.id: each for each in recorded([answered(c, progress=40) for c in claims])}
    left_out = {jobs[3].id, jobs[5].id, jobs[11].id}
    assert {id_ for id_, each in outcomes.items() if each.accepted} == {
        job.id for job in jobs if job.id not in left_out
    }
    assert len([event for batch in published for event in batch]) == 17
    for job in jobs:
        if job.id != jobs[11].id:
            check_numbering(job)
    assert [row_of(jobs[place])["progress"] for place in (0, 3, 5, 7)] == [40, None, None, 40]


def test_an_answer_on_what_was_claimed_counts_once() -> None:
    job = running_job()
    (claim,) = claimed()
    entry = answered(claim, log=("one",))
    recorded([entry])
    row = row_of(job)
    assert not recorded([entry])[0].accepted
    assert not recorded([entry, entry._replace(held=None)])[0].accepted
    assert row_of(job) == row
    check_numbering(job)


@pytest.mark.parametrize("is_overtaken", [False, True], ids=["as claimed", "overtaken"])
def test_a_look_brought_forward_since_the_claim_stays_so(is_overtaken: bool) -> None:
    """What was answered before a hook came may be older than what the hook is about."""
    job = running_job()
    (claim,) = claimed()
    if is_overtaken:
        record(job.id, CancelRequested())
    soon = now()
    assert hasten(job.id, soon)
    (outcome,) = recorded([answered(claim, progress=40.0)])
    assert outcome.accepted
    assert row_of(job)["due_at"] == soon
    assert claimed()[0].job.progress == 40


def test_a_job_that_ended_is_due_no_more_though_a_look_was_brought_forward() -> None:
    job = running_job()
    (claim,) = claimed()
    assert hasten(job.id, now())
    recorded([answered(claim, state=State.SUCCEEDED)])
    assert row_of(job)["due_at"] is None


def test_an_answer_and_a_cancel_at_once_lose_neither() -> None:
    for _ in range(12):
        job = running_job()
        claims = [claim for claim in claimed() if claim.job.id == job.id]
        entry = answered(claims[0], progress=40.0)
        cancel = Entry(job=job.id, change=CancelRequested())
        at_once(lambda e=entry: recorded([e]), lambda c=cancel: recorded([c]))
        row = row_of(job)
        assert (row["state"], row["progress"], row["seq"]) == ("cancelling", 40, 4)
        check_numbering(job)


def test_answers_and_other_writers_in_any_order_do_not_block_each_other() -> None:
    jobs = [running_job() for _ in range(12)]
    for number in range(8):
        Job.objects.filter(id__in=[job.id for job in jobs]).update(due_at=now())
        entries = [answered(claim, message=f"{number}") for claim in claimed()]
        assert len(entries) == 12
        backwards = [Entry(job=job.id, change=CancelRequested()) for job in reversed(jobs)]
        at_once(
            lambda entries=entries: recorded(entries),
            lambda entries=entries: recorded(entries[::-1]),
            lambda backwards=backwards: recorded(backwards),
        )
    for job in jobs:
        check_numbering(job)
        row = row_of(job)
        assert (row["state"], row["message"]) == ("cancelling", "7")


# --- publishing ----------------------------------------------------------------------------------


def test_what_is_published_is_what_was_written(published: list[list[Published]]) -> None:
    job = running_job(labels=["a", "b"], shard=3)
    recorded([seen(job, log=("one",), state=State.SUCCEEDED, result=7)])
    events = Event.objects.filter(job_id=job.id).order_by("seq")
    told = [event for batch in published for event in batch]
    assert [(event.seq, event.type, event.frame) for event in told] == [
        (event.seq, event.type, event.frame) for event in events
    ]
    assert {(event.job, event.shard) for event in told} == {(str(job.id), 3)}
    assert told[-1].facts == Facts(None, "plain", ("a", "b"), "succeeded")


def test_what_is_rolled_back_is_neither_written_nor_published(
    published: list[list[Published]],
) -> None:
    job = running_job()
    published.clear()
    with transaction.atomic():
        recorded([seen(job, progress=5)])
        new_job()
        transaction.set_rollback(True)
    assert published == []
    assert Job.objects.count() == 1
    check_numbering(job)
    recorded([seen(job, progress=6)])
    assert [event.seq for batch in published for event in batch] == [3]
    check_numbering(job)


def test_nothing_is_published_before_the_commit(published: list[list[Published]]) -> None:
    job = running_job()
    published.clear()
    with transaction.atomic():
        recorded([seen(job, progress=5)])
        assert published == []
    assert len(published) == 1


def test_a_change_without_events_is_not_published(published: list[list[Published]]) -> None:
    job = running_job()
    published.clear()
    recorded([seen(job)])
    assert published == []


# --- when the job falls due next -----------------------------------------------------------------


def test_the_next_look_counts_from_when_this_one_was_due() -> None:
    job = running_job()
    due, at = now(), later(0.4)
    entry = Entry(job=job.id, change=Observation(look=1, progress=5), due=due)
    (outcome,) = log.record([entry], registry.policy_of, at)
    assert outcome.due_at == due + timedelta(seconds=1)
    assert row_of(job)["due_at"] == outcome.due_at


def test_a_job_that_ended_falls_due_never_again() -> None:
    job = running_job()
    assert record(job.id, Observation(look=1, state=State.SUCCEEDED)).due_at is None
    assert row_of(job)["due_at"] is None


def test_a_cancel_leaves_the_lease_of_a_look_that_is_under_way() -> None:
    job = running_job(due_at=later(17))
    record(job.id, CancelRequested())
    assert row_of(job)["due_at"] == job.due_at
    assert recorded([seen(job, state=State.CANCELLED)])[0].accepted


def test_a_start_that_fails_again_and_again_is_not_sent_without_pause() -> None:
    # DESIGN 3.8 and BACKENDS `deadline`: beyond it the job is over, not tried ever faster.
    job = new_job(backend="safe", look=1, start_sent=now(), created=later(-7_200))
    outcome = record(job.id, StartFailed(look=1, error=ERROR, try_again=True))
    pause = outcome.due_at and (outcome.due_at - now()).total_seconds()
    assert outcome.job.state.is_terminal or (pause or 0) > 0.2


# --- hostile backends ----------------------------------------------------------------------------

HEAVY = b'{"name": "a", "state": "running", "progress": 50, "weight": 1e308}'
HOSTILE: dict[str, Any] = {
    "nul": b'{"id": "a\\u0000b", "state": "running", "message": "a\\u0000b", "x": "\\u0000"}',
    "nul in the result": b'{"id": "1", "state": "succeeded", "result": {"\\u0000": "\\u0000"}}',
    "a large number": b'{"id": "1", "state": "succeeded", "result": 1e300}',
    "a large id": b'{"id": 123456789012345678901234567890, "state": "running"}',
    "not a number": b'{"id": "1", "state": "running", "progress": "nan"}',
    "surrogates": b'{"id": "\\ud800", "state": "running", "message": "\\ud83d"}',
    "deep": b'{"id": "1", "state": "succeeded", "result": %b%b}' % (b"[" * 240, b"]" * 240),
    "deeper": b'{"id": "1", "state": "succeeded", "result": %b%b}' % (b"[" * 500, b"]" * 500),
    "heavy": b'{"id": "1", "state": "running", "steps": [%b, %b]}' % (HEAVY, HEAVY),
    "wide": b'{"id": "1", "state": "succeeded", "result": "%b"}' % (b"x" * 1_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_hostile_backend_says_can_be_recorded_beside_other_jobs(name: str) -> None:
    backend = registry.choose("plain")
    reply = HttpReply(status=200, headers={"x": "a"}, content=HOSTILE[name])
    other = running_job()
    new, old = new_job(look=1, start_sent=now()), running_job()
    entries = [seen(other, progress=5)]
    for job, read in ((new, reading.read_start), (old, reading.read_poll)):
        value = as_value(job)
        try:
            change = read(backend, value, {}, reply)
        except BackendError as exc:
            change = conversation.failed_look(value, exc)
        entries.append(Entry(job=job.id, change=change))
    assert all(outcome.accepted for outcome in recorded(entries))
    for job in (other, new, old):
        check_numbering(job)
    assert row_of(other)["progress"] == 5
