"""The bytes of a request: exactly what was built, and nothing that could pass for more."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends.backend import Origin
from progrock.backends.errors import Refused
from progrock.backends.http import HttpRequest
from progrock.backends.wire import Writer, split

START = "http://backend.test:8080"
COMMON = "User-Agent: ProgRock/0.1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"


def written(target: str = "/", start: str = START, **more: object) -> str:
    request = HttpRequest(**{"method": "GET", "url": start + target, **more})  # type: ignore[arg-type]
    return Writer(Origin.of(start)).write(request, split(request.url)[1]).decode("latin-1")


def test_a_request_stands_as_it_is_on_the_wire() -> None:
    assert written("/a%2Fb?x=1&x=%41", headers={"X-Job": "ü"}) == (
        "GET /a%2Fb?x=1&x=%41 HTTP/1.1\r\nHost: backend.test:8080\r\n" + COMMON + "X-Job: ü\r\n\r\n"
    )


def test_a_body_tells_its_length() -> None:
    sent = written(method="POST", body=b"{}", headers={"Content-Length": "7"})
    assert sent.endswith("\r\nContent-Length: 2\r\n\r\n{}")
    assert sent.lower().count("content-length") == 1
    assert written(method="GET", body=b"{}").endswith("\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize(("method", "is_told"), [("POST", True), ("PUT", True), ("GET", False)])
def test_an_empty_body_tells_its_length_where_one_is_expected(method: str, is_told: bool) -> None:
    assert ("Content-Length: 0\r\n" in written(method=method)) is is_told


def test_headers_of_a_description_take_the_place_of_ours() -> None:
    sent = written(headers={"user-agent": "mine", "ACCEPT": "text/plain", "host": "other"})
    assert sent.count("\r\n") == 6
    assert "user-agent: mine\r\n" in sent
    assert "ACCEPT: text/plain\r\n" in sent
    assert "host: other\r\n" in sent


@pytest.mark.parametrize(
    ("start", "host"),
    [
        ("http://h:80", "h"),
        ("https://h:443", "h"),
        ("https://h:80", "h:80"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://bücher.test", "xn--bcher-kva.test"),
    ],
)
def test_the_host_is_named_without_the_usual_port(start: str, host: str) -> None:
    assert f"\r\nHost: {host}\r\n" in written(start=start)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h/a?b", ("http://h", "/a?b")),
        ("http://h", ("http://h", "/")),
        ("http://h?a=/b", ("http://h", "/?a=/b")),
        ("http://h#/b", ("http://h", "/#/b")),
        ("https://h:1/", ("https://h:1", "/")),
    ],
)
def test_an_address_is_split_before_its_path(url: str, parts: tuple[str, str]) -> None:
    assert split(url) == parts


def test_a_fragment_is_not_sent() -> None:
    assert written("/a?b#c d").startswith("GET /a?b HTTP/1.1\r\n")


def test_what_is_not_ascii_is_encoded_and_the_rest_is_left() -> None:
    assert written("/ü%2F%zz?q=日").startswith("GET /%C3%BC%2F%zz?q=%E6%97%A5 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X": "a\nb"}},
        {"headers": {"X": "a\0"}},
        {"headers": {"X": "日"}},
        {"headers": {"X: y\r\nZ": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"method": "GET / HTTP/1.1\r\nX:"},
        {"target": "/a b"},
        {"target": "/a\r\nX: y"},
        {"target": "/ü\ty"},
    ],
)
def test_what_would_pass_for_more_than_it_is_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(Refused):
        written(**more)  # type: ignore[arg-type]


def test_names_that_differ_in_their_case_alone_are_one() -> None:
    assert written(headers={"X-A": "1", "x-a": "3"}).endswith(f"{COMMON}x-a: 3\r\n\r\n")


def test_a_writer_remembers_nothing_that_changed() -> None:
    writer = Writer(Origin.of(START))
    headers = {"X": "1"}
    asked = [
        HttpRequest(method="GET", url=START, headers=headers),
        HttpRequest(method="POST", url=START, headers=headers),
        HttpRequest(method="POST", url=START, headers={"X": "2"}),
        HttpRequest(method="GET", url=START, headers={}),
    ]
    for request in [*asked, *reversed(asked)]:
        fresh = Writer(Origin.of(START)).write(request, "/")
        assert writer.write(request, "/") == fresh
    headers["X"] = "3"
    assert b"X: 3\r\n" in writer.write(asked[0], "/")


TEXTS = st.text(max_size=20)


@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_no_value_adds_a_line(target: str, headers: dict[str, str]) -> None:
    try:
        sent = written("/" + target, headers=headers)
    except Refused:
        return
    others = {"host", "user-agent", "accept", "accept-encoding", "content-length"}
    own = {name.lower() for name in headers} - others
    assert len(re.findall(r"\r\n", sent)) == 6 + len(own)
    assert sent.split("\r\n")[0].count(" ") == 2
    assert sent.endswith("\r\n\r\n")
