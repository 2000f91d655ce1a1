"""A backend that means harm: what it says is refused or borne, and it reaches nothing by us.

Beside the jobs that are told odd things runs an honest one on the same backend, which must be well
to its end. A trap listens on another origin; whatever reaches it was led there.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp.connector
import httpx
import pytest
import requests.adapters
from playwright.sync_api import Page, expect, sync_playwright

from progrock.backends import building
from progrock.backends.errors import BackendError, DescriptionError, Refused, Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.loading import load
from progrock.backends.transports import Poller, send_once
from tests.browser.complaints import Complaints
from tests.browser.conftest import ARGUMENTS
from tests.conformance.connection import Connection, Frame, events_of, holes_in, opened
from tests.conformance.stack import Stack, launch

DEADLINE_SECONDS = 15.0
MIB = 1024 * 1024
MOST_SENT = 64 * MIB  # that a backend gets rid of in one reply, buffers of sockets included
MOST_GROWTH = 160 * MIB  # of the worker, while it is sent all that
METADATA = "http://169.254.169.254/latest/meta-data/"
CODES = {
    "backend_refused", "backend_failed", "backend_unreachable", "bad_reply", "lost",
    "start_unknown", "stalled", "timed_out", "cancelled",
}  # fmt: skip

# --- the backend --------------------------------------------------------------------------------

Speak = Callable[["Plot", asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Speak | Mapping[str, Any]
"""Raw bytes, a function that writes them, or the JSON body of an ordinary reply."""


def reply(body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole HTTP reply; what is neither bytes nor text is sent as JSON."""
    content = body.encode() if isinstance(body, str) else body
    if not isinstance(content, bytes):
        content = b"" if content is None else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + content


def field_of(name: str, text: str) -> bytes:
    """Return a reply with one field beside the state, in JSON as it stands."""
    return reply(f'{{"state": "running", "{name}": {text}}}')


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, its target as it stood on the wire; `at` is monotonic seconds."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(kw_only=True)
class Plot:
    """What one job is answered, and what was asked about it. The last answer is given for ever."""

    name: str
    id: Any
    polls: list[Answer]
    start: Answer
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0  # bytes of the longest reply
    open_now: int = 0
    open_most: int = 0

    @property
    def params(self) -> dict[str, Any]:
        """The params of a start that brings a job into this plot."""
        return {"plot": self.name}

    def of(self, kind: str) -> list[Asked]:
        """Return the requests of a kind: start, poll or cancel."""
        return [asked for asked in list(self.asked) if kind_of(asked) == kind]


def kind_of(asked: Asked) -> str:
    if asked.method == "GET":
        return "poll"
    return "cancel" if asked.target.endswith("/cancel") else "start"


