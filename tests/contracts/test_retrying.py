"""A retry: a new job for an ended one, for those who may control it (PROTOCOL 2.2)."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from progrock.backends import registry
from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import retrying
from progrock.jobs.changes import Observation
from progrock.jobs.states import State
from progrock.models import Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import RetryRequest
from tests.contracts.parts import Tasks, at_once, record, row_of, running_job

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def ended(state: State = State.FAILED, **fields: object) -> Job:
    """Return a job that has ended."""
    job = running_job(**fields)
    record(job.id, Observation(look=1, state=state))
    return job


def retry(job: Job, who: Who = ANONYMOUS, key: str | None = None, **params: object) -> Job:
    return retrying.retry_job(who, str(job.id), RetryRequest(params=params), key)


def test_params_replace_those_of_the_same_name_or_all_of_them() -> None:
    first = ended(params={"width": 5, "name": "a"}, title="First")
    changed = RetryRequest(params={"width": 6}, title="Second")
    row = row_of(retrying.retry_job(ANONYMOUS, str(first.id), changed))
    assert (row["params"], row["title"]) == ({"width": 6, "name": "a"}, "Second")
    alone = RetryRequest(params={"width": 7}, replace=True)
    row = row_of(retrying.retry_job(ANONYMOUS, str(first.id), alone))
    assert (row["params"], row["title"]) == ({"width": 7}, "First")
    assert row["retry_of"] == first.id


def refusal(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.code


def test_a_retry_takes_over_what_was_asked_and_nothing_of_what_became_of_it(tasks: Tasks) -> None:
    first = ended(params={"width": 5}, title="Again", labels=["a"], note="why", pinned=True)
    row = row_of(retry(first))
    assert row["retry_of"] == first.id
    assert (row["backend"], row["params"]) == ("plain", {"width": 5})
    assert (row["title"], row["labels"]) == ("Again", ["a"])
    assert (row["note"], row["pinned"], row["version"]) == ("", False, 1)
    assert (row["state"], row["seq"], row["error"], row["operation"]) == ("pending", 1, None, None)
    assert tasks.named("start_job") == [[str(row["id"])]]


@pytest.mark.parametrize(
    "state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT], ids=str
)
def test_whatever_way_a_job_has_ended_it_may_be_retried(state: State) -> None:
    assert retry(ended(state)).state == "pending"


def test_what_has_not_ended_cannot_be_retried(tasks: Tasks) -> None:
    assert refusal(lambda: retry(running_job())) is ErrorCode.NOT_FINISHED
    assert (Job.objects.count(), tasks.all()) == (1, [])


def test_a_retry_belongs_to_whom_the_first_job_belongs() -> None:
    ada = Who(User.objects.create_user("ada").pk, "ada")
    staff = Who(User.objects.create_user("staff").pk, "staff", is_staff=True)
    assert retry(ended(owner_id=ada.user), ada).owner_id == ada.user
    assert retry(ended(owner_id=ada.user), staff).owner_id == ada.user
    assert retry(ended(), ada).owner_id is None


def test_who_may_not_see_or_control_a_job_does_not_retry_it() -> None:
    job = ended(owner_id=User.objects.create_user("ada").pk)
    bob = Who(User.objects.create_user("bob").pk, "bob")
    for who in (bob, ANONYMOUS):
        assert refusal(lambda who=who: retry(job, who)) is ErrorCode.UNKNOWN_JOB
    reporter = Who(None, None, only_job=str(job.id))
    assert refusal(lambda: retry(job, reporter)) is ErrorCode.NOT_PERMITTED
    assert Job.objects.count() == 1


def test_the_description_of_today_counts() -> None:
    assert refusal(lambda: retry(ended(), width="wide")) is ErrorCode.BAD_PARAMS
    assert refusal(lambda: retry(ended(backend="gone"))) is ErrorCode.UNKNOWN_BACKEND
    assert registry.find("gone") is None


def test_the_same_key_at_once_is_one_retry() -> None:
    first = ended()
    given = at_once(*[lambda: retry(first, key="k").id] * 4)
    assert len(set(given)) == 1
    assert Job.objects.count() == 2


def test_a_key_is_good_for_the_retry_of_one_job() -> None:
    retry(ended(), key="k")
    assert refusal(lambda: retry(ended(), key="k")) is ErrorCode.CONFLICT
