"""Answers that never end, break off or are far too large cost a bounded time and memory."""

import re
from pathlib import Path

import httpx
import pytest

from tests.conformance.connection import Connection
from tests.conformance.stack import Stack
from tests.hostile.parts import assert_clear, begin, end_of
from tests.hostile.villain import (
    DEADLINE_SECONDS,
    MIB,
    MOST_SENT,
    Answer,
    Plot,
    Villain,
    drip,
    gzip_bomb,
    say_nothing,
    stream,
)

MOST_GROWTH = 160 * MIB  # of the worker, while it is sent all that


OK = b"HTTP/1.1 200 OK\r\n"
HELD: dict[str, Answer] = {
    "silence": say_nothing,
    "headers that never end": drip(OK, b"X: y\r\n"),
    "one header that never ends": drip(OK + b"X: ", b"y"),
    "a body that never ends": drip(OK + b"Content-Length: 10000000000\r\n\r\n", b" "),
    "chunks that never end": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a status that never comes": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "10 GB": stream(OK + b"Content-Length: 10000000000\r\n\r\n", b" " * MIB),
    "chunks by the megabyte": stream(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * MIB + b"\r\n"
    ),
    "headers by the megabyte": stream(OK, b"X: " + b"y" * 1_000 + b"\r\n"),
    "a gzip bomb": gzip_bomb(),
}


@pytest.fixture(scope="module")
def held(
    stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain
) -> dict[str, tuple[str, Plot]]:
    """A job for each way to hold a line, at the start and at each poll, all at once."""
    plots = {f"poll: {name}": villain.plot(answer) for name, answer in HELD.items()}
    plots |= {f"start: {name}": villain.plot(start=answer) for name, answer in HELD.items()}
    return {name: (begin(api, "slow", plot), plot) for name, plot in plots.items()}


@pytest.fixture(scope="module")
def growth(
    stack: Stack, watcher: Connection, memory_before: int, held: dict[str, tuple[str, Plot]]
) -> int:
    """How many bytes more the worker has held at most, when all of that is over."""
    for job, _ in held.values():
        watcher.until_complete(job, 2 * DEADLINE_SECONDS)
    return most_memory(stack.launcher.pid_of("worker")) - memory_before


@pytest.fixture(scope="module")
def memory_before(stack: Stack) -> int:
    return most_memory(stack.launcher.pid_of("worker"))


def most_memory(pid: int) -> int:
    """Return how many bytes a process has held at most (man 5 proc: VmHWM, in kB)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


@pytest.mark.parametrize("name", [f"{kind}: {name}" for kind in ("start", "poll") for name in HELD])
def test_who_holds_the_line_is_given_up(
    watcher: Connection,
    memory_before: int,
    held: dict[str, tuple[str, Plot]],
    name: str,
) -> None:
    job, plot = held[name]

    complete = end_of(watcher, job, 4 * DEADLINE_SECONDS)

    assert_clear(complete, "backend_unreachable", "bad_reply", "start_unknown")
    assert plot.sent < MOST_SENT
    assert len(plot.of("start")) == 1
    # Two failures end it. The circuit counts those that it spares a job; a look whose worker was
    # too late to write it is taken again.
    assert len(plot.of("poll")) in ({0} if name.startswith("start") else {1, 2, 3, 4})


CUT: dict[str, Answer] = {
    "headers, by their time": drip(OK, b"X: y\r\n"),
    "a body without a length, by its time": drip(OK + b"\r\n{", b" "),
    "headers": OK + b"Content-Type: app",
    "headers, at the end of a line": OK + b"Content-Type: text/plain\r\n",
    "a body": OK + b"Content-Length: 100\r\n\r\n{}",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def cut(stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain) -> dict[str, str]:
    """A job for each way in which an answer breaks off, where its code alone would be the end."""
    return {name: begin(api, "coded", villain.plot(start=answer)) for name, answer in CUT.items()}


@pytest.mark.parametrize("name", CUT)
def test_an_answer_that_breaks_off_is_no_success(
    watcher: Connection, cut: dict[str, str], name: str
) -> None:
    complete = end_of(watcher, cut[name])

    assert_clear(complete, "start_unknown", "bad_reply", "backend_unreachable")


def test_what_is_sent_without_end_is_not_kept(growth: int) -> None:
    assert growth < MOST_GROWTH
