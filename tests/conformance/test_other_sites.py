"""What pages of other sites may read (PROTOCOL 2.1): by a share link, and nothing else."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conformance.connection import Frame
from tests.conformance.test_share import bearer, shared

Finished = tuple[str, list[Frame]]
Read = Callable[..., httpx.Response]
ELSEWHERE = {"Origin": "https://elsewhere.example"}
STREAM = {"Accept": "text/event-stream"}
ALLOW = "access-control-allow-origin"


@pytest.fixture
def token(http: httpx.Client, finished: Finished) -> str:
    """A token for a job that has ended."""
    return shared(http, finished[0])["token"]


@pytest.fixture(params=["", "/events", "/events stream", "/comments"])
def read(request: Any, http: httpx.Client, finished: Finished) -> Read:
    """Read a job in one of the ways, as a page of another site."""
    path, _, stream = request.param.partition(" ")
    accept = STREAM if stream else {}

    def read(job: str = finished[0], **headers: str) -> httpx.Response:
        return http.get(f"jobs/{job}{path}", headers={**ELSEWHERE, **accept, **headers})

    return read


def test_what_a_share_token_lets_be_read_may_be_read_by_every_page(read: Read, token: str) -> None:
    answer = read(**bearer(token))

    assert answer.status_code == 200
    assert answer.headers[ALLOW] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_without_a_share_token_no_other_site_may_read(read: Read) -> None:
    answer = read()

    assert answer.status_code == 200
    assert ALLOW not in answer.headers


@pytest.mark.parametrize("forged", ["prs_nonsense", "prs_", "prk_something"])
def test_a_token_that_is_no_share_of_ours_opens_nothing(read: Read, forged: str) -> None:
    answer = read(**bearer(forged))

    assert answer.status_code == 401
    assert ALLOW not in answer.headers


def test_that_a_share_is_not_good_for_another_job_may_be_read(read: Read, token: str) -> None:
    answer = read(str(uuid.uuid4()), **bearer(token))

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    assert answer.headers[ALLOW] == "*"


def test_the_token_in_the_address_opens_events_alone(
    http: httpx.Client, finished: Finished, token: str
) -> None:
    job = finished[0]
    for headers in (ELSEWHERE, {**ELSEWHERE, **STREAM}):
        answer = http.get(f"jobs/{job}/events", params={"token": token}, headers=headers)
        assert answer.headers[ALLOW] == "*"
    for path in (f"jobs/{job}", f"jobs/{job}/comments", "jobs", "backends"):
        assert ALLOW not in http.get(path, params={"token": token}, headers=ELSEWHERE).headers


def test_a_browser_may_ask_whether_a_get_may_bear_a_token(
    http: httpx.Client, finished: Finished
) -> None:
    asked = {"Access-Control-Request-Headers": "authorization"}
    for path in ("", "/events", "/comments", "/result"):
        answer = http.options(
            f"jobs/{finished[0]}{path}",
            headers={**ELSEWHERE, **asked, "Access-Control-Request-Method": "GET"},
        )
        assert answer.status_code == 204
        assert answer.headers[ALLOW] == "*"
        assert answer.headers["access-control-allow-methods"] == "GET"
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_no_other_method_is_allowed_from_another_site(
    http: httpx.Client, finished: Finished, method: str
) -> None:
    asked = {**ELSEWHERE, "Access-Control-Request-Method": method}
    for path in (f"jobs/{finished[0]}", f"jobs/{finished[0]}/comments", "jobs"):
        answer = http.options(path, headers=asked)
        assert ALLOW not in answer.headers
        assert answer.status_code >= 400


def test_the_list_and_the_feed_stay_closed(http: httpx.Client, token: str) -> None:
    for path in ("jobs", "backends", "events"):
        answer = http.get(path, headers={**ELSEWHERE, **STREAM, **bearer(token)})
        assert ALLOW not in answer.headers
        asked = {**ELSEWHERE, "Access-Control-Request-Method": "GET"}
        assert ALLOW not in http.options(path, headers=asked).headers


def test_what_a_share_token_tries_to_change_is_refused_and_not_readable(
    http: httpx.Client, finished: Finished, token: str
) -> None:
    for headers in (bearer(token), {**ELSEWHERE, **bearer(token)}):
        answer = http.post(f"jobs/{finished[0]}/comments", json={"text": "!"}, headers=headers)
        assert answer.status_code == 403
        assert ALLOW not in answer.headers
