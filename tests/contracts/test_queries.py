"""Reads: pages without gaps or repetitions, the same filters on each database."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import queries
from progrock.jobs.changes import CancelRequested, Observation
from progrock.jobs.snapshot import snapshot
from progrock.jobs.states import State
from progrock.models import Job
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import Filter
from tests.contracts.parts import later, new_job, now, record, running_job

pytestmark = pytest.mark.usefixtures("real_parts", "published")
STAFF = Who(0, "staff", is_staff=True)
ID = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"
SNAPSHOT_KEYS = set(
    "job seq backend title state condition complete progress current total unit message eta "
    "eta_range steps params result error owner labels note pinned version retry_of created "
    "started updated finished watchers can".split()
)


def found(who: Who = ANONYMOUS, search: str | None = None, **wanted: Any) -> set[str]:
    """Return the titles of the jobs that match."""
    page, _ = queries.page_of_jobs(who, Filter(**wanted), 200, None, search)
    return {job.title for job in page}


def pages(limit: int, who: Who = ANONYMOUS, **wanted: Any) -> list[list[Job]]:
    """Return all pages, following their cursors."""
    given, cursor = [], None
    while True:
        page, cursor = queries.page_of_jobs(who, Filter(**wanted), limit, cursor)
        given.append(page)
        if cursor is None:
            return given


# --- paging --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26])
def test_pages_give_each_job_once_though_all_began_at_the_same_time(limit: int) -> None:
    at = now()
    ids = [new_job(created=at).id for _ in range(25)]
    given = pages(limit)
    assert [job.id for page in given for job in page] == sorted(ids, reverse=True)
    assert all(len(page) == limit for page in given[:-1])


def test_pages_are_newest_first_to_the_microsecond() -> None:
    at = now().replace(microsecond=0)
    ids = [new_job(created=at.replace(microsecond=each)).id for each in (1, 999_999, 2, 0)]
    assert [job.id for page in pages(1) for job in page] == [ids[1], ids[2], ids[0], ids[3]]


def test_a_new_job_does_not_shift_the_pages() -> None:
    ids = [new_job().id for _ in range(6)]
    first, cursor = queries.page_of_jobs(ANONYMOUS, Filter(), 3, None)
    new_job()
    second, end = queries.page_of_jobs(ANONYMOUS, Filter(), 3, cursor)
    assert [job.id for job in first + second] == ids[::-1]
    assert end is None


def test_pages_keep_to_the_filter() -> None:
    at = now()
    ids = {new_job(created=at, labels=["a"] if number % 2 else []).id for number in range(20)}
    given = [job.id for page in pages(3, label="a") for job in page]
    assert len(given) == len(set(given)) == 10
    assert set(given) < ids


def test_no_jobs_are_one_empty_page() -> None:
    assert pages(5) == [[]]


CURSORS = ["", "x", "~", "1~2", "\0", "2026-11-21~" + ID, "2026-11-21T06:00:00~" + ID]
CURSORS += ["2026-11-21T06:00:00+00:00~x", "2026-11-21T06:00:00+00:00", f"nan~{ID}", f"{ID}~{ID}"]
CURSORS += [f"0001-01-01T00:00:00+14:00~{ID}", f"9999-12-31T23:59:59-14:00~{ID}", "~" * 5_000]


def test_a_cursor_that_is_none_of_ours_is_refused() -> None:
    new_job()
    for cursor in CURSORS:
        with pytest.raises(RequestError) as caught:
            queries.page_of_jobs(ANONYMOUS, Filter(), 5, cursor)
        assert caught.value.code is ErrorCode.BAD_MESSAGE


# --- filters -------------------------------------------------------------------------------------


def test_jobs_are_found_by_state() -> None:
    new_job(title="pending")
    running_job(title="running")
    ended = running_job(title="ended")
    record(ended.id, Observation(look=1, state=State.FAILED))
    assert found(state="running") == {"running"}
    assert found(state=["running", "failed"]) == {"running", "ended"}
    assert found(state=["cancelled"]) == set()
    assert found(state=[]) == found() == {"pending", "running", "ended"}


def test_jobs_are_found_by_backend() -> None:
    new_job(title="a", backend="plain")
    new_job(title="b", backend="safe")
    assert found(backend="safe") == {"b"}
    assert found(backend="nosuch") == set()
    assert found(backend="") == set()


LABELS = [
    "a",
    "b c",
    "ü",
    "日本",
    'quo"te',
    "it's",
    "100%",
    "a_b",
    "back\\slash",
    "[1]",
    "1",
    "null",
]
LABELS += ["a,b", "{}", "$.x", "A", "?", "%s", "a\tb"]


def test_jobs_are_found_by_a_whole_label() -> None:
    for each in LABELS:
        new_job(title=each, labels=["other", each])
    new_job(title="none", labels=[])
    for label in LABELS:
        assert found(label=label) == {label}
        assert found(label=label + label) == set()


def test_all_filters_must_match() -> None:
    new_job(title="a", labels=["x"])
    new_job(title="b", labels=["x"], backend="safe")
    running_job(title="c", labels=["x"], backend="safe")
    assert found(label="x", backend="safe", state="pending") == {"b"}


def test_jobs_are_found_by_words_of_their_note_and_message() -> None:
    new_job(title="noted", note="Ask Ada about it")
    running = running_job(title="told")
    record(running.id, Observation(look=1, message="Asking the moon"))
    assert found(search="ask") == {"noted", "told"}
    assert found(search="ada") == {"noted"}


def test_jobs_are_found_by_words_of_their_title() -> None:
    new_job(title="Report 100%_ it's \"\\ ü")
    new_job(title="other")
    for search in ("ort", "REPORT", "%", "_", "it's", '"', "\\", "ü"):
        assert len(found(search=search)) == 1, search
        assert found(search="nosuch" + search) == set(), search


# --- rights --------------------------------------------------------------------------------------


def test_each_sees_what_is_theirs_and_what_is_nobodys() -> None:
    ada, bob = (User.objects.create_user(name) for name in ("ada", "bob"))
    new_job(title="adas", owner=ada)
    new_job(title="bobs", owner=bob)
    new_job(title="nobodys")
    assert found(Who(ada.pk, "ada")) == {"adas", "nobodys"}
    assert found(Who(bob.pk, "bob")) == {"bobs", "nobodys"}
    assert found(ANONYMOUS) == {"nobodys"}
    assert found(STAFF) == {"adas", "bobs", "nobodys"}
    assert found(Who(ada.pk, "ada"), mine=True) == {"adas"}


def test_a_job_that_may_not_be_seen_is_as_unknown_as_one_that_is_not() -> None:
    ada, bob = (User.objects.create_user(name) for name in ("ada", "bob"))
    job = new_job(owner=ada)
    assert queries.find_job(Who(ada.pk, "ada"), str(job.id).upper()).id == job.id
    errors = []
    for who, name in ((Who(bob.pk, "bob"), str(job.id)), (Who(ada.pk, "ada"), ID)):
        with pytest.raises(RequestError) as caught:
            queries.find_job(who, name)
        errors.append((caught.value.code, caught.value.message.replace(name, "")))
    assert errors[0] == errors[1]
    assert errors[0][0] is ErrorCode.UNKNOWN_JOB


# --- events and jobs -----------------------------------------------------------------------------


def test_events_come_after_a_seq_in_order_and_bounded() -> None:
    job = running_job()
    for number in range(10):
        record(job.id, Observation(look=1, message=str(number)))
        Job.objects.filter(id=job.id).update(look=1)
    assert [event.seq for event in queries.events_after(job.id, 0, 100)] == list(range(1, 13))
    assert [event.seq for event in queries.events_after(str(job.id), 4, 3)] == [5, 6, 7]
    assert queries.events_after(job.id, 12, 100) == []
    assert queries.events_after(ID, 0, 100) == []
    assert queries.events_after(job.id, 2**53, 100) == []


def test_the_seq_of_many_jobs_is_read_at_once() -> None:
    jobs = [new_job() for _ in range(3)] + [running_job()]
    seqs = queries.seqs_of([str(job.id) for job in jobs] + [ID])
    assert seqs == {str(job.id): 1 + (job is jobs[3]) for job in jobs}
    assert queries.seqs_of([]) == {}


def test_jobs_that_changed_lately_are_found_latest_first() -> None:
    old = new_job(created=later(-60))
    jobs = [new_job(), running_job()]
    record(jobs[1].id, Observation(look=1, state=State.SUCCEEDED))
    changed = queries.changed_since(later(-30))
    assert [row.job for row in changed] == [str(job.id) for job in reversed(jobs)]
    assert [(row.seq, row.is_over) for row in changed] == [(3, True), (1, False)]
    assert str(old.id) not in {row.job for row in changed}


# --- the snapshot --------------------------------------------------------------------------------


def test_a_snapshot_has_all_keys_always() -> None:
    ended = running_job(labels=["a"])
    record(ended.id, Observation(look=1, state=State.FAILED, error="row 7"))
    owned = new_job(owner=User.objects.create_user("ada"))
    for job in (new_job(), running_job(), ended, owned):
        shown = snapshot(queries.find_job(STAFF, str(job.id)), STAFF, 2)
        assert set(shown) == SNAPSHOT_KEYS
        assert shown["complete"] is (shown["state"] in {"failed"})
        encode(shown)


def test_a_snapshot_says_what_its_reader_can_do() -> None:
    pending, cancelling, ended = new_job(), running_job(), running_job()
    record(cancelling.id, CancelRequested())
    record(ended.id, Observation(look=1, state=State.SUCCEEDED))

    def can(job: Job) -> set[str]:
        return set(snapshot(Job.objects.get(id=job.id), ANONYMOUS)["can"])

    known = {"cancel", "retry", "edit", "comment", "share"}
    assert all(can(job) <= known for job in (pending, cancelling, ended))
    assert "cancel" in can(pending)
    assert "cancel" not in can(ended)
