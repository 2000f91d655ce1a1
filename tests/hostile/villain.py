"""A backend that means harm: it answers each job by a plot, in raw bytes where need be."""

import asyncio
import contextlib
import itertools
import json
import re
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

DEADLINE_SECONDS = 15.0
END_SECONDS = 5.0
DRIPS = int(4 * DEADLINE_SECONDS / 0.05)  # longer than anybody may listen
MIB = 1024 * 1024
MOST_SENT = 64 * MIB  # that a backend gets rid of in one reply, buffers of sockets included

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
        try:
            self._in_loop(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_SECONDS)
            if not self._thread.is_alive():
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
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS)

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
    """Say the head, and then a drop each 50 ms, for longer than anybody may listen."""

    async def speak(plot: Plot, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(DRIPS):
            if writer.is_closing():
                return
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
