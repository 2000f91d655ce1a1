"""A real HTTP backend that does what a test tells it: slow, broken, lying, away, back again.

    with ScriptedBackend() as backend:
        script = backend.script({"progress": 10}, Reply(status=500), {"state": "succeeded"})
        # a start with params {"script": script.name} is answered, and then each poll of that job
        # gets the next reply; the last one for ever
        backend.wait_for(lambda: len(script.polls) >= 3, "three polls")

It serves our own contract under any prefix (`URL/NAME/jobs`, so that several backends of one
TOML file can be told apart), and whatever else a test puts on a path by `at`. It runs in a thread
of the test's process, on one port for its whole life, and records every request.
"""

import asyncio
import contextlib
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

DEADLINE_SECONDS = 30.0
NO_LINGER = struct.pack("ii", 1, 0)  # close with RST and drop what is unsent (man 7 socket)
_CONTRACT = re.compile(r"(?P<prefix>.*)/jobs(?:/(?P<operation>[^/]+)(?P<cancel>/cancel)?)?")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One reply: JSON, text or bytes in `body`, or a function of the operation that gives one.

    It is sent after `delay` seconds and once `gate` is set. `raw` is written to the socket as it
    is, instead of HTTP, before the connection is closed; with `reset` the connection is reset and
    nothing is said.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    gate: threading.Event | None = None
    raw: bytes | None = None
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came. `at` is monotonic seconds; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Answer = Reply | Mapping[str, Any]
"""A reply, or the JSON body of one that is otherwise ordinary."""


def as_reply(answer: Answer) -> Reply:
    """Return an answer as a reply."""
    return answer if isinstance(answer, Reply) else Reply(body=dict(answer))


class Replies:
    """Replies in their order; the last one is given for ever."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._replies = [as_reply(answer) for answer in answers]
        assert self._replies, "give at least one reply"
        self._given = 0

    def take(self) -> Reply:
        """Return the next reply."""
        reply = self._replies[min(self._given, len(self._replies) - 1)]
        self._given += 1
        return reply


class Script:
    """What the jobs of one name are answered, and what was asked about them.

    Each job gets all replies from the first one on. `start` are the replies to the attempts to
    start one (by default it is accepted), `cancel` those to the requests to stop it. A cancel that
    is answered 2xx puts `cancelled` in the place of the replies to the polls; with None, the work
    goes on as if nothing had been said.
    """

    def __init__(
        self,
        name: str,
        polls: Sequence[Answer],
        *,
        start: Sequence[Answer] | None = None,
        cancel: Sequence[Answer] = (Reply(status=202, body={}),),
        cancelled: Sequence[Answer] | None = ({"state": "cancelled"},),
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        self.starts: list[Request] = []
        self.polls: list[Request] = []
        self.cancels: list[Request] = []
        self.operations: list[str] = []
        self._script = list(polls)
        self._start = Replies(start or [Reply(status=202, body=lambda name: {"id": name})])
        self._cancel = Replies(cancel)
        self._cancelled = cancelled
        self._runs: dict[str, Replies] = {}
        self._by_key: dict[str, str] = {}

    @property
    def params(self) -> dict[str, str]:
        """The params of a start that brings a job into this script."""
        return {"script": self.name}

    def say(self, *answers: Answer) -> None:
        """Answer the polls of all jobs by these from now on, the last one for ever."""
        self._script = list(answers)
        for operation in self._runs:
            self._runs[operation] = Replies(answers)

    def take_start(self, request: Request) -> tuple[Reply, str]:
        """Note an attempt to start a job, and return the answer with the operation's name."""
        self.requests.append(request)
        self.starts.append(request)
        key = request.headers.get("idempotency-key", str(len(self.starts)))
        operation = self._by_key.setdefault(key, f"{self.name}.{len(self._by_key) + 1}")
        if operation not in self._runs:
            self._runs[operation] = Replies(self._script)
            self.operations.append(operation)
        return self._start.take(), operation

    def take_poll(self, request: Request, operation: str) -> Reply:
        """Note a poll and return its answer."""
        self.requests.append(request)
        self.polls.append(request)
        return self._runs[operation].take()

    def take_cancel(self, request: Request, operation: str) -> Reply:
        """Note a request to stop, and return its answer."""
        self.requests.append(request)
        self.cancels.append(request)
        reply = self._cancel.take()
        if self._cancelled is not None and 200 <= reply.status < 300:
            self._runs[operation] = Replies(self._cancelled)
        return reply


