"""PROTOCOL 2.1 and 2.6: a server that wants to know who is there, and jobs that have owners."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.conformance.conftest import Connect
from tests.conformance.connection import DEADLINE_SECONDS, Connection, Frame, opened
from tests.conformance.published import client_of
from tests.conformance.streams import STREAM, streamed
from tests.conformance.target import ClosedTarget, Visitor

pytestmark = pytest.mark.usefixtures("undecided")


class Undecided(threading.Thread):
    """A connection that asks for something and never says who it is.

    It is open while other tests run, so that nobody waits for the ten seconds of grace.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.answer: Frame = {}
        self.code = 0

    def run(self) -> None:
        with opened(self.url) as connection:
            self.answer = connection.ask("list")
            self.code = connection.until_close()


@pytest.fixture(scope="module")
def undecided(closed: ClosedTarget) -> Undecided:
    """A visitor of the closed server who does not say who he is."""
    thread = Undecided(closed.url)
    thread.start()
    return thread


@pytest.fixture
def join(closed: ClosedTarget) -> Iterator[Connect]:
    """Open connections to `/prog/` of the closed server."""
    with ExitStack() as stack:

        def open_one(visitor: Visitor | None = None, **options: Any) -> Connection:
            if visitor is not None:
                options["additional_headers"] = bearer(visitor)
            return stack.enter_context(opened(closed.url, **options))

        yield open_one


@pytest.fixture(scope="module")
def api(closed: ClosedTarget) -> Iterator[httpx.Client]:
    with client_of(closed.url, "/api/v1/") as client:
        yield client


@pytest.fixture(scope="module")
def session(closed: ClosedTarget) -> Iterator[httpx.Client]:
    """A client that is logged in as `staff` by a session cookie."""
    if not closed.staff.password:
        pytest.skip("no password was named")  # of a server named by its address; ours has one
    with client_of(closed.url) as client:
        client.get("/admin/login/")
        answer = client.post(
            "/admin/login/",
            data={
                "username": closed.staff.name,
                "password": closed.staff.password,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
                "next": "/healthz",
            },
            headers={"Origin": closed.url},
        )
        assert answer.status_code == 302, answer.text
        yield client


def bearer(visitor: Visitor) -> dict[str, str]:
    return {"Authorization": f"Bearer {visitor.token}"}


def cookie(session: httpx.Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in session.cookies.items())}


# --- a Bearer token ---


def test_a_bearer_token_says_who_is_there(closed: ClosedTarget, join: Connect) -> None:
    connection = join(closed.one)

    assert connection.hello["user"] == {"name": closed.one.name, "anonymous": False}
    assert connection.ask("list")["type"] == "jobs"


def test_a_wrong_bearer_token_is_refused_with_401(closed: ClosedTarget, join: Connect) -> None:
    with pytest.raises(InvalidStatus) as refused:
        join(Visitor(name="", token=closed.one.token + "x"))

    assert refused.value.response.status_code == 401


def test_a_wrong_bearer_token_beside_a_session_is_refused(
    closed: ClosedTarget, join: Connect, session: httpx.Client
) -> None:
    headers = {**cookie(session), "Authorization": "Bearer wrong"}

    with pytest.raises(InvalidStatus) as refused:
        join(origin=closed.url, additional_headers=headers)

    assert refused.value.response.status_code == 401


def test_a_bearer_token_comes_before_a_session(
    closed: ClosedTarget, join: Connect, session: httpx.Client
) -> None:
    headers = {**cookie(session), **bearer(closed.one)}

    connection = join(origin=closed.url, additional_headers=headers)

    assert connection.hello["user"]["name"] == closed.one.name


