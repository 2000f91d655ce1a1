"""PROTOCOL 3: `POST jobs/ID/share`, a link that is good for watching one job."""

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Connection, Frame, holes_in
from tests.conformance.streams import STREAM, streamed
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]
DAY = 86_400


def shared(http: httpx.Client, job: str, **body: Any) -> Frame:
    answer = http.post(f"jobs/{job}/share", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def seconds_until(expires: str) -> float:
    return (datetime.fromisoformat(expires) - datetime.now(UTC)).total_seconds()


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def token(http: httpx.Client, finished: Finished) -> str:
    """A token for a job that has ended."""
    return shared(http, finished[0])["token"]


def test_a_share_is_a_link_to_the_jobs_page_with_the_token_in_its_fragment(
    target: Target, http: httpx.Client, finished: Finished
) -> None:
    share = shared(http, finished[0])

    assert set(share) == {"url", "token", "expires"}
    parts = urlsplit(share["url"])
    assert f"{parts.scheme}://{parts.netloc}" == target.url
    assert (parts.path, parts.query) == (f"/jobs/{finished[0]}", "")
    assert parts.fragment == f"share={share['token']}"


@pytest.mark.parametrize("seconds", [60, 3_600, 30 * DAY])
def test_a_share_expires_when_it_was_asked_to(
    http: httpx.Client, finished: Finished, seconds: int
) -> None:
    expires = shared(http, finished[0], expires_in=seconds)["expires"]

    assert expires.endswith("Z")
    assert seconds - 30 < seconds_until(expires) <= seconds


@pytest.mark.parametrize("seconds", [59, 0, -1, 30 * DAY + 1, "60", 60.5, None, True])
def test_a_share_lasts_between_a_minute_and_thirty_days(
    http: httpx.Client, finished: Finished, seconds: object
) -> None:
    answer = http.post(f"jobs/{finished[0]}/share", json={"expires_in": seconds})

    assert problem(answer) == (422, "bad_message")


def test_without_expires_in_it_is_a_week(http: httpx.Client, finished: Finished) -> None:
    for answer in (
        http.post(f"jobs/{finished[0]}/share", json={}),
        http.post(f"jobs/{finished[0]}/share"),
    ):
        assert 7 * DAY - 30 < seconds_until(answer.json()["expires"]) <= 7 * DAY


def test_a_job_that_does_not_exist_cannot_be_shared(http: httpx.Client) -> None:
    assert problem(http.post(f"jobs/{uuid.uuid4()}/share", json={})) == (404, "unknown_job")


def test_share_stands_in_can(http: httpx.Client, finished: Finished) -> None:
    assert "share" in http.get(f"jobs/{finished[0]}").json()["can"]


# --- what the token is good for ---


def test_the_token_is_bearer_for_the_job(
    http: httpx.Client, finished: Finished, token: str
) -> None:
    mine = http.get(f"jobs/{finished[0]}").json()
    theirs = http.get(f"jobs/{finished[0]}", headers=bearer(token)).json()

    assert theirs["can"] == []
    assert {**theirs, "can": mine["can"]} == mine
    assert http.get(f"jobs/{finished[0]}/comments", headers=bearer(token)).status_code == 200


def test_the_token_is_good_in_auth_and_for_watching(
    http: httpx.Client, connect: Connect, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    connection = connect()

    hello = connection.ask("auth", token=shared(http, job)["token"])
    watching = connection.ask("watch", job=job)
    connection.until_seq(job, watching["seq"] + 3)

    assert hello["user"] == {"name": None, "anonymous": True}
    assert watching["snapshot"]["can"] == []
    assert holes_in(connection.events(job), after=watching["seq"]) == []


def test_the_token_is_good_in_the_handshake(
    connect: Connect, finished: Finished, token: str
) -> None:
    connection = connect(additional_headers=bearer(token))

    assert connection.ask("watch", job=finished[0])["type"] == "watching"


@pytest.fixture
def reader(connect: Connect, token: str) -> Connection:
    """A connection that bears the token of a job that has ended."""
    connection = connect()
    connection.ask("auth", token=token)
    return connection


def test_other_jobs_are_unknown(
    http: httpx.Client, reader: Connection, token: str, start_slow: StartJob
) -> None:
    other = start_slow()["job"]

    for action in ("watch", "cancel", "retry"):
        assert reader.ask(action, job=other)["code"] == "unknown_job"
    assert reader.ask("comment", job=other, text="x")["code"] == "unknown_job"
    assert problem(http.get(f"jobs/{other}", headers=bearer(token))) == (404, "unknown_job")
    answer = http.post(f"jobs/{other}/cancel", json={}, headers=bearer(token))
    assert problem(answer) == (404, "unknown_job")


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("cancel", {}),
        ("retry", {}),
        ("edit", {"set": {"title": "Mine"}, "version": 1}),
        ("comment", {"text": "x"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_token_is_not_good_for_changing_the_job(
    reader: Connection, finished: Finished, action: str, fields: Frame
) -> None:
    assert reader.ask(action, job=finished[0], **fields)["code"] == "not_permitted"


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("PATCH", ""),
        ("POST", "/comments"),
        ("POST", "/share"),
        ("POST", "/report"),
    ],
)
def test_nor_is_it_over_http(
    http: httpx.Client, finished: Finished, token: str, method: str, call: str
) -> None:
    body = {"": {"title": "Mine"}, "/comments": {"text": "x"}, "/report": {"progress": 1}}
    answer = http.request(
        method, f"jobs/{finished[0]}{call}", json=body.get(call, {}), headers=bearer(token)
    )

    assert problem(answer) == (403, "not_permitted")


def test_nor_for_starting_and_listing(
    target: Target, http: httpx.Client, reader: Connection, token: str
) -> None:
    for answer in (
        reader.ask("start", **target.quick.request()),
        reader.ask("list"),
        reader.ask("watch", feed="jobs"),
    ):
        assert answer["code"] == "not_permitted"
    for told in (
        http.post("jobs", json=target.quick.request(), headers=bearer(token)),
        http.get("jobs", headers=bearer(token)),
    ):
        assert problem(told) == (403, "not_permitted")


def test_an_event_stream_takes_the_token_in_its_address(
    http: httpx.Client, finished: Finished, token: str, start_slow: StartJob
) -> None:
    with streamed(http, f"jobs/{finished[0]}/events", params={"token": token}) as stream:
        first = stream.next()
    assert (first.type, first.frame["can"]) == ("snapshot", [])

    params = {"token": token, "after": 0}
    page = http.get(f"jobs/{finished[0]}/events", params=params)
    assert page.json()["events"][-1]["type"] == "complete"
    for path in (f"jobs/{start_slow()['job']}/events", f"jobs/{uuid.uuid4()}/events"):
        assert problem(http.get(path, params=params)) == (404, "unknown_job")
        answer = http.get(path, params=params, headers=STREAM)
        assert problem(answer) == (404, "unknown_job")
    assert problem(http.get("events", params=params, headers=STREAM)) == (403, "not_permitted")


@pytest.mark.parametrize("change", ["x", ".x", ""])
def test_a_token_that_was_changed_is_refused(
    http: httpx.Client, connect: Connect, finished: Finished, token: str, change: str
) -> None:
    wrong = token + change if change else token[:-1]
    connection = connect()

    assert connection.ask("auth", token=wrong)["code"] == "not_authenticated"
    assert connection.until_close() == 4401
    answer = http.get(f"jobs/{finished[0]}", headers=bearer(wrong))
    assert problem(answer) == (401, "not_authenticated")
