"""The villain, the trap and the processes that poll the villain: started once for all modules."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.conformance.connection import Connection, opened
from tests.conformance.stack import Stack, launch
from tests.hostile.villain import DEADLINE_SECONDS, Villain

BACKENDS = Path(__file__).with_name("backends.toml")


@pytest.fixture(scope="session")
def trap() -> Iterator[Villain]:
    """Another origin, where nothing is ever to be asked."""
    with Villain() as trap:
        yield trap


@pytest.fixture(scope="session")
def villain() -> Iterator[Villain]:
    """The backend of all flavours."""
    with Villain() as villain:
        yield villain


@pytest.fixture(scope="session")
def running_stack(villain: Villain) -> Iterator[Stack]:
    """Processes whose backends are the villain."""
    environ = {"PROGROCK_BACKENDS": str(BACKENDS), "VILLAIN_URL": villain.url}
    with ExitStack() as running:
        yield launch(running, environ)


@pytest.fixture(scope="module")
def stack(running_stack: Stack, trap: Villain) -> Iterator[Stack]:
    """The processes; they must be well when a module has done its worst, and the trap empty."""
    launcher = running_stack.launcher
    before = launcher.lines_so_far()
    yield running_stack
    lines = launcher.log.splitlines()
    assert [line for line in lines[before:] if re.search("Traceback|fault of ours", line)] == []
    started = re.findall(r"started (\w+) \(pid", launcher.log)
    assert sorted(started) == sorted(set(started))
    assert httpx.get(f"{running_stack.url}/healthz").status_code == 200
    assert httpx.get(f"{running_stack.url}/readyz").status_code == 200
    assert trap.asked == []


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    """Calls under `/api/v1/`."""
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def watcher(stack: Stack) -> Iterator[Connection]:
    """One who has watched all jobs of the module from the beginning."""
    with opened(stack.url, max_size=None) as connection:
        connection.ask("watch", feed="jobs")
        yield connection
        connection.settle()
