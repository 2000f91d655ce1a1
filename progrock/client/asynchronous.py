"""The client for asyncio: `AsyncClient` and its `AsyncJob`, over httpx and websockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect

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

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._socket: ClientConnection | None = None
        self._stream: httpx.Response | None = None
        self._texts: AsyncIterator[str] | None = None

    async def perform(self, effect: Effect) -> Any:
        """Return the answer to an effect. Raises LineError."""
        match effect:
            case Call():
                return await self._call(effect)
            case Receive():
                return await self._receive(effect.seconds)
            case Send():
                await self._send(effect.text)
            case Dial():
                await self._dial(effect)
            case Listen():
                return await self._listen(effect)
            case HangUp():
                await self.aclose()
            case Sleep():
                await asyncio.sleep(effect.seconds)
        return None

    async def aclose(self) -> None:
        """Close the connection, if one is open."""
        socket, self._socket = self._socket, None
        response, self._stream = self._stream, None
        if socket is not None:
            await socket.close()
        if response is not None:
            with contextlib.suppress(httpx.HTTPError):
                await response.aclose()

    async def _call(self, call: Call) -> Reply:
        with requesting():
            response = await self._http.request(
                call.method,
                call.url,
                headers=dict(call.headers),
                content=call.body,
                timeout=call.seconds,
            )
        return Reply(response.status_code, response.headers, response.content)

    async def _dial(self, dial: Dial) -> None:
        await self.aclose()
        with dialling():
            self._socket = await connect(
                dial.url,
                additional_headers=dict(dial.headers),
                open_timeout=dial.seconds,
                **DIAL_OPTIONS,
            )

    async def _listen(self, listen: Listen) -> Reply:
        await self.aclose()
        with requesting():
            request = self._http.build_request(
                "GET", listen.url, headers=dict(listen.headers), timeout=stream_timeout(listen)
            )
            response = self._stream = await self._http.send(request, stream=True)
            body = b"" if response.status_code == 200 else await response.aread()
        self._texts = response.aiter_text()
        return Reply(response.status_code, response.headers, body)

    async def _send(self, text: str) -> None:
        if self._socket is None:
            raise Lost("the connection was closed")
        with talking():
            await self._socket.send(text)

    async def _receive(self, seconds: float) -> str:
        with talking(seconds), requesting():
            async with asyncio.timeout(seconds):
                if self._socket is not None:
                    return str(await self._socket.recv(decode=True))
                if self._texts is not None:
                    async for text in self._texts:
                        return text
        raise Lost("the stream has ended")


class AsyncClient(ServerOperations["AsyncJob"]):
    """Asks a ProgRock server on the running event loop.

    Use it in an `async with` block, or `close` it.
    """

    is_asynchronous = True

    def _open(self) -> None:
        self._http = httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.aclose()

    async def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""
        run, line = Running(plan), Line(self._http)
        async with contextlib.aclosing(line):
            while (effect := run.step()) is not None:
                try:
                    run.answer(await line.perform(effect))
                except Exception as exc:  # noqa: BLE001 - handed on to the plan
                    run.fail(exc)
        return run.value

    async def iterate(self, plan: Stream[T]) -> AsyncIterator[T]:
        """Give what a plan emits; the connection is closed when the iteration ends.

        Who leaves it early closes it by `contextlib.aclosing`, or leaves that to the event loop.
        """
        run, line = Running(plan), Line(self._http)
        async with contextlib.aclosing(line):
            while (effect := run.step()) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                    continue
                try:
                    run.answer(await line.perform(effect))
                except Exception as exc:  # noqa: BLE001 - handed on to the plan
                    run.fail(exc)

    def _job(self, snapshot: Snapshot, report_token: str | None = None) -> "AsyncJob":
        return AsyncJob(self, snapshot, report_token)


class AsyncJob(JobOperations["AsyncJob"]):
    """A job on the server. `async for` gives its events up to the end; see `events`."""

    is_asynchronous = True
    client: AsyncClient

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.events()

    async def perform(self, plan: Plan[T]) -> T:
        """Return what a plan returns."""
        return await self.client.perform(plan)

    def iterate(self, plan: Stream[T]) -> AsyncIterator[T]:
        """Give what a plan emits."""
        return self.client.iterate(plan)
