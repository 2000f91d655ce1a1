"""What a worker remembers of its jobs holds only while their rows are as it wrote them."""

from typing import Any

import pytest
from django.db import transaction

from progrock.backends import registry
from progrock.backends.http import Seen
from progrock.jobs import log, recall, rows
from progrock.jobs.changes import CancelRequested, Change, Observation, Unchanged
from progrock.jobs.log import Entry
from progrock.jobs.policy import PollPolicy
from progrock.jobs.rows import Stored
from progrock.jobs.states import State
from progrock.models import Job
from progrock.polling.claim import Claim, claim_due
from tests.contracts.parts import check_numbering, now, record, row_of, running_job

pytestmark = pytest.mark.usefixtures("real_parts", "published")
POLICY = PollPolicy(per_second=10, in_flight=4, timeout=5)
SEEN = Seen(by="somebody", request=None, digest=7, etag=None)


def claimed() -> Claim:
    Job.objects.update(due_at=now())
    (claim,) = claim_due("plain", 0, POLICY, now())
    return claim


def answered(claim: Claim, change: Change) -> None:
    entry = Entry(job=claim.job.id, change=change, due=claim.due, held=claim.stored)
    (outcome,) = log.record([entry], registry.policy_of)
    assert outcome.accepted


def looked_at(**values: Any) -> Claim:
    claim = claimed()
    answered(claim, Observation(look=claim.job.look, seen=SEEN, **values))
    return claim


def read_anew(claim: Claim) -> Stored:
    found = rows.read_one(claim.job.id)
    assert found is not None
    return found


def test_a_job_that_was_just_written_is_claimed_without_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running_job()
    looked_at(progress=40, message="so far")
    monkeypatch.setattr(rows, "read", lambda jobs: pytest.fail("it was read"))
    claim = claimed()
    assert (claim.job.progress, claim.job.message) == (40, "so far")


def test_what_is_remembered_is_what_the_row_holds() -> None:
    running_job(params={"width": 7}, labels=["a"])
    looked_at(progress=40, current=4, total=10, unit="rows", steps=[], message="so far")
    for _ in range(2):  # the interval grows each time
        claim = claimed()
        answered(claim, Unchanged(look=claim.job.look))
    claim = claimed()
    held, found = claim.stored, read_anew(claim)
    assert held.job == found.job
    assert (held.params, held.owner, held.labels, held.shard) == (
        found.params,
        found.owner,
        found.labels,
        found.shard,
    )


def test_a_job_that_another_has_changed_is_read_again() -> None:
    job = running_job()
    looked_at(progress=40)
    record(job.id, CancelRequested())
    claim = claimed()
    assert claim.job.state is State.CANCELLING
    assert claim.stored.seen is None  # with the cancel, the same reply may mean something else


def test_a_job_that_another_worker_has_looked_at_is_read_again() -> None:
    job = running_job()
    looked_at(progress=40)
    look = row_of(job)["look"]
    record(job.id, Observation(look=look, progress=60))
    assert claimed().job.progress == 60


def test_what_was_rolled_back_is_not_remembered() -> None:
    running_job()
    claim = claimed()
    with transaction.atomic():
        answered(claim, Observation(look=claim.job.look, progress=40))
        transaction.set_rollback(True)
    assert claimed().job.progress is None


def test_an_ended_job_is_not_remembered() -> None:
    job = running_job()
    looked_at(state=State.SUCCEEDED)
    due = rows.Due(job.id.int, now(), row_of(job)["look"], row_of(job)["seq"], 0.0)
    ((_, found),) = recall.find([due])
    assert found.job.state is State.SUCCEEDED
    assert found.seen is None


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "MOST", 2)
    for _ in range(3):
        running_job()
    Job.objects.update(due_at=now())
    for claim in claim_due("plain", 0, POLICY, now()):
        answered(claim, Observation(look=claim.job.look, progress=1))
    counted: list[int] = []
    read = rows.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "read", lambda jobs: counted.append(1) or read(jobs))
        Job.objects.update(due_at=now())
        found = claim_due("plain", 0, POLICY, now())
    assert [claim.job.progress for claim in found] == [1, 1, 1]
    assert len(counted) == 1


def test_an_unchanged_reply_leaves_the_job_and_puts_off_the_next_look() -> None:
    job = running_job()
    looked_at(progress=40)
    before = row_of(job)
    claim = claimed()
    assert claim.stored.seen == SEEN
    answered(claim, Unchanged(look=claim.job.look))
    after = row_of(job)
    assert after["interval"] > before["interval"]
    untold = ("seq", "progress", "updated", "moved_at", "state")
    assert [after[name] for name in untold] == [before[name] for name in untold]
    assert claimed().stored.seen == SEEN
    check_numbering(job)
