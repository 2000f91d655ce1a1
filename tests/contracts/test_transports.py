"""By either transport the same stands on the wire, and the same is read (BACKENDS, Safety)."""

import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from progrock.backends import building
from progrock.backends.backend import Backend
from progrock.backends.errors import (
    BackendError,
    BadReply,
    Refused,
    TemplateError,
    Unreachable,
)
from progrock.backends.http import MAX_BODY_BYTES, HttpReply, HttpRequest
from progrock.backends.poller import Poller
from progrock.backends.single_call import send_once
from tests.unit.descriptions import a_job, backend_of

TIMEOUT = 10.0
Send = Callable[[HttpRequest], Awaitable[HttpReply]]


class Server(ThreadingHTTPServer):
    """A backend that keeps the first line and the headers of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.said: list[bytes] = []  # in place of the empty object; then it hangs up

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers everything with an empty object, or as a test says."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Keep the request and answer it."""
        self.server.targets.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.server.said:
            for part in self.server.said:
                self.wfile.write(part)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(params=["poller", "single call"])
async def send(request: pytest.FixtureRequest) -> AsyncIterator[Send]:
    """Each transport in turn."""
    if request.param == "single call":

        async def once(built: HttpRequest) -> HttpReply:
            return send_once(built, TIMEOUT)

        yield once
        return
    poller = Poller()
    yield lambda built: poller.send(built, TIMEOUT)
    await poller.close()


def a_backend(server: Server) -> Backend:
    return backend_of(
        f"""
        base_url = "{server.url}"
        start.path = "/"
        status.path = "/jobs/{{operation}}/state"
        status.headers = {{ X-Operation = "{{job}}" }}
        """
    )


def asked(backend: Backend, operation: str, status_url: str | None = None) -> HttpRequest:
    context = building.context_of(a_job(operation=operation), {})
    return building.status_request(backend, context, status_url)


AWKWARD = [
    "a/b",
    "a%2Fb",
    "%2e%2e",
    "a?b#c",
    "a b",
    "ü日本",
    "a\\b",
    "a;b",
    "@:",
    "a+b&c=d",
]


@pytest.mark.parametrize("operation", [*AWKWARD, ".", "..", "../x", "..."])
async def test_an_id_is_one_segment_on_the_wire(server: Server, send: Send, operation: str) -> None:
    try:
        await send(asked(a_backend(server), operation))
    except (Refused, TemplateError):
        assert operation in {".", "..", "../x"}
        assert server.targets == []
        return
    (target,) = server.targets
    assert "?" not in target
    empty, jobs, segment, state = target.split("/")
    assert (empty, jobs, unquote(segment), state) == ("", "jobs", operation, "state")
    assert segment not in {".", ".."}  # a step in the path (RFC 3986, 5.2.4)


@pytest.mark.parametrize(
    "target",
    [
        "/s?sig=a%2Fb+c%3D&x",
        "/s?a=%41%7E",
        "/a%2Fb/c",
        "/a%20b?q=%C3%BC",
        "/s?a=1&a=2&b=",
        "/s;v=1?x=a:b@c",
        "/s?q=%5B%5D%7B%7D",
    ],
)
async def test_a_status_url_is_asked_for_exactly_as_it_was_told(
    server: Server, send: Send, target: str
) -> None:
    # A signed URL with one byte changed is refused by the service that signed it.
    await send(asked(a_backend(server), "op", server.url + target))
    assert server.targets == [target]


async def test_what_is_not_ascii_is_encoded_and_a_fragment_left_out(
    server: Server, send: Send
) -> None:
    await send(asked(a_backend(server), "op", server.url + "/ü%2F?q=日#part"))
    assert server.targets == ["/%C3%BC%2F?q=%E6%97%A5"]


async def test_headers_stand_on_the_wire_once(server: Server, send: Send) -> None:
    await send(asked(a_backend(server), "op"))
    (headers,) = server.headers
    assert headers["x-operation"] == str(a_job().id)
    assert headers["user-agent"] == "ProgRock/0.1"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == server.url.removeprefix("http://")
    assert "cookie" not in headers
    assert "authorization" not in headers


OK = b"HTTP/1.1 200 OK\r\n"
READ = {
    "a length": (OK + b"Content-Length: 2\r\n\r\n[]", 200, b"[]"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n", 200, b"[]"),
    "until the end": (OK + b"\r\n[]", 200, b"[]"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n[]", 200, b"[]"),
    "no content": (b"HTTP/1.1 204 No\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "a redirect": (b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302, b""),
    "gzip": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"[]"),
        200,
        b"[]",
    ),
    "informed before": (
        b"HTTP/1.1 100 X\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n[]",
        200,
        b"[]",
    ),
    "all that is taken": (
        OK + b"Content-Length: 1048576\r\n\r\n" + b" " * MAX_BODY_BYTES,
        200,
        b" " * MAX_BODY_BYTES,
    ),
}


@pytest.mark.parametrize("name", READ)
async def test_a_reply_is_read_the_same(server: Server, send: Send, name: str) -> None:
    said, status, content = READ[name]
    server.said = [said]
    request = asked(a_backend(server), "op")
    reply = await send(request)
    assert (reply.status, reply.content, reply.url) == (status, content, request.url)
    assert len(server.targets) == 1


async def test_headers_are_read_the_same(server: Server, send: Send) -> None:
    lines = b"X-A: 1\r\nSET-COOKIE: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-B:  two words \r\n"
    server.said = [OK + lines + b"Content-Length: 0\r\n\r\n"]
    reply = await send(asked(a_backend(server), "op"))
    assert reply.headers["x-a"] == "1"
    assert reply.headers["x-b"] == "two words"
    assert reply.set_cookie == ("a=1; Path=/", "b=2")


TOO_MUCH = b"x" * (MAX_BODY_BYTES + 1)
NOT_TAKEN = {
    "nothing": ([], Unreachable),
    "half a head": ([OK, b"Content-Le"], Unreachable),
    "half a body": ([OK, b"Content-Length: 9\r\n\r\n[]"], Unreachable),
    "half a chunk": ([OK, b"Transfer-Encoding: chunked\r\n\r\n9\r\n[]"], Unreachable),
    "garbage": ([b"SSH-2.0-OpenSSH_9.2\r\n"], Unreachable),
    "too much": ([OK, b"\r\n", TOO_MUCH], BadReply),
    "too much in chunks": (
        [OK, b"Transfer-Encoding: chunked\r\n\r\n100001\r\n", TOO_MUCH, b"\r\n0\r\n\r\n"],
        BadReply,
    ),
    "a bomb": ([OK, b"Content-Encoding: gzip\r\n\r\n", gzip.compress(TOO_MUCH)], BadReply),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
async def test_what_is_no_whole_reply_is_the_same_error(
    server: Server, send: Send, name: str
) -> None:
    said, kind = NOT_TAKEN[name]
    server.said = said or [b""]
    with pytest.raises(BackendError) as raised:
        await send(asked(a_backend(server), "op"))
    assert isinstance(raised.value, kind)
    assert getattr(raised.value, "was_sent", True)


async def test_where_nobody_listens_nothing_was_sent(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable) as raised:
        await send(HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/"))
    assert not raised.value.was_sent
    assert str(raised.value) == "The backend cannot be connected to: Connection refused"