class ScriptedBackend:
    """The server. All of its methods may be called from any thread."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, Script] = {}
        self._paths: dict[tuple[str, str], Replies] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="scripted-backend", daemon=True
        )
        self._runner: web.ServerRunner | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it answers; stays the same while it is away."""
        return f"http://127.0.0.1:{self._port}"

    # --- what it says ---

    def script(
        self,
        *polls: Answer,
        name: str | None = None,
        start: Sequence[Answer] | None = None,
        cancel: Sequence[Answer] = (Reply(status=202, body={}),),
        cancelled: Sequence[Answer] | None = ({"state": "cancelled"},),
    ) -> Script:
        """Return a new script; by default its jobs run and nothing more is said of them."""
        name = name or f"script{next(self._numbers)}"
        script = Script(
            name,
            polls or [{"state": "running"}],
            start=start,
            cancel=cancel,
            cancelled=cancelled,
        )
        with self._changed:
            self._scripts[name] = script
        return script

    def at(self, method: str, path: str, *answers: Answer) -> None:
        """Answer by these on one exact path, whatever the contract says of it."""
        with self._changed:
            self._paths[method, path] = Replies(answers)

    # --- whether it is there ---

    def up(self) -> None:
        """Listen, on the same port each time."""
        self._in_loop(self._listen())

    def down(self) -> None:
        """Stop listening and drop every connection: who asks now is refused."""
        self._in_loop(self._hang_up())

    # --- what it was asked ---

    def requests_at(self, path: str) -> list[Request]:
        """Return the requests of one path so far."""
        return [request for request in list(self.requests) if request.path == path]

    def wait_for(
        self, is_so: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS
    ) -> None:
        """Wait until something is so that the requests decide; fails after the deadline."""
        with self._changed:
            if not self._changed.wait_for(is_so, seconds):
                raise AssertionError(f"not within {seconds:g} s: {what}")

    # --- the server ---

    def _in_loop(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_SECONDS)

    async def _listen(self) -> None:
        assert self._runner is None, "it is up already"
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None), shutdown_timeout=0, access_log=None
        )
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    async def _hang_up(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, received: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            method=received.method,
            path=received.path,
            query=dict(received.query),
            headers={name.lower(): value for name, value in received.headers.items()},
            body=await received.read(),
            at=time.monotonic(),
        )
        with self._changed:
            reply, operation = self._reply_to(request)
            self.requests.append(request)
            self._changed.notify_all()
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.gate is not None:
            await asyncio.to_thread(reply.gate.wait, DEADLINE_SECONDS)
        return await self._send(received, reply, operation)

    def _reply_to(self, request: Request) -> tuple[Reply, str]:
        if (request.method, request.path) in self._paths:
            return self._paths[request.method, request.path].take(), ""
        found = _CONTRACT.fullmatch(request.path)
        if found is None:
            return Reply(status=404, body={"error": "no such path"}), ""
        if found["operation"] is None:
            asked = request.json
            name = asked.get("script", "default") if isinstance(asked, dict) else "default"
            if name not in self._scripts:
                return Reply(status=422, body={"error": f"there is no script {name}"}), ""
            return self._scripts[name].take_start(request)
        operation = unquote(found["operation"])
        script = self._scripts.get(operation.rpartition(".")[0])
        if script is None or operation not in script.operations:
            return Reply(status=404, body={"error": "no such job"}), operation
        take = script.take_cancel if found["cancel"] else script.take_poll
        return take(request, operation), operation

    async def _send(
        self, received: web.BaseRequest, reply: Reply, operation: str
    ) -> web.StreamResponse:
        if reply.reset or reply.raw is not None:
            transport = received.transport
            if transport is not None:
                if reply.reset:
                    connection = transport.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                    transport.abort()
                else:
                    transport.write(reply.raw or b"")
                    transport.close()
            # What is returned from here on finds no connection to be sent on.
            with contextlib.suppress(ConnectionError):
                await asyncio.sleep(0)
            return web.Response()
        body = reply.body(operation) if callable(reply.body) else reply.body
        headers = dict(reply.headers)
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return web.Response(status=reply.status, headers=headers, body=body)