def test_a_bearer_token_with_a_foreign_origin_is_refused_with_403(
    closed: ClosedTarget, join: Connect
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        join(origin="https://elsewhere.example", additional_headers=bearer(closed.one))

    assert refused.value.response.status_code == 403


# --- a session ---


def test_a_session_with_an_own_origin_says_who_is_there(
    closed: ClosedTarget, join: Connect, session: httpx.Client
) -> None:
    connection = join(origin=closed.url, additional_headers=cookie(session))

    assert connection.hello["user"] == {"name": closed.staff.name, "anonymous": False}


def test_a_session_without_an_origin_does_not_count(join: Connect, session: httpx.Client) -> None:
    connection = join(additional_headers=cookie(session))

    assert connection.hello["user"]["name"] is None
    assert connection.ask("list")["code"] == "not_authenticated"


def test_a_session_with_a_foreign_origin_is_refused_with_403(
    join: Connect, session: httpx.Client
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        join(origin="https://elsewhere.example", additional_headers=cookie(session))

    assert refused.value.response.status_code == 403


def test_an_unsafe_call_by_a_session_needs_the_csrf_token(
    closed: ClosedTarget, session: httpx.Client
) -> None:
    without = session.post("/api/v1/jobs", json=closed.work.request())
    token = {"X-CSRFToken": session.cookies["csrftoken"], "Origin": closed.url}
    with_it = session.post("/api/v1/jobs", json=closed.work.request(), headers=token)

    assert without.status_code == 403
    assert without.headers["Content-Type"].startswith("application/problem+json")
    assert without.json()["code"] == "not_permitted"
    assert with_it.status_code == 202
    assert with_it.json()["owner"] == closed.staff.name


def test_a_safe_call_by_a_session_needs_no_csrf_token(session: httpx.Client) -> None:
    assert session.get("/api/v1/jobs").status_code == 200


# --- a first message ---


def test_auth_is_answered_with_hello_and_the_user(closed: ClosedTarget, join: Connect) -> None:
    connection = join()

    hello = connection.ask("auth", token=closed.one.token)

    assert connection.frames[0]["user"]["name"] is None
    assert hello["type"] == "hello"
    assert hello["user"] == {"name": closed.one.name, "anonymous": False}
    assert hello["connection"] == connection.frames[0]["connection"]
    assert connection.ask("list")["type"] == "jobs"


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_wrong_token_is_answered_and_closed_with_4401(join: Connect, token: str) -> None:
    connection = join()

    assert connection.ask("auth", token=token)["code"] == "not_authenticated"
    assert connection.until_close() == 4401


@pytest.mark.parametrize(
    "message",
    [
        {"action": "start"},
        {"action": "watch", "job": "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"},
        {"action": "watch", "feed": "jobs"},
        {"action": "cancel", "job": "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"},
        {"action": "list"},
        {"action": "ping"},
    ],
    ids=lambda message: message["action"],
)
def test_any_other_action_before_auth_is_answered_not_authenticated(
    closed: ClosedTarget, join: Connect, message: dict[str, Any]
) -> None:
    connection = join()

    assert connection.ask(**message)["code"] == "not_authenticated"
    assert connection.ask("auth", token=closed.one.token)["type"] == "hello"


def test_without_auth_no_event_comes(closed: ClosedTarget, join: Connect) -> None:
    stranger, owner = join(), join(closed.one)
    stranger.ask("watch", feed="jobs")

    owner.start(**closed.work.request())
    stranger.ask("ping")

    assert {frame["type"] for frame in stranger.frames} <= {"hello", "error", "heartbeat"}


# --- HTTP ---


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "jobs"),
        ("POST", "jobs"),
        ("GET", "jobs/0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"),
        ("POST", "jobs/0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11/cancel"),
        ("GET", "backends"),
        ("GET", "backends/steps"),
    ],
)
def test_a_call_without_credentials_is_401(api: httpx.Client, method: str, path: str) -> None:
    answer = api.request(method, path, json={} if method == "POST" else None)

    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_bearer_token_is_taken_over_http(closed: ClosedTarget, api: httpx.Client) -> None:
    answer = api.post("jobs", json=closed.work.request(), headers=bearer(closed.one))

    assert answer.status_code == 202
    assert answer.json()["owner"] == closed.one.name


def test_a_wrong_bearer_token_is_401_over_http(api: httpx.Client) -> None:
    answer = api.get("jobs", headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401


def test_the_health_of_the_server_is_no_secret(closed: ClosedTarget, api: httpx.Client) -> None:
    assert api.get(f"{closed.url}/healthz").status_code == 200
    assert api.get(f"{closed.url}/readyz").status_code == 200


# --- owners ---


def test_a_job_belongs_to_who_started_it(closed: ClosedTarget, join: Connect) -> None:
    assert join(closed.one).start(**closed.work.request())["owner"] == closed.one.name


def test_who_may_not_see_a_job_gets_unknown_job(closed: ClosedTarget, join: Connect) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]
    other = join(closed.other)

    for action in ("watch", "cancel", "unwatch"):
        hidden = other.ask(action, job=job)
        absent = other.ask(action, job=str(uuid.uuid4()))
        assert hidden["code"] == absent["code"] == "unknown_job"
        assert set(hidden) == set(absent)


