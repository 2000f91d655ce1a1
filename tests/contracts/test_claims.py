"""Claims: a job belongs to one look at a time, and falls due again when its tick dies."""

from datetime import timedelta

import pytest

from progrock.backends import registry
from progrock.jobs import log
from progrock.jobs.changes import CancelRequested, Ended, JobError, Observation, StartFailed
from progrock.jobs.log import Entry
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import JobErrorCode, State
from progrock.models import Job
from progrock.polling.claim import Claim, batch_size, claim_due, claim_start, hasten
from tests.contracts.parts import (
    at_once,
    check_numbering,
    later,
    new_job,
    now,
    record,
    row_of,
    running_job,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")
POLICY = PollPolicy(per_second=10, in_flight=4, timeout=5)
LEASE = timedelta(seconds=30)


def claimed(policy: PollPolicy = POLICY, shard: int = 0, backend: str = "plain") -> list[Claim]:
    return claim_due(backend, shard, policy, now())


def test_what_is_due_is_claimed_with_a_new_look_and_a_lease() -> None:
    job = running_job(due_at=later(-3))
    (claim,) = claimed()
    assert (claim.job.id, claim.job.look, claim.due) == (job.id, job.look + 1, job.due_at)
    row = row_of(job)
    assert (row["look"], row["due_at"]) == (claim.job.look, claim.lease_ends)
    assert claim.lease_ends > later(POLICY.timeout)


def test_what_is_not_due_here_and_now_is_not_claimed() -> None:
    running_job(due_at=later(5))
    running_job(shard=1)
    running_job(backend="safe")
    new_job()  # not started
    ended = running_job()
    record(ended.id, Observation(look=1, state=State.SUCCEEDED))
    assert claimed() == []
    assert len(claimed(shard=1)) == 1


def test_a_claim_gives_what_the_request_is_made_of() -> None:
    job = running_job(params={"width": 7})
    (claim,) = claimed()
    assert claim.params == {"width": 7}
    assert (claim.job.operation, claim.job.start) == ("op", {"status": 202})
    assert claim.job.id == job.id


def test_a_claimed_job_is_not_claimed_again_while_its_lease_holds() -> None:
    running_job()
    assert len(claimed()) == 1
    assert claimed() == []
    assert claim_due("plain", 0, POLICY, later(POLICY.timeout)) == []


def test_when_the_lease_ends_the_job_falls_due_again_and_the_old_answer_no_longer_counts() -> None:
    job = running_job()
    (dead,) = claimed()
    (alive,) = claim_due("plain", 0, POLICY, dead.lease_ends)
    assert alive.job.look == dead.job.look + 1
    late = record(job.id, Observation(look=dead.job.look, state=State.FAILED, error="old"))
    assert not late.accepted
    assert record(job.id, Observation(look=alive.job.look, progress=5)).accepted
    check_numbering(job)


def test_a_tick_takes_what_the_backend_allows_in_about_a_second_the_longest_waiting_first() -> None:
    jobs = [running_job(due_at=later(-60 + number)) for number in range(25)]
    rounds = [[claim.job.id for claim in claimed()] for _ in range(4)]
    assert [len(round_) for round_ in rounds] == [10, 10, 5, 0]
    assert [id_ for round_ in rounds for id_ in round_] == [job.id for job in jobs]


def test_a_tick_takes_no_more_than_can_soon_be_asked_for() -> None:
    policy = PollPolicy(per_second=1_000, in_flight=32, timeout=30)
    assert batch_size(policy, latency=0.0) == 32  # not known: as many as may be slow
    assert batch_size(policy, latency=30.0) == 32
    assert batch_size(policy, latency=1.0) == 64
    assert batch_size(policy, latency=0.001) == 1_000
    assert batch_size(policy, latency=30.0, in_hand=30) == 2
    assert batch_size(policy, latency=30.0, in_hand=32) == 0
    assert batch_size(policy, latency=30.0, per_request=100) == 3_200
    assert batch_size(PollPolicy(per_second=0.1), latency=5.0) == 1
    assert batch_size(policy) == 1_000  # nothing is asked for


def test_a_lease_is_short_however_many_are_claimed_and_outlasts_what_is_begun() -> None:
    for _ in range(20):
        running_job()
    slow = PollPolicy(per_second=20, in_flight=1, timeout=2)
    claims = claimed(slow)
    assert len(claims) == 20
    lease_ends = claims[0].lease_ends
    assert timedelta(seconds=2 * 2) < lease_ends - now() < timedelta(seconds=20 * 2)
    assert now() < claims[0].last_begin == lease_ends - timedelta(seconds=slow.timeout)


def test_two_claimers_never_get_the_same_job() -> None:
    jobs = {running_job().id for _ in range(60)}
    rounds = [at_once(*[claimed] * 4) for _ in range(4)]
    taken = [claim.job.id for given in rounds for claims in given for claim in claims]
    assert len(taken) == len(set(taken))
    left = claimed(PollPolicy(per_second=1_000))
    assert set(taken) | {claim.job.id for claim in left} == jobs


def test_a_claim_and_a_record_at_once_lose_neither() -> None:
    for _ in range(15):
        job = running_job()
        entry = Entry(job=job.id, change=Observation(look=1, progress=50))
        outcomes, claims = at_once(lambda e=entry: log.record([e], registry.policy_of), claimed)
        row = row_of(job)
        # One came first: a record before the claim counts, one after it is of an old look.
        assert row["progress"] == (50 if outcomes[0].accepted else None)
        assert row["look"] >= 1 + len(claims)
        check_numbering(job)
        Job.objects.all().delete()


# --- starts --------------------------------------------------------------------------------------


def test_a_start_is_claimed_once() -> None:
    job = new_job()
    claim = claim_start(job.id, LEASE, now(), again=False)
    assert claim is not None
    assert (claim.job.id, claim.job.look) == (job.id, 1)
    row = row_of(job)
    assert (row["look"], row["due_at"]) == (1, claim.lease_ends)
    assert row["start_sent"] is not None
    assert claim_start(job.id, LEASE, now(), again=False) is None
    assert claim_start(job.id, LEASE, now(), again=True) is None


def test_of_two_tasks_that_start_a_job_one_does() -> None:
    for again in (True, False):
        for _ in range(8):
            job = new_job()
            given = at_once(*[lambda j=job, a=again: claim_start(j.id, LEASE, now(), again=a)] * 3)
            assert sum(claim is not None for claim in given) == 1


def test_an_unanswered_start_is_sent_again_only_where_it_is_idempotent_and_after_its_lease() -> (
    None
):
    job = new_job()
    claim_start(job.id, LEASE, now(), again=True)
    over = now() + LEASE + timedelta(seconds=1)
    assert claim_start(job.id, LEASE, over, again=False) is None
    second = claim_start(job.id, LEASE, over, again=True)
    assert second is not None
    assert second.job.look == 2


def test_what_has_begun_or_ended_or_is_to_be_cancelled_is_not_started() -> None:
    begun, ended, cancelled = running_job(), new_job(), new_job()
    error = JobError(code=JobErrorCode.BACKEND_REFUSED, message="no")
    record(ended.id, Ended(state=State.FAILED, error=error))
    record(cancelled.id, CancelRequested())
    for job in (begun, ended, cancelled):
        assert claim_start(job.id, LEASE, later(7_200), again=False) is None
    assert claim_start(begun.id, LEASE, later(7_200), again=True) is None
    assert claim_start(ended.id, LEASE, later(7_200), again=True) is None


def test_a_start_that_failed_for_now_can_be_claimed_again() -> None:
    job = new_job(backend="safe")
    claim_start(job.id, LEASE, now(), again=True)
    error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message="no answer")
    record(job.id, StartFailed(look=1, error=error, try_again=True))
    claim = claim_start(job.id, LEASE, later(60), again=True)
    assert claim is not None
    assert claim.job.look > 1


# --- bringing a look forward ---------------------------------------------------------------------


def test_a_look_can_be_brought_forward_and_never_put_off() -> None:
    job = running_job(due_at=later(60))
    soon = later(1)
    assert hasten(job.id, soon)
    assert row_of(job)["due_at"] == soon
    assert not hasten(job.id, later(30))
    assert row_of(job)["due_at"] == soon


def test_a_job_that_has_ended_or_not_begun_is_not_brought_forward() -> None:
    ended, pending = running_job(), new_job(due_at=later(60))
    record(ended.id, Observation(look=1, state=State.SUCCEEDED))
    assert not hasten(ended.id, now())
    assert not hasten(pending.id, now())
    assert row_of(ended)["due_at"] is None
