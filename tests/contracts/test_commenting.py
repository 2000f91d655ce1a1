"""Comments: kept beside the log, in the order of their events (PROTOCOL 2.2 and 3)."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import commenting, log
from progrock.jobs.changes import Observation
from progrock.jobs.states import State
from progrock.live.publishing import Published
from progrock.models import Comment, Event, Job
from progrock.polling import sweeping
from progrock.protocol.codes import ErrorCode
from tests.contracts.parts import at_once, check_numbering, frames_of, record, row_of, running_job

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def say(job: Job, text: str = "Hello", who: Who = ANONYMOUS) -> Comment:
    return commenting.comment_on(who, str(job.id), text)


def texts(job: Job, who: Who = ANONYMOUS) -> list[str]:
    page, _ = commenting.page_of_comments(who, str(job.id), 200, None)
    return [comment.text for comment in page]


def refusal(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.code


@pytest.fixture
def ada() -> Who:
    """A visitor with an account."""
    return Who(User.objects.create_user("ada").pk, "ada")


def test_a_comment_is_told_as_it_is_kept(ada: Who, published: list[list[Published]]) -> None:
    job = running_job()
    comment = say(job, "ü", ada)
    frame = frames_of(job)[-1]
    assert frame["type"] == "comment"
    assert frame["comment"] == commenting.told(Comment.objects.get())
    assert frame["comment"]["author"] == "ada"
    assert (frame["comment"]["id"], frame["comment"]["at"]) == (str(comment.pk), frame["at"])
    assert json.loads(published[-1][0].frame) == frame
    check_numbering(job)


def test_a_comment_changes_nothing_of_the_job_but_its_seq() -> None:
    job = running_job()
    record(job.id, Observation(look=1, state=State.SUCCEEDED))
    before = row_of(job)
    say(job)
    after = row_of(job)
    assert {name for name in after if after[name] != before[name]} == {"seq", "updated"}


def test_comments_outlive_their_events(settings: Settings) -> None:
    settings.PROGROCK_EVENTS_KEPT = 10
    job = running_job()
    for number in range(15):
        say(job, f"{number}")
    assert sweeping.prune() > 0
    assert Event.objects.filter(job=job).count() == 10
    assert texts(job) == [f"{number}" for number in range(15)]


def test_comments_at_once_are_all_kept_in_the_order_of_their_events() -> None:
    job = running_job()
    at_once(*[lambda text=text: say(job, text) for text in "abcdef"])
    told = [frame["comment"]["text"] for frame in frames_of(job) if frame["type"] == "comment"]
    assert texts(job) == told
    assert sorted(told) == list("abcdef")
    check_numbering(job)


def test_a_comment_that_gets_no_event_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    job = running_job()
    seq = row_of(job)["seq"]

    def fail(events: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(log, "_append", fail)
    with pytest.raises(OSError, match="full"):
        say(job)
    assert (Comment.objects.count(), row_of(job)["seq"]) == (0, seq)


def test_the_comment_of_a_deleted_account_stays_without_a_name(ada: Who) -> None:
    job = running_job()
    say(job, who=ada)
    User.objects.all().delete()
    assert commenting.told(Comment.objects.get())["author"] is None


def test_who_may_not_see_or_control_a_job_says_nothing_to_it(ada: Who) -> None:
    bob = Who(User.objects.create_user("bob").pk, "bob")
    job = running_job(owner_id=ada.user)
    say(job, "mine", ada)
    for who in (bob, ANONYMOUS):
        assert refusal(lambda who=who: say(job, who=who)) is ErrorCode.UNKNOWN_JOB
        assert refusal(lambda who=who: texts(job, who)) is ErrorCode.UNKNOWN_JOB
    reporter = Who(None, None, only_job=str(job.id))
    assert refusal(lambda: say(job, who=reporter)) is ErrorCode.NOT_PERMITTED
    assert texts(job, reporter) == texts(job, ada) == ["mine"]