def test_who_may_not_see_a_job_gets_404_over_http(
    closed: ClosedTarget, api: httpx.Client, join: Connect
) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]
    headers = bearer(closed.other)

    for path in (f"jobs/{job}", f"jobs/{job}?after=0&wait=5"):
        answer = api.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    answer = api.post(f"jobs/{job}/cancel", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


def test_lists_hold_only_what_one_may_see(
    closed: ClosedTarget, api: httpx.Client, join: Connect
) -> None:
    connection = join(closed.one)
    job = connection.start(**closed.work.request())["job"]

    def listed(visitor: Visitor) -> list[str]:
        page = api.get("jobs", params={"limit": 200}, headers=bearer(visitor)).json()
        return [snapshot["job"] for snapshot in page["jobs"]]

    assert job in listed(closed.one)
    assert job in listed(closed.staff)
    assert job not in listed(closed.other)
    page = join(closed.other).ask("list", limit=200)
    assert job not in [snapshot["job"] for snapshot in page["jobs"]]


def test_mine_are_the_jobs_that_one_owns(closed: ClosedTarget, api: httpx.Client) -> None:
    theirs = api.post("jobs", json=closed.work.request(), headers=bearer(closed.one)).json()["job"]
    mine = api.post("jobs", json=closed.work.request(), headers=bearer(closed.staff)).json()["job"]

    page = api.get("jobs", params={"mine": "true", "limit": 200}, headers=bearer(closed.staff))

    listed = [snapshot["job"] for snapshot in page.json()["jobs"]]
    assert mine in listed
    assert theirs not in listed


def test_the_feed_brings_only_what_one_may_see(closed: ClosedTarget, join: Connect) -> None:
    other, staff, one = join(closed.other), join(closed.staff), join(closed.one)
    other.ask("watch", feed="jobs")
    staff.ask("watch", feed="jobs")

    hidden = one.start(**closed.work.request())["job"]
    staff.until(lambda frame: frame.get("job") == hidden, "an event for staff")
    own = other.start(**closed.work.request())["job"]
    other.until(lambda frame: frame.get("job") == own and "seq" in frame, "an own event")

    assert [frame for frame in other.frames if frame.get("job") == hidden] == []


def test_a_key_belongs_to_its_user(closed: ClosedTarget, join: Connect) -> None:
    key = uuid.uuid4().hex

    one = join(closed.one).start(**closed.work.request(key=key))
    other = join(closed.other).start(**closed.work.request(key=key))

    assert one["job"] != other["job"]


def test_who_says_nothing_of_himself_is_closed_with_4408(undecided: Undecided) -> None:
    undecided.join(DEADLINE_SECONDS)

    assert undecided.answer["code"] == "not_authenticated"
    assert undecided.code == 4408


# --- event streams ---


def test_a_stream_needs_to_know_who_is_there(closed: ClosedTarget, api: httpx.Client) -> None:
    job = api.post("jobs", json=closed.work.request(), headers=bearer(closed.one)).json()["job"]

    for path in ("events", f"jobs/{job}/events"):
        answer = api.get(path, headers=STREAM)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_authenticated"


def test_a_stream_of_anothers_job_is_404(closed: ClosedTarget, api: httpx.Client) -> None:
    job = api.post("jobs", json=closed.work.request(), headers=bearer(closed.one)).json()["job"]

    answer = api.get(f"jobs/{job}/events", headers={**STREAM, **bearer(closed.other)})

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_job"


def test_a_feed_tells_of_ones_own_jobs_only(closed: ClosedTarget, api: httpx.Client) -> None:
    label = uuid.uuid4().hex
    one, other = bearer(closed.one), bearer(closed.other)
    with streamed(api, "events", params={"label": label}, headers=one) as stream:
        assert stream.next().frame["jobs"] == []
        jobs = [
            api.post("jobs", json=closed.work.request(labels=[label]), headers=who).json()["job"]
            for who in (other, one)
        ]
        seen = {event.frame["job"] for event in stream.until("complete")}

    assert seen == {jobs[1]}


def test_a_session_may_stream(closed: ClosedTarget, session: httpx.Client) -> None:
    with streamed(session, "/api/v1/events", params={"label": uuid.uuid4().hex}) as stream:
        assert stream.next().type == "snapshot"
