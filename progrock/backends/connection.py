"""One connection to a backend, which is asked one request at a time. No policy: see `poller`."""

import asyncio
from collections.abc import Callable
from typing import cast

from progrock.backends.errors import BackendError, Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.reply_reader import Heads, ReplyReader

_CLOSED = "The backend does not answer: it closed the connection."
TICK_SECONDS = 0.001  # loops count time in milliseconds: a timer may fire so much too early


class Dropped(Unreachable):
    """Raised when a connection ends before the first byte of a reply."""


class Connection(asyncio.Protocol):
    """Belongs to one event loop. `lost` is called with it when it is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        heads: Heads,
        lost: "Callable[[Connection], None]",
    ) -> None:
        self.is_open = False
        self.idle_since = 0.0  # on the loop's clock
        self._loop = loop
        self._lost = lost
        self._reader = ReplyReader(heads)
        self._waiting: asyncio.Future[HttpReply] | None = None
        self._transport: asyncio.WriteTransport | None = None
        # One timer serves many requests: it is set anew when it fires before the last deadline.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = self._deadline = 0.0

    def ask(self, data: bytes, request: HttpRequest, deadline: float) -> asyncio.Future[HttpReply]:
        """Send the bytes of a request, and return the future of its reply.

        `deadline` is on the loop's clock. The future raises TimeoutError, Dropped, Unreachable or
        BadReply, and the connection is closed then; when it is cancelled, close the connection.
        """
        waiting: asyncio.Future[HttpReply] = self._loop.create_future()
        transport = self._transport
        if transport is None or not self.is_open:  # closed in the moment since it was taken
            waiting.set_exception(Dropped(_CLOSED, was_sent=False))
            return waiting
        self._waiting = waiting
        self._reader.expect(request.method, request.url)
        self._deadline = deadline
        if self._timer is None or self._timer_due > deadline:
            self._set_timer()
        transport.write(data)
        return waiting

    def close(self) -> None:
        """Close it at once, without waiting for what is on its way."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # --- called by the loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to ask."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Hand on a reply that is complete."""
        waiting = self._waiting
        if waiting is None:  # nobody asked
            self.close()
            return
        try:
            reply = self._reader.feed(data)
        except BackendError as exc:
            self._fail(exc)
            return
        if reply is not None:
            self._hand_on(waiting, reply)

    def eof_received(self) -> None:
        """Hand on a reply that ends here."""
        self.is_open = False
        if self._waiting is None:
            return
        if not self._reader.has_begun:
            self._fail(Dropped(_CLOSED))
            return
        try:
            self._hand_on(self._waiting, self._reader.end())
        except BackendError as exc:
            self._fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kind = Unreachable if self._reader.has_begun else Dropped
        why = getattr(exc, "strerror", None) or exc
        self._fail(kind(f"The backend does not answer: {why}" if why else _CLOSED))
        self._transport = None
        self._lost(self)

    # --- the end of a request ---

    def _hand_on(self, waiting: asyncio.Future[HttpReply], reply: HttpReply) -> None:
        self._waiting = None
        if not self._reader.is_reusable:
            self.close()
        if not waiting.done():
            waiting.set_result(reply)

    def _fail(self, exc: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.close()
            if not waiting.done():
                waiting.set_exception(exc)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._deadline - self._loop.time() > TICK_SECONDS:
            self._set_timer()
        else:
            self._fail(TimeoutError())
