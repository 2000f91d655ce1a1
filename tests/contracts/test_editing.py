"""Edits: one of two with the same version wins, and none is lost beside a poll (PROTOCOL 2.2)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from progrock.backends import registry
from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import editing, log, services
from progrock.jobs.changes import Observation
from progrock.jobs.log import Entry
from progrock.jobs.states import State
from progrock.live.publishing import Published
from progrock.models import Job
from progrock.polling.claim import claim_due
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import JobEdit
from tests.contracts.parts import at_once, check_numbering, frames_of, now, record, row_of
from tests.contracts.parts import running_job as running

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def edit(job: Job, version: int | None = None, who: Who = ANONYMOUS, **fields: Any) -> Job:
    versions = None if version is None else {version}
    return editing.edit_job(who, str(job.id), JobEdit(**fields), versions, "tab")


def outcome_of(call: Callable[[], Job]) -> int | ErrorCode:
    """Return the version that an edit made, or why it was refused."""
    try:
        return call().version
    except RequestError as exc:
        return exc.code


def versions_told(job: Job) -> list[int]:
    return [frame["version"] for frame in frames_of(job) if frame["type"] == "edited"]


def test_an_edit_changes_the_row_and_nothing_that_polling_needs() -> None:
    job = running()
    before = row_of(job)
    edited = edit(job, 1, title="New", labels=["a"])
    after = row_of(job)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"title", "labels", "version", "seq", "updated"}
    assert (edited.title, edited.version, edited.seq) == ("New", 2, before["seq"] + 1)
    check_numbering(job)


def test_what_is_told_is_what_was_written(published: list[list[Published]]) -> None:
    job = running(labels=["old"])
    record(job.id, Observation(look=1, progress=40, message="half"))
    edit(job, labels=["new"], note="x")
    frame = frames_of(job)[-1]
    assert (frame["type"], frame["set"]) == ("edited", {"labels": ["new"], "note": "x"})
    assert (frame["version"], frame["by"], frame["by_connection"]) == (2, None, "tab")
    assert (frame["state"], frame["progress"], frame["message"]) == ("running", 40, "half")
    ((event,),) = published[-1:]
    assert (event.seq, event.type, set(event.facts.labels)) == (4, "edited", {"old", "new"})
    assert edit(job, 2, who=Who(None, "ada"), pinned=True).pinned
    assert frames_of(job)[-1]["by"] == "ada"


def test_events_after_an_edit_go_to_those_who_filter_by_the_new_labels(
    published: list[list[Published]],
) -> None:
    job = running(labels=["old"])
    edit(job, labels=["new"])
    record(job.id, Observation(look=1, progress=40))
    assert published[-1][0].facts.labels == ("new",)


def test_an_older_version_changes_nothing_and_is_told_the_present_values() -> None:
    job = running(title="First", labels=["a"])
    edit(job, 1, title="Second")
    before = row_of(job)
    with pytest.raises(RequestError) as caught:
        edit(job, 1, title="Third")
    assert caught.value.code is ErrorCode.CONFLICT
    expected = {"title": "Second", "note": "", "labels": ["a"], "pinned": False, "version": 2}
    assert caught.value.details == expected
    assert row_of(job) == before
    assert versions_told(job) == [2]


def test_of_two_edits_of_the_same_version_exactly_one_wins() -> None:
    for _ in range(8):
        job = running()
        given = at_once(
            lambda job=job: outcome_of(lambda: edit(job, 1, title="One")),
            lambda job=job: outcome_of(lambda: edit(job, 1, title="Two")),
        )
        assert sorted(given, key=str) == [2, ErrorCode.CONFLICT]
        assert row_of(job)["title"] == ("One" if given[0] == 2 else "Two")
        assert versions_told(job) == [2]
        check_numbering(job)


def test_edits_without_a_version_all_count() -> None:
    job = running()
    given = at_once(*[lambda name=name: edit(job, note=name).version for name in "abcd"])
    assert sorted(given) == versions_told(job) == [2, 3, 4, 5]
    check_numbering(job)


def test_an_edit_since_the_claim_and_the_answer_both_count() -> None:
    job = running(labels=["old"])
    (claim,) = claim_due("plain", 0, registry.policy_of("plain"), now())
    edit(job, 1, labels=["new"], title="Edited")
    change = Observation(look=claim.job.look, progress=70)
    entry = Entry(job=job.id, change=change, due=claim.due, held=claim.stored)
    (outcome,) = log.record([entry], registry.policy_of)
    assert outcome.accepted
    row = row_of(job)
    assert (row["title"], row["labels"], row["version"]) == ("Edited", ["new"], 2)
    assert row["progress"] == 70
    assert [frame["type"] for frame in frames_of(job)[-2:]] == ["edited", "progress"]
    check_numbering(job)


@pytest.mark.parametrize("is_held", [True, False])
def test_an_edit_and_an_answer_at_once_lose_neither(is_held: bool) -> None:
    for _ in range(8):
        job = running()
        claims = claim_due("plain", 0, registry.policy_of("plain"), now())
        (claim,) = (each for each in claims if each.job.id == job.id)  # an earlier one may be due
        change = Observation(look=claim.job.look, progress=70)
        held = claim.stored if is_held else None
        entry = Entry(job=job.id, change=change, due=claim.due, held=held)
        at_once(
            lambda entry=entry: log.record([entry], registry.policy_of),
            lambda job=job: edit(job, 1, title="Edited"),
        )
        row = row_of(job)
        assert (row["title"], row["version"], row["progress"]) == ("Edited", 2, 70)
        check_numbering(job)


def test_an_edit_and_the_end_at_once_lose_neither() -> None:
    for _ in range(8):
        job = running()
        claims = claim_due("plain", 0, registry.policy_of("plain"), now())
        (claim,) = (each for each in claims if each.job.id == job.id)  # an earlier one may be due
        change = Observation(look=claim.job.look, state=State.SUCCEEDED)
        entry = Entry(job=job.id, change=change, due=claim.due, held=claim.stored)
        at_once(
            lambda entry=entry: log.record([entry], registry.policy_of),
            lambda job=job: edit(job, 1, title="Edited"),
        )
        row = row_of(job)
        assert (row["title"], row["state"], row["due_at"]) == ("Edited", "succeeded", None)
        seqs = [frame["seq"] for frame in frames_of(job)]
        assert seqs == list(range(1, row["seq"] + 1))
        edited = next(frame for frame in frames_of(job) if frame["type"] == "edited")
        end = next(frame for frame in frames_of(job) if frame["type"] == "complete")
        assert edited["complete"] is (edited["seq"] > end["seq"])


def test_edits_cancels_and_answers_in_any_order_do_not_block_each_other() -> None:
    jobs = [running() for _ in range(10)]
    claims = claim_due("plain", 0, registry.policy_of("plain"), now())
    entries = [
        Entry(
            job=claim.job.id,
            change=Observation(look=claim.job.look, progress=5),
            due=claim.due,
            held=claim.stored,
        )
        for claim in claims
    ]

    def edit_all(ordered: list[Job]) -> None:
        for job in ordered:
            edit(job, pinned=True)

    at_once(
        lambda: log.record(entries, registry.policy_of),
        lambda: edit_all(jobs),
        lambda: edit_all(jobs[::-1]),
        lambda: [services.cancel_job(ANONYMOUS, str(job.id)) for job in jobs],
    )
    for job in jobs:
        row = row_of(job)
        assert (row["version"], row["state"]) == (3, "cancelling")
        assert row["progress"] == 5
        check_numbering(job)


def test_who_may_not_see_or_control_a_job_does_not_edit_it() -> None:
    ada = Who(User.objects.create_user("ada").pk, "ada")
    bob = Who(User.objects.create_user("bob").pk, "bob")
    job = running(owner_id=ada.user)
    for who in (bob, ANONYMOUS):
        assert outcome_of(lambda who=who: edit(job, who=who, note="x")) is ErrorCode.UNKNOWN_JOB
    reporter = Who(None, None, only_job=str(job.id))
    assert outcome_of(lambda: edit(job, who=reporter, note="x")) is ErrorCode.NOT_PERMITTED
    assert outcome_of(lambda: edit(job, who=ada, note="x")) == 2
    assert versions_told(job) == [2]
