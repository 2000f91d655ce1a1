"""What the tests of a hostile backend have in common: begin a job, see it end, judge its end."""

import os
import re
from typing import NoReturn

import httpx
import pytest

from tests.conformance.connection import Connection, Frame, events_of, holes_in
from tests.conformance.stack import Stack
from tests.hostile.villain import DEADLINE_SECONDS, Plot

CODES = {
    "backend_refused", "backend_failed", "backend_unreachable", "bad_reply", "lost",
    "start_unknown", "stalled", "timed_out", "cancelled",
}  # fmt: skip


def begin(api: httpx.Client, backend: str, plot: Plot, **params: object) -> str:
    """Start a job of a plot, and return its id."""
    answer = api.post("jobs", json={"backend": backend, "params": {**plot.params, **params}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def end_of(watcher: Connection, job: str, seconds: float = DEADLINE_SECONDS) -> Frame:
    """Wait for the end of a job; what was told of it must be sound."""
    complete = watcher.until_complete(job, seconds)
    events = events_of(watcher.frames, job)
    assert holes_in(events, events[0]["seq"] - 1) == []
    return complete


def assert_clear(complete: Frame, *codes: str) -> None:
    """The job has failed, by a code of the protocol, with a reason for a person."""
    assert complete["state"] == "failed"
    error = complete["error"]
    assert error["code"] in (codes or CODES)
    assert 10 <= len(error["message"]) <= 4_000
    assert not re.search(r"Traceback|Error\)|worker's log|object at 0x", error["message"])


def errors_about(stack: Stack, text: str) -> list[str]:
    """Return the lines of all logs that are errors and hold a text."""
    return [
        line
        for line in stack.launcher.log.splitlines()
        if re.match(r"\w+ +[|] [\d:]+ \[error", line) and text in line
    ]


def lacking(what: str) -> NoReturn:
    """Skip what this machine cannot do; where all must be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)  # on a developer's machine alone: CI fails above
