"""The client that waits: `Client` and its `Job`, over httpx and websockets' threads."""

import contextlib
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from websockets.sync.client import ClientConnection, connect

from progrock.client.effects import (
    Call,
    Dial,
    Effect,
    Emit,
    HangUp,
    Listen,
    Lost,
    Plan,
    Receive,
    Reply,
    Running,
    Send,
    Sleep,
    Stream,
)
from progrock.client.events import Event
from progrock.client.job_operations import JobOperations
from progrock.client.server_operations import ServerOperations
from progrock.client.transport import DIAL_OPTIONS, dialling, requesting, stream_timeout, talking
from progrock.client.values import Snapshot

T = TypeVar("T")


class Line:
    """Performs the effects of one plan, and closes what it opened."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._socket: ClientConnection | None = None
        self._opened = contextlib.ExitStack()
        self._stream: httpx.Response | None = None
        self._texts: Iterator[str] = iter(())

    def perform(self, effect: Effect) -> Any:
        """Return the answer to an effect. Raises LineError."""
        match effect:
            case Call():
                return self._call(effect)
            case Receive():
                return self._receive(effect.seconds)
            case Send():
                self._send(effect.text)
            case Dial():
                self._dial(effect)
            case Listen():
                return self._listen(effect)
            case HangUp():
                self.close()
            case Sleep():
                time.sleep(effect.seconds)
        return None

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._socket = None
        self._opened.close()
        response, self._stream = self._stream, None
        if response is not None:
            with contextlib.suppress(httpx.HTTPError):
                response.close()

    def _call(self, call: Call) -> Reply:
        with requesting():
            response = self._http.request(
                call.method,
                call.url,
                headers=dict(call.headers),
                content=call.body,
                timeout=call.seconds,
            )
        return Reply(response.status_code, response.headers, response.content)

    def _dial(self, dial: Dial) -> None:
        self.close()
        with dialling():
            self._socket = self._opened.enter_context(
                connect(
                    dial.url,
                    additional_headers=dict(dial.headers),
                    open_timeout=dial.seconds,
                    **DIAL_OPTIONS,
                )
            )

    def _listen(self, listen: Listen) -> Reply:
        self.close()
        with requesting():
            request = self._http.build_request(
                "GET", listen.url, headers=dict(listen.headers), timeout=stream_timeout(listen)
            )
            response = self._stream = self._http.send(request, stream=True)
            body = b"" if response.status_code == 200 else response.read()
        self._texts = response.iter_text()
        return Reply(response.status_code, response.headers, body)

    def _send(self, text: str) -> None:
        if self._socket is None:
            raise Lost("the connection was closed")
        with talking():
            self._socket.send(text)

    def _receive(self, seconds: float) -> str:
        if self._socket is not None:
            with talking(seconds):
                return str(self._socket.recv(timeout=seconds, decode=True))
        with requesting():
            for text in self._texts:
                return text
        raise Lost("the stream has ended")


class Client(ServerOperations["Job"]):
    """Asks a ProgRock server, and waits for the answers. Threads may share one.

    Use it in a `with` block, or `close` it.
    """

    is_asynchronous = False

    def _open(self) -> None:
        self._http = httpx.Client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""
        run, line = Running(plan), Line(self._http)
        with contextlib.closing(line):
            while (effect := run.step()) is not None:
                try:
                    run.answer(line.perform(effect))
                except Exception as exc:  # noqa: BLE001 - handed on to the plan
                    run.fail(exc)
        return run.value

    def iterate(self, plan: Stream[T]) -> Iterator[T]:
        """Give what a plan emits; the connection is closed when the iteration is left."""
        run, line = Running(plan), Line(self._http)
        with contextlib.closing(line):
            while (effect := run.step()) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                    continue
                try:
                    run.answer(line.perform(effect))
                except Exception as exc:  # noqa: BLE001 - handed on to the plan
                    run.fail(exc)

    def _job(self, snapshot: Snapshot, report_token: str | None = None) -> "Job":
        return Job(self, snapshot, report_token)


class Job(JobOperations["Job"]):
    """A job on the server. Iterating gives its events up to the end; see `events`."""

    is_asynchronous = False
    client: Client

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""
        return self.client.perform(plan)

    def iterate(self, plan: Stream[T]) -> Iterator[T]:
        """Give what a plan emits."""
        return self.client.iterate(plan)
