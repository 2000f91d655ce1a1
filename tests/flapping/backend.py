"""A backend in changing weather, which keeps the truth: what was begun, and how it really ended.

It serves our own contract below `/safe`, where a start with the same key is the same work, and
below `/once`, where each start begins another. What it answers depends on the weather; what it
does as well: a start in bad weather may have begun, and its answer be lost.
"""

import asyncio
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import web

DEADLINE_SECONDS = 30.0
HANG_SECONDS = 20.0  # longer than anybody waits
NO_LINGER = struct.pack("ii", 1, 0)  # close with RST and drop what is unsent (man 7 socket)
_PATH = re.compile(r"/(?P<kind>safe|once)/jobs(?:/(?P<operation>[^/]+)(?P<rest>/cancel|/log)?)?")


class Weather(StrEnum):
    """What becomes of requests."""

    FINE = "fine"
    DOWN = "down"  # nobody listens
    ERRORS = "errors"  # 500; nothing is done
    BUSY = "busy"  # 429, with Retry-After and without; nothing is done
    GARBAGE = "garbage"  # it is done, and the answer is nonsense
    HANGING = "hanging"  # it is done, and there is no answer


BAD = [weather for weather in Weather if weather is not Weather.FINE]
GARBAGE = [
    b"<html><body>Welcome</body></html>",
    b'{"id": "x", "sta',
    b"\x00\xff\xfe garbage",
    b"[]",
]


@dataclass
class Work:
    """One piece of work that was begun. Times are monotonic seconds."""

    name: str
    begun: float
    seconds: float
    end: str
    cancelled: float | None = None

    def state(self, now: float) -> str:
        """Return how it is at a time; an end stays."""
        over = self.begun + self.seconds
        if self.cancelled is not None and self.cancelled < over:
            return "cancelled"
        return self.end if now >= over else "running"

    def body(self, operation: str, now: float, chance: float) -> dict[str, Any]:
        """Return what a poll is told; now and then the figure goes back."""
        state = self.state(now)
        done = min((now - self.begun) / self.seconds, 1.0)
        told = {"id": operation, "state": state, "log_size": len(self.log(now))}
        if state == "running":
            shown = max(0.0, 100 * done - (10 if chance < 0.1 else 0))
            return told | {"progress": round(shown, 1), "message": f"part {int(shown / 10)}"}
        if state == "succeeded":
            return told | {"progress": 100, "result": {"name": self.name}}
        return told | ({"error": f"{self.name} broke"} if state == "failed" else {})

    def log(self, now: float) -> str:
        """Return the log so far: a line for each tenth."""
        tenths = int(10 * min((now - self.begun) / self.seconds, 1.0))
        return "".join(f"{self.name} did part {part}\n" for part in range(tenths))


@dataclass
class Start:
    """A request to start a job, and in which weather it came."""

    at: float
    weather: Weather
    key: str | None


@dataclass
class Account:
    """What the backend knows of one job of ours."""

    starts: list[Start] = field(default_factory=list)
    works: dict[str, Work] = field(default_factory=dict)  # by operation
    cancels: int = 0  # that were carried out


