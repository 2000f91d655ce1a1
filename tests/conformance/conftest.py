"""Fixtures of the protocol's tests: the server, connections to it, and jobs on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.conformance.connection import Connection, Frame, opened
from tests.conformance.published import client_of
from tests.conformance.stack import closed_target, open_stack, open_target, tracebacks
from tests.conformance.target import ClosedTarget, Target

Connect = Callable[..., Connection]
StartJob = Callable[..., Frame]


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The open server: the one that was named, else processes of this checkout."""
    for plugin in pytestconfig.pluginmanager.get_plugins():
        if isinstance(given := getattr(plugin, "target", None), Target):
            return given
    return open_target(open_stack(pytestconfig))


@pytest.fixture(scope="module", autouse=True)
def nothing_unforeseen(pytestconfig: pytest.Config) -> Iterator[None]:
    """Whatever the tests of a module send, no process may print a traceback."""
    before = len(tracebacks(pytestconfig))
    yield
    assert tracebacks(pytestconfig)[before:] == []


@pytest.fixture(scope="session")
def closed(pytestconfig: pytest.Config) -> Iterator[ClosedTarget]:
    """The server that wants to know who is there."""
    for plugin in pytestconfig.pluginmanager.get_plugins():
        if isinstance(given := getattr(plugin, "target", None), Target):
            if given.closed is None:
                # Somebody else's server, by its address; ours is started below, in CI too.
                pytest.skip("no --closed server was named")
            yield given.closed
            return
    with ExitStack() as running:
        yield closed_target(running)


@pytest.fixture(scope="session")
def http(target: Target) -> Iterator[httpx.Client]:
    """Calls under `/api/v1/` of the open server."""
    with client_of(target.url, "/api/v1/") as client:
        yield client


@pytest.fixture
def connect(target: Target) -> Iterator[Connect]:
    """Open connections to `/prog/`; whatever a test does there, no event may come twice."""
    made: list[Connection] = []
    with ExitStack() as stack:

        def open_one(**options: Any) -> Connection:
            made.append(stack.enter_context(opened(target.url, **options)))
            return made[-1]

        yield open_one
    for connection in made:
        assert repeated(connection.frames) == []


@pytest.fixture
def start_slow(target: Target, http: httpx.Client) -> Iterator[StartJob]:
    """Start jobs that run on, and cancel them in the end."""
    started: list[str] = []

    def start(**fields: Any) -> Frame:
        snapshot = http.post("jobs", json=target.slow.request(**fields)).json()
        started.append(snapshot["job"])
        return snapshot

    yield start
    for job in started:
        http.post(f"jobs/{job}/cancel", json={})


@pytest.fixture(scope="session")
def finished(target: Target) -> tuple[str, list[Frame]]:
    """A job that has succeeded, and all that a watcher was sent of it."""
    with opened(target.url) as connection:
        job = connection.start(**target.quick.request(title="Finished", labels=["conformance"]))
        connection.until_complete(job["job"])
        return job["job"], connection.frames


def repeated(frames: list[Frame]) -> list[str]:
    """Return the events whose `seq` did not rise since their job was last watched."""
    wrong = []
    last: dict[str, int] = {}
    for frame in frames:
        job = frame.get("job")
        if frame["type"] in {"started", "watching"} and job:
            last.pop(job, None)
        elif isinstance(frame.get("seq"), int) and job:
            if frame["seq"] <= last.get(job, 0):
                wrong.append(f"{job}: {frame['type']} {frame['seq']} after {last[job]}")
            last[job] = frame["seq"]
    return wrong
