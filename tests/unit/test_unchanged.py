"""A reply that says the same as the last is known as such without being read."""

from collections.abc import Mapping

import pytest

from progrock.backends import conversation
from progrock.backends.backend import Backend
from progrock.backends.http import HttpReply, HttpRequest, Seen
from progrock.jobs import transitions
from progrock.jobs.changes import Change, Observation, PollFailed, Unchanged
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import Condition
from progrock.jobs.values import JobValue
from tests.unit.descriptions import BEGIN, MINIMAL, a_job, backend_of

BODY = b'{"state": "running", "progress": 40}'
PATHS = 'map.state = ".body.state"\nmap.progress = ".body.progress"\n'


def poll(
    backend: Backend,
    *replies: HttpReply,
    seen: Seen | None = None,
    job: JobValue | None = None,
) -> tuple[Change, list[HttpRequest]]:
    """Return what a poll gives, and the requests that went out."""
    talk = conversation.poll(backend, job or a_job(), {}, BEGIN, seen=seen)
    requests = [next(talk)]
    for reply in replies:
        try:
            requests.append(talk.send(reply))
        except StopIteration as done:
            return done.value, requests
    raise AssertionError("more replies were asked for")


def reply(
    content: bytes = BODY, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpReply:
    return HttpReply(status=status, headers=headers or {}, content=content)


def seen_in(change: Change) -> Seen | None:
    assert isinstance(change, Observation)
    return change.seen


def first_seen(backend: Backend, first: HttpReply) -> Seen:
    found = seen_in(poll(backend, first)[0])
    assert found is not None
    return found


def test_the_same_reply_is_unchanged_and_another_is_read() -> None:
    backend = backend_of(MINIMAL + PATHS)
    seen = first_seen(backend, reply())
    assert poll(backend, reply(), seen=seen)[0] == Unchanged(look=3)
    other, _ = poll(backend, reply(BODY.replace(b"40", b"41")), seen=seen)
    assert isinstance(other, Observation)
    assert other.progress == 41


def test_the_next_request_is_the_same_one_again() -> None:
    backend = backend_of(MINIMAL + PATHS)
    change, (built,) = poll(backend, reply())
    _, (again,) = poll(backend, reply(), seen=seen_in(change))
    assert again is built


def test_a_new_address_to_ask_at_is_asked() -> None:
    backend = backend_of(MINIMAL + PATHS + 'map.status_url = ".body.next"\n')
    change, _ = poll(backend, reply(b'{"state": "running", "next": "/elsewhere"}'))
    assert isinstance(change, Observation)
    job = a_job(status_url=change.status_url)
    _, (request,) = poll(backend, reply(), seen=change.seen, job=job)
    assert request.url.endswith("/elsewhere")


def test_headers_count_only_where_the_description_reads_them() -> None:
    moving = {"x-request-id": "1", "date": "now"}, {"x-request-id": "2", "date": "later"}
    for table, is_unchanged in (
        (PATHS, True),
        (PATHS + 'map.message = ".headers[\\"x-request-id\\"]"\n', False),
        (PATHS + "map.message = '. | tostring'\n", False),
        (PATHS + "map.message = '.body.state | ascii_upcase'\n", True),
    ):
        backend = backend_of(MINIMAL + table)
        seen = first_seen(backend, reply(headers=moving[0]))
        change, _ = poll(backend, reply(headers=moving[1]), seen=seen)
        assert isinstance(change, Unchanged) is is_unchanged, table


@pytest.mark.parametrize(
    "first",
    [
        reply(status=404, content=b"{}"),
        HttpReply(status=200, headers={}, content=BODY, set_cookie=("a=b",)),
    ],
)
def test_a_failed_reply_and_one_with_a_cookie_are_read_each_time(first: HttpReply) -> None:
    backend = backend_of(MINIMAL + PATHS + "not_found_grace = 0\n")
    change, _ = poll(backend, first)
    assert getattr(change, "seen", None) is None


def test_a_wait_that_the_body_tells_is_read_each_time() -> None:
    backend = backend_of(MINIMAL + PATHS + 'map.retry_after = ".body.wait"\n')
    assert seen_in(poll(backend, reply())[0]) is None


def test_a_wait_that_a_header_tells_holds_for_an_unchanged_reply_too() -> None:
    backend = backend_of(MINIMAL + PATHS)
    seen = first_seen(backend, reply())
    change, _ = poll(backend, reply(headers={"retry-after": "7"}), seen=seen)
    assert change == Unchanged(look=3, retry_after=7)


def test_with_a_second_request_both_replies_must_be_the_same() -> None:
    table = 'also.path = "/more/{operation}"\nmap.message = ".also.body.text"\n'
    backend = backend_of(MINIMAL + PATHS + table)
    more = reply(b'{"text": "so far"}')
    seen = seen_in(poll(backend, reply(), more)[0])
    assert poll(backend, reply(), more, seen=seen)[0] == Unchanged(look=3)
    change, _ = poll(backend, reply(), reply(b'{"text": "further"}'), seen=seen)
    assert isinstance(change, Observation)
    assert change.message == "further"


def test_an_entity_tag_is_given_back_and_304_means_unchanged() -> None:
    backend = backend_of(MINIMAL + PATHS)
    seen = first_seen(backend, reply(headers={"etag": '"7"'}))
    change, (request,) = poll(backend, reply(b"", status=304), seen=seen)
    assert request.headers["If-None-Match"] == '"7"'
    assert change == Unchanged(look=3)


def test_a_304_that_nobody_asked_for_is_a_failed_poll() -> None:
    backend = backend_of(MINIMAL + PATHS)
    change, (request,) = poll(backend, reply(b"", status=304), seen=first_seen(backend, reply()))
    assert "If-None-Match" not in request.headers
    assert isinstance(change, PollFailed)


def test_a_changed_description_reads_and_asks_anew() -> None:
    seen = first_seen(backend_of(MINIMAL + PATHS), reply())
    other = backend_of(MINIMAL.replace("/jobs/", "/works/") + PATHS)
    change, (request,) = poll(other, reply(), seen=seen)
    assert isinstance(change, Observation)
    assert "/works/" in request.url


def test_an_unchanged_reply_ends_a_row_of_failures() -> None:
    job = a_job(failures=4, failing_since=BEGIN, condition=Condition.UNREACHABLE)
    step = transitions.advance(job, Unchanged(look=3), PollPolicy(), BEGIN)
    assert (step.job.failures, step.job.failing_since) == (0, None)
    assert step.job.condition is Condition.OK
    assert [event.type for event in step.events] == ["state"]


def test_unchanged_replies_for_long_are_a_stall() -> None:
    policy = PollPolicy(stall_after=0)
    step = transitions.advance(a_job(), Unchanged(look=3), policy, BEGIN)
    assert step.job.condition is Condition.STALLED
