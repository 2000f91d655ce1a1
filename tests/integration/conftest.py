"""The session's open processes, for the tests that need no others."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.connection import DEADLINE_SECONDS, Connection, opened
from tests.conformance.stack import Stack, open_stack, tracebacks
from tests.integration.reported import NewProgram, Program, started_program
from tests.scripted_backend import ScriptedBackend


@pytest.fixture(scope="module")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The processes; whatever a module does to them, none may print a traceback."""
    running, before = open_stack(pytestconfig), len(tracebacks(pytestconfig))
    yield running
    assert tracebacks(pytestconfig)[before:] == []


@pytest.fixture(scope="module")
def backend(stack: Stack) -> ScriptedBackend:
    """What they poll."""
    return stack.backend


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    """Calls under `/api/v1/`."""
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


@pytest.fixture
def watcher(stack: Stack) -> Iterator[Connection]:
    """A connection to `/prog/`."""
    with opened(stack.url) as connection:
        yield connection


@pytest.fixture
def new_program(api: httpx.Client) -> Iterator[NewProgram]:
    """Start reported jobs; those that have not ended are told to."""
    programs: list[Program] = []

    def start(**params: object) -> Program:
        programs.append(started_program(api, **params))
        return programs[-1]

    yield start
    for program in programs:
        program.try_to_report(state="cancelled")
