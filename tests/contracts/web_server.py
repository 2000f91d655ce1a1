"""The web server's application in the test's own event loop, behind a real uvicorn."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn

from config.asgi import application

SEND_BUFFER_BYTES = 8 * 1024  # small, so that it is soon seen who does not read
RECEIVE_BUFFER_BYTES = 4 * 1024
DEADLINE_SECONDS = 30.0


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """Serve on a free port of the loopback; give the server and the port."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # so asyncio sets TCP_NODELAY
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listening]))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
                    await asyncio.sleep(0.01)
            yield server, listening.getsockname()[1]
        finally:
            server.should_exit = True
            async with asyncio.timeout(DEADLINE_SECONDS):
                await task


class Caller:
    """A client by bare sockets, to be used in a thread: it reads only when it is asked to."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self._port = port

    def request(self, path: str, **headers: str) -> None:
        """Send a request for a path."""
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def watch(self, job: str) -> None:
        """Open a WebSocket that follows a job from now on."""
        self.request(
            "/prog/",
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key=base64.b64encode(os.urandom(16)).decode(),
        )
        self.read_until(b"101 Switching Protocols")
        text = json.dumps({"action": "watch", "job": job}).encode()
        assert len(text) < 126
        self.socket.sendall(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)  # masked with zeros
        self.read_until(b'"watching"')

    def stream(self, job: str) -> None:
        """Open an event stream of a job."""
        self.request(f"/api/v1/jobs/{job}/events", Accept="text/event-stream")
        self.read_until(b"event: snapshot")

    def read_until(self, mark: bytes) -> bytes:
        """Return what comes up to a mark and a little beyond it."""
        said = b""
        while mark not in said:
            more = self.socket.recv(65536)
            assert more, f"closed before {mark!r}: {said[-500:]!r}"
            said += more
        return said

    def read_all(self) -> bytes:
        """Return all that comes up to the end, whatever the end is."""
        said = b""
        with suppress(ConnectionResetError):
            while more := self.socket.recv(65536):
                said += more
        return said

    def close(self) -> None:
        """Be gone."""
        self.socket.close()