class Villain:
    """Speaks raw HTTP from a thread, and notes all that it is asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.strays: list[Asked] = []  # that belong to no plot
        self._plots: dict[str, Plot] = {}
        self._names = (f"plot{number}" for number in itertools.count(1))
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._in_loop(asyncio.start_server(self._serve, "127.0.0.1", limit=MIB))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plot(self, *polls: Answer, start: Answer | None = None, id_: Any = None) -> Plot:
        """Return a new plot; by default it is accepted, runs, and nothing more is said."""
        name = next(self._names)
        id_ = name if id_ is None else id_
        plot = Plot(
            name=name,
            id=id_,
            polls=list(polls or [{"state": "running"}]),
            start=reply({"id": id_}, 202) if start is None else start,
        )
        with self._changed:
            self._plots[name] = plot
        return plot

    def wait_for(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so that the requests decide."""
        with self._changed:
            assert self._changed.wait_for(is_so, DEADLINE_SECONDS), f"not in time: {what}"

    def _in_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_SECONDS)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await self._read(reader)
            plot, answer = self._note(asked)
            if isinstance(answer, Mapping):
                answer = reply(dict(answer))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await self._held(plot, answer, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it hung up, or the test is over
        finally:
            writer.close()

    async def _held(
        self,
        plot: Plot,
        answer: Speak,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Speak until all is said or the other side hangs up."""
        plot.open_now += 1
        plot.open_most = max(plot.open_most, plot.open_now)
        tasks = [asyncio.ensure_future(answer(plot, writer)), asyncio.ensure_future(reader.read())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            plot.open_now -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> Asked:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Asked(method=method, target=target, headers=headers, body=body, at=time.monotonic())

    def _note(self, asked: Asked) -> tuple[Plot, Answer]:
        with self._changed:
            plot = self._plot_of(asked)
            self.asked.append(asked)
            if plot is None:
                self.strays.append(asked)
                answer: Answer = reply("no such path", 404)
            else:
                plot.asked.append(asked)
                answer = self._answer(plot, kind_of(asked))
            self._changed.notify_all()
        return plot or Plot(name="", id="", polls=[], start=b""), answer

    def _plot_of(self, asked: Asked) -> Plot | None:
        found = re.fullmatch(r"/\w+/jobs(?:/([^/?#]*)(?:/cancel)?)?(?:\?.*)?", asked.target)
        if found is None:
            return None
        if found[1] is None:
            with contextlib.suppress(ValueError, AttributeError):
                return self._plots.get(json.loads(asked.body).get("plot"))
            return None
        id_ = unquote(found[1])
        return next((plot for plot in self._plots.values() if id_ == id_text(plot.id)), None)

    def _answer(self, plot: Plot, kind: str) -> Answer:
        if kind == "start":
            return plot.start
        if kind == "cancel":
            plot.polls = [{"state": "cancelled"}]
            return reply({}, 202)
        return plot.polls.pop(0) if len(plot.polls) > 1 else plot.polls[0]


def id_text(id_: Any) -> str:
    """Return an id as it may stand in a path: what cannot be stored is replaced."""
    text = id_ if isinstance(id_, str) else json.dumps(id_, separators=(",", ":"))
    return text.replace("\x00", "\ufffd")


async def say_nothing(plot: Plot, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(4 * DEADLINE_SECONDS)


def drip(head: bytes, drop: bytes) -> Speak:
    """Say the head, and then a drop each 50 ms without an end."""

    async def speak(plot: Plot, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    return speak


def stream(head: bytes, chunk: bytes) -> Speak:
    """Say the head, and then chunks as fast as they are taken, far beyond any bound."""

    async def speak(plot: Plot, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        sent = 0
        while sent <= 2 * MOST_SENT and not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            plot.sent = max(plot.sent, sent)

    return speak


def gzip_bomb() -> bytes:
    """Return a reply of some 2 MB that unpacks to 2 GiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(16 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    return reply(head + block * 128, headers={"Content-Encoding": "gzip"})


# --- what it says ---------------------------------------------------------------------------

DONE: Answer = {"state": "succeeded"}
HTML = "<img src=x onerror=alert(1)><script>alert(2)</script></script><!--"


def deep(levels: int) -> str:
    """Return JSON objects one in another."""
    return '{"a":' * levels + "1" + "}" * levels


def between(*odd: Answer) -> list[Answer]:
    """Return odd answers with an honest one after each, and the end."""
    return [answer for each in odd for answer in (each, {"state": "running"})] + [DONE]


def each_as(name: str, *texts: str) -> list[Answer]:
    """Return a job's polls in which one field is each of some texts of JSON, as they stand."""
    return between(*(field_of(name, text) for text in texts))


@dataclass(frozen=True, kw_only=True)
class Odd:
    """What a job's polls are answered, on a backend of which flavour, and how the job ends."""

    polls: list[Answer]
    start: Answer | None = None
    flavour: str = "plain"
    end: str = "succeeded"


HUGE = ("NaN", "-Infinity", "1e308", "-1e308", "1e400", "9" * 400, "5e-324", "-0.0", "true", "[1]")
BROKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    b"HTTP/1.1 99999 OK\r\n\r\n{}",
    b"HTTP/1.1 -1 OK\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n{}",
    b"{}",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * MIB + b"\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX\xff\x00: y\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000 + reply({"state": "running"}),
    reply(b"\x1f\x8b garbage", headers={"Content-Encoding": "gzip"}),
    reply("{}", headers={"Content-Encoding": "br, zstd, gzip, gzip, gzip, gzip, gzip"}),
)
ODD = {
    "deep_body": Odd(polls=between(reply("[" * 500_000), reply(deep(900)))),
    "deep_result": Odd(polls=[reply(f'{{"state": "succeeded", "result": {deep(900)}}}')]),
    "deep_message": Odd(polls=each_as("message", deep(70), deep(300), deep(900))),
    "deep_unit": Odd(polls=each_as("unit", deep(300))),
    "deep_log": Odd(polls=each_as("log", f"[{deep(300)}]", deep(300))),
    "deep_steps": Odd(polls=each_as("steps", f'[{{"name": {deep(300)}}}]', deep(300))),
    "deep_state": Odd(polls=each_as("state", deep(300))),
    "deep_error": Odd(polls=[reply(f'{{"state": "failed", "error": {deep(300)}}}')], end="failed"),
    "deep_refusal": Odd(polls=[DONE], start=reply(f'{{"error": {deep(300)}}}', 422), end="failed"),
    "deep_reckoned": Odd(polls=each_as("x", deep(300), deep(900)), flavour="reckoned"),
    "huge_progress": Odd(polls=each_as("progress", *HUGE)),
    "huge_current": Odd(polls=each_as("current", *(f'{text}, "total": 5e-324' for text in HUGE))),
    "huge_total": Odd(polls=each_as("current", *(f'1e308, "total": {text}' for text in HUGE))),
    "huge_reckoned": Odd(polls=each_as("progress", *HUGE), flavour="reckoned"),
    "huge_texts": Odd(
        polls=each_as("total", '"nan"', '"-inf"', '"1e999"', '"0x10"'), flavour="reckoned"
    ),
    "huge_result": Odd(polls=[reply('{"state": "succeeded", "result": [1e300, -9e99]}')]),
    "huge_reckoned_result": Odd(
        polls=[reply('{"state": "succeeded", "result": [1e300, -9e99]}')], flavour="reckoned"
    ),
    "huge_reckoned_message": Odd(polls=each_as("message", '{"a": 1e300}'), flavour="reckoned"),
    "huge_reckoned_error": Odd(
        polls=[reply('{"state": "failed", "error": {"a": 1e300}}')],
        flavour="reckoned",
        end="failed",
    ),
    "huge_weights": Odd(
        polls=each_as("steps", '[{"name": "a", "weight": 1e308}, {"name": "b", "weight": 1e308}]')
    ),
    "odd_weights": Odd(
        polls=each_as(
            "steps",
            '[{"weight": 5e-324, "progress": 1e308}]',
            '[{"weight": -1}, {"weight": 0}, {"weight": "1e308"}, {"weight": "1e308"}]',
            "[[], null, 7, {}]",
        )
    ),
    "huge_offset": Odd(
        polls=each_as("next", "1e300", "9223372036854775808", "-1", '"x"'), flavour="told"
    ),
    "nul": Odd(
        polls=[
            *each_as("message", r'"a\u0000b"'),
            {"state": "ru\0nning", "unit": "\0", "log": "a\0b", "steps": [{"name": "\0"}]},
            {"state": "succeeded", "result": {"a\0b": ["\0"]}, "message": "\0"},
        ][1:]
    ),
    "surrogates": Odd(
        polls=between(
            *(field_of(name, r'"\ud800\udfff\ud800"') for name in ("message", "state", "log")),
            field_of("result", r'{"\udc00": 1}'),
            reply(b'{"message": "\xed\xa0\x80\xff"}'),
            reply('{"message": "é"}'.encode("utf-16")),
            reply(b"\xef\xbb\xbf{}"),
            reply("é", headers={"X-Odd": "\xff\xed\xa0\x80"}),
        )
    ),
    "prototype": Odd(
        polls=[reply('{"state": "succeeded", "result": {"__proto__": {"a": 1}, "toString": 1}}')]
    ),
    "ten_thousand_steps": Odd(
        polls=between({"steps": [{"name": "x" * 20, "state": "running"}] * 10_000})
    ),
    "hundred_thousand_lines": Odd(polls=between({"log": ["x"] * 100_000}, {"log": "\n" * 900_000})),
    "long_line": Odd(polls=between({"log": "x" * 1_000_000}, {"message": "x" * 1_000_000})),
    "long_words": Odd(polls=between({"state": "x" * 1_000_000}, {"unit": "y" * 1_000_000})),
    "broken_http": Odd(polls=between(*BROKEN)),
    "cookie_bomb": Odd(
        polls=between(
            *(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                + b"".join(b"Set-Cookie: c%d=%s\r\n" % (n, b"x" * 4_000) for n in numbers)
                + b"\r\n{}"
                for numbers in (range(15), range(15, 30), range(30, 90), range(5_000))
            ),
            *(
                reply({}, headers={"Set-Cookie": text})
                for text in ("=", ";;;", "a=\xff\xfe", 'a="\\012\\015Evil: 1"', "a=b; Max-Age=x")
            ),
        ),
        flavour="told",
    ),
    "terminal": Odd(
        polls=[
            {"state": "\x1b[2J\x1b[31mred"},
            {"state": "failed", "error": "\x1b]0;owned\x07\x9b2J\x08\x7f"},
        ],
        end="failed",
    ),
    "forged_lines": Odd(
        polls=[
            {"state": "a\n12:00:00 [error] forged"},
            {"state": "failed", "error": "b\r\x0b\x0c\x85\u2028launcher | forged"},
        ],
        end="failed",
    ),
}


# --- the stack ----------------------------------------------------------------------------------

GIVEN_UP_SOON = "poll = { min = 0.05, max = 0.1, failures = 3, unreachable_for = 0 }"
FLAVOURS = {
    "honest": """
preset = "progrock"
poll = { min = 0.05, max = 0.1 }
""",
    "plain": f"""
preset = "progrock"
map.log = ".body.log"
{GIVEN_UP_SOON}
""",
    "reckoned": f"""
preset = "progrock"
map.progress = ".body.progress * 100"
map.total = ".body.total | tonumber"
map.result = ".body.result | ."
map.error = ".body.error | ."
map.message = ".body.message | ."
{GIVEN_UP_SOON}
""",
    "told": f"""
preset = "progrock"
cookies = "job"
log.path = "/jobs/{{operation}}"
log.query = {{ from = "{{offset}}" }}
map.log = ".body.lines"
map.log_offset = ".body.next"
{GIVEN_UP_SOON}
""",
    "slow": """
start = { method = "POST", path = "/jobs", json = "{params}" }
status.path = "/jobs/{operation}"
map = { operation = ".body.id", state = ".body.state" }
poll = { min = 0.05, max = 0.1, failures = 2, unreachable_for = 0, timeout = 0.7 }
""",
    "coded": """
start = { method = "POST", path = "/jobs", json = "{params}" }
status = "code"
map.status_url = ".headers.location"
poll = { min = 0.05, max = 0.1, failures = 2, unreachable_for = 0, timeout = 0.7 }
""",
    "addressed": f"""
start = {{ method = "POST", path = "/jobs", json = "{{params}}" }}
cancel = {{ method = "POST", path = "/jobs/{{operation}}/cancel", json = {{}} }}
status = {{}}
map.operation = ".body.id"
map.state = ".body.state"
map.status_url = ".headers.location // .body.status_url"
{GIVEN_UP_SOON}
""",
    "named": """
preset = "progrock"
start.headers.X-Title = "{params.title}"
start.query.q = "{params.title}"
poll = { min = 0.05, max = 0.1 }
""",
    "besieged": """
preset = "progrock"
poll = { min = 0.05, max = 0.1, timeout = 1, in_flight = 4 }
""",
    "paced": """
preset = "progrock"
poll = { min = 2, max = 2, per_second = 10, in_flight = 50 }
""",
}


@pytest.fixture(scope="module")
def trap() -> Iterator[Villain]:
    """Another origin, where nothing is ever to be asked."""
    with Villain() as trap:
        yield trap
        assert trap.asked == []


@pytest.fixture(scope="module")
def villain() -> Iterator[Villain]:
    with Villain() as villain:
        yield villain


@pytest.fixture(scope="module")
def stack(villain: Villain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Processes whose backends are the villain, in each flavour."""
    file = tmp_path_factory.mktemp("hostile") / "backends.toml"
    file.write_text(
        "\n".join(
            f'[backends.{name}]\nbase_url = "{villain.url}/{name}"\n{text}'
            for name, text in FLAVOURS.items()
        )
    )
    with ExitStack() as running:
        yield launch(running, {"PROGROCK_BACKENDS": str(file)})


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def watcher(stack: Stack) -> Iterator[Connection]:
    """One who has watched all jobs from the beginning."""
    with opened(stack.url, max_size=None) as connection:
        connection.ask("watch", feed="jobs")
        yield connection
        connection.settle()


def begin(api: httpx.Client, backend: str, plot: Plot, **params: Any) -> str:
    answer = api.post("jobs", json={"backend": backend, "params": {**plot.params, **params}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def end_of(watcher: Connection, job: str) -> Frame:
    """Wait for the end of a job; what was told of it must be sound."""
    complete = watcher.until_complete(job, DEADLINE_SECONDS)
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


# --- addresses ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign(trap: Villain, villain: Villain) -> dict[str, str]:
    """Addresses on which nothing is to be asked, by what is odd about them."""
    return {
        "metadata": METADATA,
        "other port": f"{trap.url}/x",
        "other name": f"http://localhost:{trap.port}/x",
        "without scheme": f"//127.0.0.1:{trap.port}/x",
        "userinfo": f"http://127.0.0.1:{villain.port}@127.0.0.1:{trap.port}/x",
        "backslash": f"http://127.0.0.1:{trap.port}\\@127.0.0.1:{villain.port}/x",
        "decimal": f"http://2130706433:{trap.port}/x",
        "hex": f"http://0x7f000001:{trap.port}/x",
        "mapped": f"http://[::ffff:127.0.0.1]:{trap.port}/x",
        "zone": f"http://[fe80::1%25lo]:{trap.port}/x",
        "file": "file:///etc/passwd",
        "gopher": f"gopher://127.0.0.1:{trap.port}/_x",
        "line break": f"/x HTTP/1.1\r\nHost: 127.0.0.1:{trap.port}\r\n\r\nGET /y",
    }


FOREIGN = (
    "metadata, other port, other name, without scheme, userinfo, backslash, decimal, "
    "hex, mapped, zone, file, gopher, line break"
).split(", ")
IN_HEADERS = [name for name in FOREIGN if name != "line break"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["metadata", "other port"])
def test_a_redirect_of_the_start_is_not_followed(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    status: int,
    name: str,
) -> None:
    plot = villain.plot(start=reply("", status, {"Location": foreign[name]}))

    assert_clear(end_of(watcher, begin(api, "plain", plot)), "backend_refused", "bad_reply")

    assert [len(plot.asked), trap.asked] == [1, []]


@pytest.mark.parametrize("name", ["metadata", "other port"])
def test_a_redirect_of_a_poll_is_not_followed(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    away = [reply("", status, {"Location": foreign[name]}) for status in (301, 302, 303, 307)]
    plot = villain.plot(*away)

    assert_clear(end_of(watcher, begin(api, "plain", plot)), "bad_reply")

    assert trap.asked == []


@pytest.mark.parametrize("name", IN_HEADERS)
def test_a_foreign_location_at_the_start_is_a_bad_reply_and_is_never_asked(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    plot = villain.plot()
    plot.start = reply({"id": plot.id}, 202, {"Location": foreign[name]})

    assert_clear(end_of(watcher, begin(api, "addressed", plot)), "bad_reply")

    assert [plot.of("poll"), trap.asked] == [[], []]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_address_in_the_body_of_a_poll_is_a_bad_reply_and_is_never_asked(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    plot = villain.plot({"state": "running", "status_url": foreign[name]})
    plot.start = reply({"id": plot.id}, 202, {"Location": f"/addressed/jobs/{plot.id}"})

    assert_clear(end_of(watcher, begin(api, "addressed", plot)), "bad_reply")

    assert [len(plot.of("poll")), trap.asked] == [1, []]


def test_a_job_that_named_a_foreign_address_at_its_start_is_cancelled_there(
    api: httpx.Client, watcher: Connection, villain: Villain, foreign: dict[str, str]
) -> None:
    plot = villain.plot()
    plot.start = reply({"id": plot.id}, 202, {"Location": foreign["metadata"]})

    end_of(watcher, begin(api, "addressed", plot))

    villain.wait_for(lambda: plot.of("cancel"), "a cancel")


def test_a_job_that_named_a_foreign_address_in_a_poll_is_cancelled_there(
    api: httpx.Client, watcher: Connection, villain: Villain, foreign: dict[str, str]
) -> None:
    plot = villain.plot({"status_url": foreign["metadata"]})
    plot.start = reply({"id": plot.id}, 202, {"Location": f"/addressed/jobs/{plot.id}"})

    end_of(watcher, begin(api, "addressed", plot))

    villain.wait_for(lambda: plot.of("cancel"), "a cancel")


@pytest.mark.parametrize("name", ["metadata", "other port", "file", "userinfo"])
def test_a_picture_on_a_foreign_address_is_not_fetched(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    result = {"url": foreign[name], "media_type": "image/png"}
    job = begin(api, "plain", villain.plot({"state": "succeeded", "result": result}))
    end_of(watcher, job)

    answer = api.get(f"jobs/{job}/result")

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert trap.asked == []


# --- addresses, below the stack -----------------------------------------------------------------


async def _polled(request: HttpRequest, seconds: float) -> HttpReply:
    poller = Poller()
    try:
        return await poller.send(request, seconds)
    finally:
        await poller.close()


def _send_by_aiohttp(url: str, seconds: float = 5.0) -> HttpReply:
    return asyncio.run(_polled(HttpRequest(method="GET", url=url), seconds))


def _send_by_requests(url: str, seconds: float = 5.0) -> HttpReply:
    return send_once(HttpRequest(method="GET", url=url), seconds)


Send = Callable[..., HttpReply]
both = pytest.mark.parametrize("send", [_send_by_aiohttp, _send_by_requests], ids=["poll", "call"])


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note where sockets connect; nobody gets farther than this machine."""
    noted: list[str] = []
    connect = socket.socket.connect

    def note(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            noted.append(address[0])
            if address[0] not in {"127.0.0.1", "::1"}:
                raise ConnectionRefusedError("nobody gets farther than this machine")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", note)
    return noted


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that has `moving.test` resolve to other addresses each time it is asked."""
    resolve = socket.getaddrinfo

    def play(*answers: list[str]) -> None:
        turns = itertools.chain(answers, itertools.repeat(answers[-1]))

        def lie(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host not in {"moving.test", b"moving.test"}:
                return resolve(host, port, *args, **kwargs)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
                for address in next(turns)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", lie)

    return play


@both
def test_a_name_that_moves_after_the_check_leads_to_the_checked_address_or_nowhere(
    villain: Villain, name_server: Callable[..., None], connected: list[str], send: Send
) -> None:
    name_server(["127.0.0.1"], ["169.254.169.254"])
    url = f"http://moving.test:{villain.port}/moving"

    assert send(url).status == 404
    with pytest.raises(Refused, match=r"moving\.test"):
        send(url)

    assert set(connected) == {"127.0.0.1"}
    assert villain.strays[-1].headers["host"] == f"moving.test:{villain.port}"


@both
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "0.0.0.0"]
)
def test_a_name_of_which_one_address_is_forbidden_is_refused(
    villain: Villain,
    name_server: Callable[..., None],
    connected: list[str],
    send: Send,
    address: str,
) -> None:
    name_server(["127.0.0.1", address])

    with pytest.raises(Refused, match=r"moving\.test"):
        send(f"http://moving.test:{villain.port}/")

    assert connected == []


@both
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "%31%36%39.254.169.254",
        "①⑥⑨.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[fd00:ec2::254]",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
    ],
)
def test_a_forbidden_address_is_refused_however_it_is_written(
    tmp_path: Path, connected: list[str], send: Send, host: str
) -> None:
    """Where the file is taken at all, the request is refused before anything is connected."""
    file = tmp_path / "backends.toml"
    file.write_text(f'[backends.x]\npreset = "progrock"\nbase_url = "http://{host}:1"\n')

    with pytest.raises((DescriptionError, Refused, Unreachable)):
        send(building.checked(load(file, {}).by_name["x"], "/jobs"))

    assert connected == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the names localhost and moving.test, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        lacking("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext".split()
    names = "subjectAltName=DNS:localhost,DNS:moving.test"
    made = [openssl, *words, names, "-keyout", file, "-out", file.with_suffix(".crt")]
    subprocess.run(made, check=True, capture_output=True)
    with file.open("a") as both_parts:
        both_parts.write(file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def secured(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A server over TLS that this process trusts: its port, and the heads of the requests.

    `/drip` is answered by headers that do not end.
    """
    public = str(certificate.with_suffix(".crt"))
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", public)
    trusting = ssl.create_default_context(cafile=public)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heads: list[str] = []
    is_over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            heads.append(tls.recv(65536).decode())
            if "/drip" not in heads[-1]:
                tls.sendall(reply({}))
                return
            tls.sendall(b"HTTP/1.1 200 OK\r\n")
            while not is_over.wait(0.05):
                tls.sendall(b"X: y\r\n")

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], heads
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)


@both
def test_over_tls_the_checked_address_is_asked_under_the_backends_own_name(
    secured: tuple[int, list[str]],
    name_server: Callable[..., None],
    connected: list[str],
    send: Send,
) -> None:
    name_server(["127.0.0.1"])
    port, heads = secured

    assert send(f"https://moving.test:{port}/").status == 200

    assert set(connected) == {"127.0.0.1"}
    assert f"\r\nhost: moving.test:{port}\r\n" in heads[0].lower()


@both
def test_over_tls_a_drip_of_headers_ends_in_time_too(
    secured: tuple[int, list[str]], name_server: Callable[..., None], send: Send
) -> None:
    name_server(["127.0.0.1"])
    began = time.monotonic()

    with ThreadOfItsOwn() as thread, pytest.raises(Unreachable, match="within"):
        thread.run(lambda: send(f"https://moving.test:{secured[0]}/drip", 0.5), seconds=3)

    assert time.monotonic() - began < 3


class ThreadOfItsOwn:
    """Runs what may hang, and goes on without it when it does."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, do: Callable[[], object], seconds: float) -> None:
        """Do something; raise what it raises, or fail when it does not end in time."""
        raised: list[BaseException] = []

        def work() -> None:
            try:
                do()
            except BackendError as exc:
                raised.append(exc)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds)
        assert not thread.is_alive(), f"still waiting after {seconds:g} s"
        if raised:
            raise raised[0]


def lacking(what: str) -> NoReturn:
    """Skip what this machine cannot do; where all must be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


# --- what it says, borne ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd_jobs(
    honest_jobs: dict[str, str], api: httpx.Client, villain: Villain
) -> dict[str, tuple[str, Plot]]:
    """All jobs that are told odd things, each with its plot."""
    plots = {name: villain.plot(*odd.polls, start=odd.start) for name, odd in ODD.items()}
    return {name: (begin(api, ODD[name].flavour, plot), plot) for name, plot in plots.items()}


@pytest.fixture(scope="module")
def honest_jobs(
    stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain
) -> dict[str, str]:
    """An honest job on each backend that tells odd things, by the backend's name."""
    steps: list[Answer] = [{"state": "running", "progress": step} for step in range(50)]
    flavours = sorted({odd.flavour for odd in ODD.values()})
    return {flavour: begin(api, flavour, villain.plot(*steps, DONE)) for flavour in flavours}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_reply_is_borne(
    stack: Stack,
    api: httpx.Client,
    watcher: Connection,
    odd_jobs: dict[str, tuple[str, Plot]],
    name: str,
) -> None:
    job, _ = odd_jobs[name]

    complete = end_of(watcher, job)

    assert complete["state"] == ODD[name].end
    if ODD[name].end == "failed":
        assert_clear(complete)
    assert errors_about(stack, job) == []
    assert api.get(f"jobs/{job}").json()["job"] == job
    assert len(api.get(f"jobs/{job}").content) < MIB


@pytest.mark.parametrize("flavour", sorted({odd.flavour for odd in ODD.values()}))
def test_the_neighbours_of_odd_jobs_are_well(
    watcher: Connection,
    odd_jobs: dict[str, tuple[str, Plot]],
    honest_jobs: dict[str, str],
    flavour: str,
) -> None:
    job = honest_jobs[flavour]

    assert end_of(watcher, job)["state"] == "succeeded"
    events = events_of(watcher.frames, job)
    assert {event["condition"] for event in events} == {"ok"}


def test_steps_and_log_lines_are_bounded(
    api: httpx.Client, watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    stepped, logged = odd_jobs["ten_thousand_steps"][0], odd_jobs["hundred_thousand_lines"][0]
    end_of(watcher, stepped)
    end_of(watcher, logged)

    assert 1 <= len(api.get(f"jobs/{stepped}").json()["steps"]) <= 1_000
    events = api.get(f"jobs/{logged}").json()["seq"]
    told = [frame for frame in watcher.frames if frame.get("job") == logged and "lines" in frame]
    assert 1_000 <= sum(len(frame["lines"]) for frame in told) <= 1_001
    assert events < 20


def test_cookies_are_bounded_and_bring_no_header_of_their_own(
    watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    job, plot = odd_jobs["cookie_bomb"]
    end_of(watcher, job)

    asked = plot.asked
    assert any("c0=" in request.headers.get("cookie", "") for request in asked)
    assert max(len(request.headers.get("cookie", "")) for request in asked) <= 50 * 4_100
    assert all("evil" not in request.headers for request in asked)


def test_no_control_character_of_a_backend_reaches_the_terminal(
    stack: Stack, watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    for name in ("terminal", "forged_lines"):
        end_of(watcher, odd_jobs[name][0])

    wrong = [line for line in stack.launcher.log.splitlines() if _CONTROLS.search(line)]
    assert wrong == []
    forged = [line for line in re.split(r"[\x0b\x0c\x85\u2028\r\n]", stack.launcher.log)
              if "forged" in line]  # fmt: skip
    assert all(re.match("worker +[|]", line) for line in forged)


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def test_a_line_of_a_log_has_no_control_characters_whoever_writes_it() -> None:
    """Where no launcher gathers the lines, as in production, they are as safe."""
    said = "\x1b[2J\x1b]0;owned\x07\x9b\x7f\u2028"
    program = (
        "import structlog; from progrock.logs import configure; configure(); "
        f"structlog.get_logger().warning('it said', word={said!r}, more={[said]!r})"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert _CONTROLS.search(told.stderr.decode().strip()) is None


def test_a_result_of_nearly_1_mib_reaches_the_watchers(
    api: httpx.Client, watcher: Connection, villain: Villain
) -> None:
    text = "x" * 900_000
    job = begin(api, "plain", villain.plot({"state": "succeeded", "result": text}))

    assert end_of(watcher, job)["result"] == text


@pytest.mark.parametrize(("size", "state"), [(MIB, "succeeded"), (MIB + 1, "failed")])
def test_a_reply_over_1_mib_counts_as_a_failure(
    api: httpx.Client, watcher: Connection, villain: Villain, size: int, state: str
) -> None:
    content = b'{"state": "succeeded", "x": "%s"}'
    plot = villain.plot(reply(content % (b"x" * (size - len(content) + 2))))

    complete = end_of(watcher, begin(api, "plain", plot))

    assert complete["state"] == state
    if state == "failed":
        assert_clear(complete, "bad_reply")
        assert len(plot.of("poll")) == 3


@pytest.mark.parametrize(
    "answer",
    [
        reply({"state": "running"}, headers={"Retry-After": "31536000"}),
        reply("busy", 503, {"Retry-After": "31536000"}),
        reply({"state": "running"}, headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
        reply({"state": "running"}, headers={"Retry-After": "9" * 400}),
        reply({"state": "running"}, headers={"Retry-After": "NaN"}),
    ],
    ids=["a year", "a year and 503", "the year 9999", "400 digits", "nan"],
)
def test_a_job_that_is_to_be_asked_in_a_year_can_be_cancelled_at_once(
    api: httpx.Client, watcher: Connection, villain: Villain, answer: bytes
) -> None:
    plot = villain.plot(answer)
    job = begin(api, "plain", plot)
    villain.wait_for(lambda: plot.of("poll"), "a poll")

    api.post(f"jobs/{job}/cancel", json={})

    assert end_of(watcher, job)["state"] == "cancelled"


# --- ids and params -----------------------------------------------------------------------------

IDS = {
    "dots": "..",
    "dot": ".",
    "up": "../admin",
    "up and down": "a/../../b",
    "query": "x?admin=1",
    "fragment": "x#y",
    "encoded dots": "%2e%2e",
    "encoded up": "%2e%2e%2fadmin",
    "line breaks": "x\r\nEvil: 1\r\n\r\n",
    "slash": "/",
    "origin": "//127.0.0.1/",
    "backslashes": "\\..\\",
    "blank": "x y",
    "foreign": "é✓\u202e",
    "half a percent": "100%",
    "nul": "\x00",
    "long": "x" * 3_000,
    "object": {"a": "../b"},
    "number": 12345678901234567890,
}


@pytest.fixture(scope="module")
def jobs_by_id(
    stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain
) -> dict[str, tuple[str, Plot]]:
    """A job for each odd id that a backend gives."""
    plots = {name: villain.plot(id_=id_) for name, id_ in IDS.items()}
    return {name: (begin(api, "plain", plot), plot) for name, plot in plots.items()}


@pytest.mark.parametrize("name", IDS)
def test_an_odd_id_is_one_segment_of_the_path_or_refused(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    jobs_by_id: dict[str, tuple[str, Plot]],
    name: str,
) -> None:
    """The villain knows a plot's requests by their segment; what it does not know is a stray."""
    job, plot = jobs_by_id[name]
    ended = f"jobs/{job}"
    villain.wait_for(lambda: plot.of("poll") or api.get(ended).json()["complete"], "a poll")

    api.post(f"jobs/{job}/cancel", json={})
    complete = end_of(watcher, job)

    if plot.of("poll"):
        assert complete["state"] == "cancelled"
        assert len(plot.of("cancel")) == 1
    else:
        assert_clear(complete, "bad_reply", "backend_refused")
    assert all("evil" not in asked.headers for asked in villain.asked)


def test_odd_ids_lead_to_no_other_path(
    watcher: Connection, villain: Villain, jobs_by_id: dict[str, tuple[str, Plot]]
) -> None:
    for job, _ in jobs_by_id.values():
        end_of(watcher, job)

    assert [stray.target for stray in villain.strays if stray.target != "/moving"] == []


@pytest.mark.parametrize(
    "title",
    ["x\r\nEvil: 1", "x\nEvil: 1", "x\r\n\r\nGET /", "\u010d\u010aEvil: 1", "x\x7f", "\x1f"],
)
def test_params_bring_no_header_of_their_own(
    api: httpx.Client, watcher: Connection, villain: Villain, title: str
) -> None:
    plot = villain.plot(DONE)

    complete = end_of(watcher, begin(api, "named", plot, title=title))

    assert_clear(complete, "backend_refused")
    assert plot.asked == []


def test_params_bring_no_query_of_their_own(
    api: httpx.Client, watcher: Connection, villain: Villain
) -> None:
    plot, title = villain.plot(DONE), "x&admin=1?y#z;q=2 /../%26"

    end_of(watcher, begin(api, "named", plot, title=title))

    assert parse_qsl(urlsplit(plot.asked[0].target).query) == [("q", title)]


# --- a line that is held ------------------------------------------------------------------------

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

    complete = end_of(watcher, job)

    assert_clear(complete, "backend_unreachable", "bad_reply", "start_unknown")
    assert plot.sent < MOST_SENT
    assert len(plot.of("start")) == 1
    assert len(plot.of("poll")) in {0, 2}


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


# --- many at once -------------------------------------------------------------------------------


@pytest.fixture
def crowd(api: httpx.Client) -> Iterator[Callable[[str, Plot, int], list[str]]]:
    """Give a function that starts many jobs of one plot; they are cancelled in the end."""
    jobs: list[str] = []

    def start(backend: str, plot: Plot, count: int) -> list[str]:
        jobs.extend(begin(api, backend, plot) for _ in range(count))
        return jobs

    yield start
    for job in jobs:
        api.post(f"jobs/{job}/cancel", json={})


def test_a_backend_gets_no_more_starts_at_once_than_it_allows(
    villain: Villain, crowd: Callable[[str, Plot, int], list[str]]
) -> None:
    plot = villain.plot(start=say_nothing)
    crowd("besieged", plot, 12)

    villain.wait_for(lambda: len(plot.of("start")) >= 8, "eight starts")

    assert plot.open_most == 4


def test_a_backend_gets_no_more_starts_a_second_than_it_allows(
    villain: Villain, crowd: Callable[[str, Plot, int], list[str]]
) -> None:
    """The bucket holds one second's worth: twice as many within the first second."""
    plot = villain.plot()
    crowd("paced", plot, 25)

    villain.wait_for(lambda: len(plot.of("start")) >= 22, "most of the starts")

    times = [asked.at for asked in plot.of("start")]
    assert max(sum(at <= each < at + 1 for each in times) for at in times) <= 20


def test_jobs_of_others_go_on_while_a_backend_hangs(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    crowd: Callable[[str, Plot, int], list[str]],
) -> None:
    """Whatever waits for that backend does not stand in the way of all others."""
    plot = villain.plot(start=say_nothing)
    crowd("besieged", plot, 48)
    villain.wait_for(lambda: plot.open_now >= 4, "four starts")

    end_of(watcher, begin(api, "honest", villain.plot(*between({"progress": 5}))))

    assert len(plot.of("start")) < 48


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    """A page that must have nothing to complain of, and open no dialog."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        lacking("no Chromium: install the package chromium, or set CHROMIUM to its path")
    complaints, dialogs = Complaints(), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(base_url=stack.url)
        context.set_default_timeout(DEADLINE_SECONDS * 1000)
        complaints.listen(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        yield page
        assert page.locator('[src="x"], [href^="javascript"], [onerror]').count() == 0
        browser.close()
    assert dialogs == []
    assert complaints.unexpected() == []


def test_on_the_page_markup_of_a_backend_is_text(
    api: httpx.Client, watcher: Connection, villain: Villain, page: Page
) -> None:
    said = {
        "message": HTML,
        "unit": HTML,
        "current": 1,
        "total": 9,
        "steps": [{"name": HTML, "state": HTML}],
        "log": [HTML],
    }
    result = {HTML: HTML, "link": "javascript:alert(3)", "page": "data:text/html," + HTML}
    plots = {
        "runs": villain.plot({"state": HTML, **said}),
        "fails": villain.plot({"state": "failed", "error": HTML, **said}),
        "succeeds": villain.plot({"state": "succeeded", "result": result, **said}),
        "refused": villain.plot(start=reply({"error": HTML}, 422)),
    }
    body = {"backend": "plain", "title": HTML, "labels": [HTML[:60]]}
    jobs = {
        name: api.post("jobs", json=body | {"params": plot.params}).json()["job"]
        for name, plot in plots.items()
    }
    for name in ("fails", "succeeds", "refused"):
        watcher.until_complete(jobs[name])

    def assert_text(name: str, *parts: str) -> None:
        row = page.locator(f'li.job[data-job="{jobs[name]}"]')
        for part in ("title", *parts):
            text = HTML[:40] if part == "amount" else HTML  # a unit has 60 characters at most
            expect(row.locator(f"[data-part={part}]")).to_contain_text(text)

    page.goto("/")
    assert_text("runs", "message", "amount")
    assert_text("fails", "error")
    assert_text("succeeds", "result")
    assert_text("refused", "error")
    for job in jobs.values():  # as it was when the page was made, and as it comes over the socket
        page.goto(f"/jobs/{job}")
        expect(page.locator(f'li.job[data-job="{job}"] [data-part=title]')).to_have_text(HTML)
        expect(page).to_have_title(re.compile(re.escape(f"{HTML} · ProgRock")))
    page.goto("/")
    plots["runs"].polls = [{"state": "failed", "error": HTML + "2"}]
    assert_text("runs", "error")


# --- after all that -----------------------------------------------------------------------------


def test_the_processes_are_well(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/healthz").status_code == 200
    assert httpx.get(f"{stack.url}/readyz").status_code == 200
    started = re.findall(r"started (\w+) \(pid", stack.launcher.log)
    assert sorted(started) == sorted(set(started))


def test_no_log_holds_a_traceback_or_a_fault_of_ours(stack: Stack) -> None:
    lines = stack.launcher.log.splitlines()

    assert [line for line in lines if "Traceback" in line or "fault of ours" in line] == []


def test_nothing_has_reached_the_trap(trap: Villain) -> None:
    assert trap.asked == []
