"""A backend that says what a test tells it, byte by byte, on a real socket."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from progrock.backends.errors import BackendError
from progrock.backends.http import HttpRequest
from progrock.backends.poller import Poller

Talk = Callable[["Visit"], Awaitable[None]]
TIMEOUT = 10.0
WAIT_SECONDS = 10.0


class Visit:
    """One connection to the peer, seen from there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Return the next request with its body; empty when the connection ended."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + await self._reader.readexactly(length)

    async def say(self, *parts: bytes) -> None:
        """Send some bytes; each part gets on its way before the next."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def is_left(self) -> None:
        """Wait until the other side closes."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


class Peer:
    """Answers one request after the other with the next of `answers`, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[bytes | Talk] = []
        self.asked: list[bytes] = []
        self.visits = 0
        self.open = 0
        self.port = 0
        self.names: list[str | None] = []  # that TLS asked for
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def on(
        self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> AsyncIterator[Self]:
        """Listen, and end all connections afterwards."""
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._server = await asyncio.start_server(self._visit, host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop_listening(self) -> None:
        """Take no further connections; those that are open stay."""
        if self._server is not None:
            self._server.close()

    async def until_left(self, open_now: int = 0) -> None:
        """Wait until only so many connections are open."""
        await until(lambda: self.open == open_now)

    def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(Visit(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, visit: Visit) -> None:
        self.visits += 1
        self.open += 1
        try:
            while request := await visit.request():
                self.asked.append(request)
                answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
                if isinstance(answer, bytes):
                    await visit.say(answer)
                else:
                    await answer(visit)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            visit.writer.transport.abort()


def reply(content: bytes = b"{}", *, status: int = 200, headers: str = "") -> bytes:
    """Return a whole reply; `headers` are lines with their ends."""
    return (
        f"HTTP/1.1 {status} Said\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode()
        + content
    )


def closing(*parts: bytes) -> Talk:
    """Say something, then close the connection."""

    async def talk(visit: Visit) -> None:
        await visit.say(*parts)
        visit.writer.close()

    return talk


async def silent(visit: Visit) -> None:
    """Say nothing."""
    await visit.is_left()


def dripping(start: bytes, drop: bytes) -> Talk:
    """Say a little, and a little more again and again."""

    async def talk(visit: Visit) -> None:
        await visit.say(start)
        while True:
            await visit.say(drop)
            await asyncio.sleep(0.01)

    return talk


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition, for so long at most."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():  # noqa: ASYNC110 - of conditions that nothing tells of
            await asyncio.sleep(0.005)


def get(peer: Peer, target: str = "/", **more: Any) -> HttpRequest:
    """Return a request to a peer."""
    return HttpRequest(**{"method": "GET", "url": peer.url + target, **more})


async def failure_of(
    poller: Poller, request: HttpRequest, seconds: float = TIMEOUT
) -> BackendError:
    """Return the error that a request ends with."""
    with pytest.raises(BackendError) as raised:
        await poller.send(request, seconds)
    return raised.value


def open_files() -> set[str]:
    """Return what this process has open: sockets and pipes by their numbers, files by their paths.

    What is open that was not before is ours; other parts of the process may close theirs meanwhile.
    """
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by now, as the folder itself
            found.add(str(file.readlink()))
    return found
