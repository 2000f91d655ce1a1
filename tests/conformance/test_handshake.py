"""PROTOCOL 2, 2.1 and 2.3: who gets in, and the first frame."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from tests.conformance.conftest import Connect
from tests.conformance.connection import opened
from tests.conformance.target import Target

ELSEWHERE = "http://elsewhere.example"


def refusal(url: str, **options: Any) -> int:
    """Return the HTTP status with which a handshake is refused."""
    return refused(url, **options).status_code


def refused(url: str, **options: Any) -> Response:
    """Return the HTTP response by which a handshake is refused."""
    with pytest.raises(InvalidStatus) as error, opened(url, **options):
        pass
    return error.value.response


def dialled(url: str) -> socket.socket:
    """Return a plain connection to a server, on which another name can be asked for."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80))


def test_the_first_frame_is_hello(connect: Connect) -> None:
    hello = connect().receive()

    assert hello["type"] == "hello"
    assert hello["protocol"] == "progrock.v1"
    assert isinstance(hello["connection"], str)
    assert hello["connection"]
    assert hello["heartbeat"] > 0
    assert set(hello["user"]) >= {"name", "anonymous"}


def test_hello_says_that_a_visitor_without_credentials_is_anonymous(connect: Connect) -> None:
    assert connect().hello["user"] == {"name": None, "anonymous": True}


def test_hello_announces_the_limits(connect: Connect) -> None:
    assert {65536, 100, 50} <= set(connect().hello["limits"].values())


def test_each_connection_has_a_name_of_its_own(connect: Connect) -> None:
    assert connect().hello["connection"] != connect().hello["connection"]


@pytest.mark.parametrize("offered", [["progrock.v1"], ["chat", "progrock.v1"]])
def test_the_subprotocol_is_selected_when_it_is_offered(
    connect: Connect, offered: list[str]
) -> None:
    assert connect(subprotocols=offered).socket.subprotocol == "progrock.v1"


@pytest.mark.parametrize("offered", [None, ["chat"]])
def test_the_subprotocol_is_not_required(connect: Connect, offered: list[str] | None) -> None:
    connection = connect(subprotocols=offered)

    assert connection.socket.subprotocol is None
    assert connection.hello["type"] == "hello"


@pytest.mark.parametrize(
    "origin",
    ["https://elsewhere.example", "null", "http://127.0.0.1:1", "http://localhost.example"],
)
def test_a_foreign_origin_is_refused_with_403(target: Target, origin: str) -> None:
    assert refusal(target.url, origin=origin) == 403


def test_an_own_origin_is_let_in(target: Target, connect: Connect) -> None:
    assert connect(origin=target.url).hello["type"] == "hello"


def test_a_foreign_host_is_refused_with_400(target: Target) -> None:
    assert refusal(ELSEWHERE, sock=dialled(target.url)) == 400


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"origin": ELSEWHERE}, 403, "not_permitted"),
        ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401, "not_authenticated"),
    ],
    ids=["origin", "token"],
)
def test_a_refused_handshake_says_why_in_a_problem_document(
    target: Target, options: dict[str, Any], status: int, code: str
) -> None:
    response = refused(target.url, **options)

    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(response.body or b"")
    assert (problem["status"], problem["code"]) == (response.status_code, code) == (status, code)
    assert problem["detail"]
    assert response.headers.get("WWW-Authenticate", "").startswith("Bearer") is (status == 401)


def test_a_foreign_host_does_not_make_its_origin_an_own_one(target: Target) -> None:
    assert refusal(ELSEWHERE, sock=dialled(target.url), origin=ELSEWHERE) == 400


@pytest.mark.parametrize("token", ["wrong", "prt_" + "x" * 43, ""])
def test_a_wrong_bearer_token_is_refused_with_401_also_where_none_is_needed(
    target: Target, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}"}

    assert refusal(target.url, additional_headers=headers) == 401


def test_a_wrong_token_in_auth_closes_with_4401_also_where_none_is_needed(
    connect: Connect,
) -> None:
    connection = connect()

    assert connection.ask("auth", token="wrong")["code"] == "not_authenticated"
    assert connection.until_close() == 4401


def test_another_path_is_refused_in_the_handshake(target: Target) -> None:
    assert refusal(f"{target.url}/elsewhere") in {403, 404}


def test_a_cookie_that_is_no_session_changes_nothing(target: Target, connect: Connect) -> None:
    headers = {"Cookie": "sessionid=nonsense; =; ;;"}

    connection = connect(origin=target.url, additional_headers=headers)

    assert connection.hello["user"]["anonymous"] is True


def test_the_whole_conversation_of_the_original_client_stays_valid(connect: Connect) -> None:
    """Connect, send one message, read frames with `progress` until one is complete."""
    connection = connect()
    connection.send('{"action":"start"}')
    frames = []
    while not (frames and frames[-1].get("complete")):
        frames.append(connection.receive())

    shown = [frame["progress"] for frame in frames if frame.get("progress") is not None]
    assert shown == sorted(shown)
    assert len(set(shown)) > 1
    assert frames[-1]["progress"] == 100
