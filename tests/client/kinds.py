"""One face for both clients, so that one test says what holds for each."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from progrock.client import AsyncClient, Client


class Awaited:
    """An asyncio object as a plain one: its loop runs in a thread."""

    def __init__(self, made: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._made = made
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            if inspect.isawaitable(answer):
                answer = self._wait(answer)
            if isinstance(answer, AsyncIterator):
                return self._iterate(answer)
            return Awaited(answer, self._loop) if hasattr(answer, "known") else answer

        return call

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._made.__aiter__())

    def _iterate(self, values: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._wait(values.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._wait(values.aclose())

    def _wait(self, awaitable: Any) -> Any:
        async def finish() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(finish(), self._loop).result()


class Clients:
    """Makes clients of one kind, "blocking" or "asyncio", and closes them."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._made: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, url: str, token: str | None = None, **options: Any) -> Any:
        client: Any = Client(url, token, **options)
        if self._kind == "asyncio":
            client.close()
            client = Awaited(AsyncClient(url, token, **options), self._loop)
        self._made.append(client)
        return client

    def close(self) -> None:
        """Close all."""
        for client in self._made:
            client.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