class FlappingBackend:
    """The server, in a thread, on one port for its whole life."""

    def __init__(self, seed: int) -> None:
        self.accounts: dict[str, Account] = {}
        self.requests = 0
        self.weathers: list[tuple[float, Weather]] = []
        self._chance = random.Random(seed)
        self._owners: dict[str, str] = {}  # by operation
        self._by_key: dict[str, str] = {}
        self._weather = Weather.FINE
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.ServerRunner | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._in_loop(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._in_loop(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it answers, when it does."""
        return f"http://127.0.0.1:{self._port}"

    def turn(self, weather: Weather) -> None:
        """Change the weather."""
        self.weathers.append((time.monotonic(), weather))
        before, self._weather = self._weather, weather
        if weather is Weather.DOWN:
            self._in_loop(self._hang_up())
        elif before is Weather.DOWN:
            self._in_loop(self._listen())

    def account_of(self, name: str) -> Account:
        """Return what it knows of a job, by the name in its params."""
        with self._lock:
            return self.accounts.setdefault(name, Account())

    # --- the server ---

    def _in_loop(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_SECONDS)

    async def _listen(self) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None), shutdown_timeout=0, access_log=None
        )
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    async def _hang_up(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, received: web.BaseRequest) -> web.StreamResponse:
        body, weather = await received.read(), self._weather
        self.requests += 1
        found = _PATH.fullmatch(received.path)
        if found is None:
            return web.json_response({"error": "no such path"}, status=404)
        is_log = found["rest"] == "/log"
        with self._lock:
            if found["operation"] is None:
                status, told = self._start(found["kind"], received, json.loads(body), weather)
            else:
                status, told = self._tell(found["operation"], found["rest"], received, weather)
        if weather is Weather.HANGING:
            await asyncio.sleep(HANG_SECONDS)
            return web.Response(status=504)
        if weather is Weather.GARBAGE:
            return self._garbage(received, is_log=is_log)
        if isinstance(told, str):
            return web.Response(text=told, status=status)
        headers = {"Retry-After": "1"} if status == 429 and self._chance.random() < 0.5 else {}
        return web.json_response(told, status=status, headers=headers)

    def _start(
        self, kind: str, received: web.BaseRequest, params: dict[str, Any], weather: Weather
    ) -> tuple[int, Any]:
        name, now = params["name"], time.monotonic()
        key = received.headers.get("Idempotency-Key")
        account = self.accounts.setdefault(name, Account())
        account.starts.append(Start(now, weather, key))
        if (refusal := _refusal(weather)) is not None:
            return refusal
        operation = self._by_key.get(key) if kind == "safe" and key else None
        if operation is None:
            operation = f"{name}.{len(account.works) + 1}"
            account.works[operation] = Work(name, now, params["seconds"], params["end"])
            self._owners[operation] = name
            if key:
                self._by_key[key] = operation
        return 202, account.works[operation].body(operation, now, 1.0)

    def _tell(
        self, operation: str, rest: str | None, received: web.BaseRequest, weather: Weather
    ) -> tuple[int, Any]:
        if (refusal := _refusal(weather)) is not None:
            return refusal
        name, now = self._owners.get(operation), time.monotonic()
        if name is None:
            return 404, {"error": "no such job"}
        account = self.accounts[name]
        work = account.works[operation]
        if rest == "/log":
            return 200, work.log(now)[int(received.query.get("offset", 0)) :]
        if rest == "/cancel":
            account.cancels += 1
            if work.state(now) == "running":
                work.cancelled = now
        return (202 if rest else 200), work.body(operation, now, self._chance.random())

    def _garbage(self, received: web.BaseRequest, *, is_log: bool) -> web.StreamResponse:
        if is_log:  # any text is a log
            return web.Response(status=502)
        kind = self._chance.randrange(len(GARBAGE) + 2)
        transport = received.transport
        if kind < len(GARBAGE) or transport is None:
            return web.Response(body=GARBAGE[kind % len(GARBAGE)], content_type="application/json")
        if kind == len(GARBAGE):
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            transport.close()
        else:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
        return web.Response()


def _refusal(weather: Weather) -> tuple[int, Any] | None:
    if weather is Weather.ERRORS:
        return 500, {"error": "out of order"}
    if weather is Weather.BUSY:
        return 429, {"error": "too many"}
    return None


class Forecast(threading.Thread):
    """Turns the weather of a backend: each kind of bad, again and again, with some fine between."""

    def __init__(
        self, backend: FlappingBackend, seed: int, seconds: float, down_seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self._backend = backend
        self._chance = random.Random(seed)
        self._down_seconds = down_seconds
        self._until = time.monotonic() + seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            for weather in self._order():
                if self._stopped.is_set() or time.monotonic() > self._until:
                    break
                self._backend.turn(weather)
                down = weather is Weather.DOWN
                self._stopped.wait(self._down_seconds if down else self._chance.uniform(1.0, 2.5))
                self._backend.turn(Weather.FINE)
                self._stopped.wait(self._chance.uniform(0.5, 2.0))
            if time.monotonic() > self._until:
                return

    def _order(self) -> Sequence[Weather]:
        return self._chance.sample(BAD, len(BAD))

    def stop(self) -> None:
        """Let it be fine from now on."""
        self._stopped.set()
        self.join(DEADLINE_SECONDS)
