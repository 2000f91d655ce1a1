"""A WebSocket as a Channels consumer without a layer channel: its frames, its heart, its end.

Channels' own loop makes a task for each message and crosses to a thread before each, for the sake
of consumers that mix layer messages with database calls. The hub holds the layer channel here, so
a plain loop does.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from progrock.identity import Who
from progrock.live.heart import Heart
from progrock.live.hub import hub
from progrock.live.outbox import Outbox
from progrock.live.publishing import Published
from progrock.live.wire import CUT_OFF_SECONDS, Message, Send, SocketWire, socket_wire
from progrock.protocol import codec, frames
from progrock.protocol.codes import CloseCode
from progrock.protocol.frames import Frame

_ACCEPTED: Any = MappingProxyType({"type": "websocket"})
logger = structlog.get_logger(__name__)


class Connection(AsyncConsumer):
    """One accepted WebSocket, with an outbox of its own."""

    who: Who | None
    wire: SocketWire
    outbox: Outbox
    heart: Heart
    is_closed = False
    closing: asyncio.Task[None] | None = None

    @classmethod
    def as_asgi(cls, **_: Any) -> Any:
        """Return the ASGI application: a connection for each scope.

        It is no coroutine itself: each one around a connection is kept for as long as that is.
        """

        def application(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
            connection = cls()
            connection.scope = scope
            return connection.run(receive, send)

        return application

    async def run(self, receive: Any, send: Any) -> None:
        """Hand each message of the server to the method of its name, until the disconnect."""
        self.base_send = send
        try:
            while True:
                message = await receive()
                await getattr(self, message["type"].replace(".", "_"))(message)
        except StopConsumer:
            pass
        finally:
            self.forget()

    async def accept(self, subprotocol: str | None) -> None:
        """Accept the handshake; from here on frames can be sent."""
        send = cast("Send", self.base_send)
        self.scope = _ACCEPTED  # what the handshake said is no longer needed, and large
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        self.wire = socket_wire(send)
        self.outbox = Outbox(self.wire, self)
        self.heart = Heart(self.outbox)
        hub().join(self)

    def forget(self) -> None:
        """Leave nothing behind."""
        hub().leave(self)
        if hasattr(self, "outbox"):
            self.outbox.close()

    async def websocket_disconnect(self, message: Message) -> None:
        """End the loop."""
        raise StopConsumer

    def deliver(self, event: Published) -> None:
        """Take an event from the hub."""
        raise NotImplementedError

    # --- sending ---

    def reply(self, frame: Frame) -> None:
        """Send a frame behind all others."""
        self.outbox.put(codec.encode(frame))

    def on_beat(self, now: float) -> None:
        """Send a heartbeat before the connection has been silent for too long."""
        if self.heart.is_due(now):
            self.reply(frames.heartbeat(datetime.now(UTC)))

    # --- the end ---

    def on_full(self) -> None:
        """Cut off a peer that does not read, at once: nobody waits for it."""
        logger.info("a watcher does not read; cut off")
        hub().leave(self)
        self.close_soon(CloseCode.TRY_LATER)

    def on_broken(self) -> None:
        """Take that the peer is gone; the disconnect follows."""
        hub().leave(self)

    def fail(self) -> None:
        """Take that the hub cannot deliver: the client shall connect again."""
        self.close_soon(CloseCode.TRY_LATER)

    def close_soon(self, code: CloseCode) -> None:
        """Close from where nothing can wait."""
        self.closing = asyncio.get_running_loop().create_task(self.close(code))

    async def close(self, code: CloseCode) -> None:
        """Send what waits, then the close frame."""
        self.is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CUT_OFF_SECONDS):
                await self.outbox.drained()
        self.outbox.close()
        await self.wire.close(code.value)
