"""Microseconds of CPU for one request and its reply: our client, a bare aiohttp, and the floor.

All are in this process and on uvloop, take turns, have the same number of requests on their way,
and parse each reply.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import aiohttp
import orjson
import uvloop

from bench import report
from bench.processes import Child, free_port, listens
from bench.stack import IN_FLIGHT
from progrock.backends.http import HttpRequest
from progrock.backends.poller import Poller

JOBS = 1_000
SECONDS = 10.0
Ask = Callable[[str], Awaitable[bytes]]


async def _poller(_: str, exits: AsyncExitStack) -> Callable[[], Awaitable[Ask]]:
    poller = Poller()
    exits.push_async_callback(poller.close)

    async def ask(url: str) -> bytes:
        return (await poller.send(HttpRequest(method="GET", url=url), SECONDS)).content

    return _for_all(ask)


async def _aiohttp(_: str, exits: AsyncExitStack) -> Callable[[], Awaitable[Ask]]:
    session = await exits.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
    )

    async def ask(url: str) -> bytes:
        async with session.get(url) as reply:
            return await reply.read()

    return _for_all(ask)


async def _floor(url: str, exits: AsyncExitStack) -> Callable[[], Awaitable[Ask]]:
    """Take the first bytes for a whole reply, which here they are."""
    host, _, port = url.removeprefix("http://").partition(":")

    async def opened() -> Ask:
        _, line = await asyncio.get_running_loop().create_connection(Line, host, int(port))
        exits.callback(line.transport.close)
        return line.ask

    return opened


class Line(asyncio.Protocol):
    """One connection, and nothing of HTTP but the empty line."""

    transport: asyncio.Transport
    answer: "asyncio.Future[bytes]"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to ask."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Hand on what follows the empty line."""
        self.answer.set_result(data[data.index(b"\r\n\r\n") + 4 :])

    def ask(self, url: str) -> "asyncio.Future[bytes]":
        """Return the future of a reply."""
        self.answer = asyncio.get_running_loop().create_future()
        target = url[url.index("/", 8) :].encode()
        self.transport.write(b"GET %b HTTP/1.1\r\nHost: bench\r\n\r\n" % target)
        return self.answer


def _for_all(ask: Ask) -> Callable[[], Awaitable[Ask]]:
    async def opened() -> Ask:
        return ask

    return opened


CLIENTS = {"floor": _floor, "poller": _poller, "aiohttp": _aiohttp}


async def _round(name: str, url: str, requests: int) -> float:
    """Return the CPU microseconds a request."""
    numbers = iter(range(requests + IN_FLIGHT))

    async def ask_on(ask: Ask, up_to: int) -> None:
        for number in itertools.takewhile(lambda number: number < up_to, numbers):
            orjson.loads(await ask(f"{url}/jobs/op-{number % JOBS}"))

    async with AsyncExitStack() as exits:
        opened = await CLIENTS[name](url, exits)
        asks = [await opened() for _ in range(IN_FLIGHT)]
        await asyncio.gather(*(ask(f"{url}/jobs/op-{number}") for number, ask in enumerate(asks)))
        start = time.process_time()
        await asyncio.gather(*(ask_on(ask, requests) for ask in asks))
        return 1e6 * (time.process_time() - start) / requests


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure; print, and return the medians of the rounds."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    times: dict[str, list[float]] = {name: [] for name in CLIENTS}
    command = [sys.executable, "-m", "bench.backend", str(port)]
    with (
        TemporaryDirectory() as folder,
        Child("backend", command, os.environ, Path(folder)) as backend,
    ):
        backend.wait_for(lambda: listens(port), "the backend listens")
        for _ in range(3 if quick else 7):
            for name, found in times.items():
                found.append(uvloop.run(_round(name, url, 5_000 if quick else 20_000)))
    sides = {
        name: {"µs CPU/request": median(found), "least": min(found)}
        for name, found in times.items()
    }
    for figures in sides.values():
        figures["of aiohttp"] = figures["µs CPU/request"] / sides["aiohttp"]["µs CPU/request"]
    print(report.table(f"One request and its reply, {IN_FLIGHT} at once", sides))
    return {"client": sides}
