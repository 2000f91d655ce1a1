"""What stands on the wire is what was built, by either transport (BACKENDS, Safety)."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from progrock.backends import building
from progrock.backends.backend import Backend
from progrock.backends.errors import Refused, TemplateError
from progrock.backends.http import HttpReply, HttpRequest
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

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers everything with an empty object."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Keep the request and answer it."""
        self.server.targets.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
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
    "../x",
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


@pytest.mark.parametrize("operation", [*AWKWARD, ".", "..", "..."])
async def test_an_id_is_one_segment_on_the_wire(server: Server, send: Send, operation: str) -> None:
    try:
        await send(asked(a_backend(server), operation))
    except (Refused, TemplateError):
        assert operation in {".", ".."}
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


async def test_headers_stand_on_the_wire_once(server: Server, send: Send) -> None:
    await send(asked(a_backend(server), "op"))
    (headers,) = server.headers
    assert headers["x-operation"] == str(a_job().id)
    assert headers["host"] == server.url.removeprefix("http://")
    assert "cookie" not in headers
    assert "authorization" not in headers
