"""The last step of a frame: to the server's transport at once, or by ASGI's `send`.

ASGI knows one way to send: a coroutine and a dictionary for each frame and connection, from which
the server makes the same bytes again for each watcher. And it knows none to end a connection whose
peer does not read. Behind the `send` of uvicorn's `websockets-sansio` stands its protocol object;
where that is so, the bytes are made once and written at once (docs/decisions/0009). Every other
server gets plain ASGI.
"""

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from progrock.live.publishing import Published

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
CUT_OFF_SECONDS = 10.0  # that a closed connection has to take what is on its way, and to end
_SANSIO = "uvicorn.protocols.websockets.websockets_sansio_impl"
_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"


class GoneError(ConnectionError):
    """Raised when a frame is to be written to a connection that has ended."""


class Wire(Protocol):
    """Where an outbox writes. `event` is the event that the frame tells, None for all else."""

    def write_now(self, frame: str, event: Published | None) -> bool:
        """Write without waiting; False where there is no room, and then nothing is written.

        Raises GoneError, or what the server raises, when the connection has ended.
        """

    async def write(self, frame: str, event: Published | None) -> None:
        """Write as soon as there is room. Raises as `write_now` does."""


# --- WebSockets ----------------------------------------------------------------------------------


class SocketWire(Wire, Protocol):
    """The wire of a WebSocket; `frame` is the text of one message."""

    async def close(self, code: int) -> None:
        """Send the close frame behind all that was written, and see to it that the end comes."""


def socket_wire(send: Send) -> SocketWire:
    """Return the shortest wire that there is behind an accepted WebSocket's `send`."""
    protocol = getattr(send, "__self__", None)
    sansio = getattr(sys.modules.get(_SANSIO), "WebSocketsSansIOProtocol", None)
    if sansio is None or not isinstance(protocol, sansio) or protocol.conn.extensions:
        return AsgiSocket(send)
    return SansioSocket(protocol)


class AsgiSocket:
    """Any server's WebSocket."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    def write_now(self, frame: str, event: Published | None) -> bool:
        """Never: `send` may wait."""
        return False

    async def write(self, frame: str, event: Published | None) -> None:
        """Send the message."""
        await self._send({"type": "websocket.send", "text": frame})

    async def close(self, code: int) -> None:
        """Send the close frame. A peer that does not read is left to the server's own patience."""
        await self._send({"type": "websocket.close", "code": code})


class SansioSocket:
    """A WebSocket of uvicorn's `websockets-sansio`, without extensions."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        # The handshake is over; its headers, parsed and as sent, are a sixth of the connection.
        protocol.request = protocol.response = None

    def write_now(self, frame: str, event: Published | None) -> bool:
        """Write to the transport, unless it holds more than its high-water mark already."""
        protocol = self._protocol
        if not protocol.writable.is_set():
            return False
        transport = protocol.transport
        if protocol.close_sent or transport.is_closing():
            raise GoneError
        transport.write(message_bytes(frame))
        return True

    async def write(self, frame: str, event: Published | None) -> None:
        """Write once the transport has sent most of what it holds."""
        while not self.write_now(frame, event):
            await self._protocol.writable.wait()

    async def close(self, code: int) -> None:
        """Write the close frame though the peer may not read; end the connection after a while."""
        protocol = self._protocol
        protocol.writable.set()  # else `send` would wait for a peer that may never read
        await protocol.send({"type": "websocket.close", "code": code})
        asyncio.get_running_loop().call_later(CUT_OFF_SECONDS, protocol.transport.abort)


_latest: tuple[str, bytes] = ("", b"\x81\x00")


def message_bytes(text: str) -> bytes:
    """Return a text as one unmasked WebSocket message (RFC 6455, 5.2).

    One event goes to many connections one after the other: the latest is kept.
    """
    global _latest  # noqa: PLW0603 - a memory of one place, which one thread uses
    latest, data = _latest
    if text is latest:
        return data
    payload = text.encode()
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x81, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x81, 126, size)
    else:
        head = struct.pack("!BBQ", 0x81, 127, size)
    data = head + payload
    _latest = (text, data)
    return data


# --- event streams -------------------------------------------------------------------------------


class StreamWire:
    """An HTTP response that goes on. `as_text` makes the stream's text of a frame and its event."""

    __slots__ = ("_as_text", "_send")

    def __init__(self, send: Send, as_text: Callable[[str, Published | None], str]) -> None:
        self._send = send
        self._as_text = as_text

    def write_now(self, frame: str, event: Published | None) -> bool:
        """Never: `send` may wait."""
        return False

    async def write(self, frame: str, event: Published | None) -> None:
        """Send a part of the body."""
        body = self._as_text(frame, event).encode()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """Send the end of the body."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def abort(self) -> None:
        """End the connection without waiting for its peer, where the server is one that we know."""
        cycle = getattr(self._send, "__self__", None)
        known = getattr(sys.modules.get(_HTTPTOOLS), "RequestResponseCycle", None)
        if known is not None and isinstance(cycle, known):
            cycle.transport.abort()
