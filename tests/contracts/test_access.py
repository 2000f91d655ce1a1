"""Who may do what: owners, staff, and the bearers of report and share tokens (PROTOCOL 2.6)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import access, commenting, editing, queries, reporting, retrying, services
from progrock.jobs.snapshot import snapshot
from progrock.models import Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import Filter, JobEdit, RetryRequest, StartRequest
from tests.contracts.parts import new_job

pytestmark = pytest.mark.usefixtures("real_parts", "published")
COMMANDS: dict[str, Callable[[Who, str], object]] = {
    "cancel": services.cancel_job,
    "retry": lambda who, job: retrying.retry_job(who, job, RetryRequest()),
    "edit": lambda who, job: editing.edit_job(who, job, JobEdit(note="x")),
    "comment": lambda who, job: commenting.comment_on(who, job, "x"),
    "report": reporting._reportable,
}


def reader_of(job: Job, seconds: float = 60) -> Who:
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    return Who(None, None, only_job=str(job.id), is_reader=True, expires=expires)


def refusal(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.code


@pytest.fixture
def owned() -> Job:
    """A reported job of somebody's."""
    return new_job(owner_id=User.objects.create_user("ada").pk, backend="push")


def test_the_bearer_of_a_share_token_sees_the_job_whoever_owns_it(owned: Job) -> None:
    reader, id_ = reader_of(owned), str(owned.id)
    assert queries.find_job(reader, id_).id == owned.id
    assert access.may_follow(reader, id_, owned.owner_id)
    assert snapshot(owned, reader)["can"] == []


def test_and_no_other_job_not_even_one_that_everybody_sees(owned: Job) -> None:
    reader, other = reader_of(owned), new_job()
    assert refusal(lambda: queries.find_job(reader, str(other.id))) is ErrorCode.UNKNOWN_JOB
    assert not access.may_follow(reader, str(other.id), None)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_bearer_of_a_share_token_may_do_nothing(command: str, owned: Job) -> None:
    other, ask = new_job(), COMMANDS[command]
    assert refusal(lambda: ask(reader_of(owned), str(owned.id))) is ErrorCode.NOT_PERMITTED
    assert refusal(lambda: ask(reader_of(owned), str(other.id))) is ErrorCode.UNKNOWN_JOB


def test_the_bearer_of_a_share_token_starts_and_lists_nothing(owned: Job) -> None:
    reader = reader_of(owned)
    for call in (
        lambda: services.start_job(reader, StartRequest()),
        lambda: queries.page_of_jobs(reader, Filter(), 5, None),
    ):
        assert refusal(call) is ErrorCode.NOT_PERMITTED


def test_a_share_token_is_good_until_its_time_is_over(owned: Job) -> None:
    reader, id_ = reader_of(owned), str(owned.id)
    late = replace(reader, expires=datetime.now(UTC) - timedelta(microseconds=1))
    assert access.may_follow(reader, id_, None)
    assert not access.may_follow(late, id_, None)
    assert refusal(lambda: queries.find_job(late, id_)) is ErrorCode.NOT_AUTHENTICATED


def test_the_bearer_of_a_report_token_is_told_of_its_own_job_whoever_owns_it(owned: Job) -> None:
    reporter = Who(None, None, only_job=str(owned.id))
    assert access.may_follow(reporter, str(owned.id), owned.owner_id)
    assert not access.may_follow(reporter, str(new_job().id), None)
    assert snapshot(owned, reporter)["can"] == []
    assert reporting._reportable(reporter, str(owned.id)).id == owned.id


@pytest.mark.parametrize(
    ("who", "is_seen"),
    [
        (ANONYMOUS, False),
        (Who(10**6, "bob"), False),
        (Who(10**6, "staff", is_staff=True), True),
    ],
    ids=lambda value: value.name or "nobody" if isinstance(value, Who) else "",
)
def test_the_job_of_somebody_is_told_to_them_and_to_staff(
    who: Who, is_seen: bool, owned: Job
) -> None:
    owner = Who(owned.owner_id, "ada")
    assert access.may_follow(owner, str(owned.id), owned.owner_id)
    assert access.may_follow(who, str(owned.id), owned.owner_id) is is_seen
    assert access.may_follow(who, str(owned.id), None)
