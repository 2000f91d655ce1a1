"""Many WebSocket watchers in one lean process: raw sockets and epoll, frames only counted.

    python -m bench.watchers PORT SIDE IDS CONNECTIONS COUNTER [--publish FD] [--stamps FILE]

Connection n follows job n of the JSON list IDS, the list taken round and round. How many frames
have come stands in the file COUNTER, as 8 bytes. With FD, a byte is written there for each round of
events that the publisher is to send, so that a few rounds are on their way, and no more. With FILE,
the milliseconds from the stamp in each frame to its arrival go there as JSON at SIGTERM.
"""

import argparse
import base64
import contextlib
import mmap
import os
import re
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import orjson

from bench import mqtt
from bench.backend import STAMP

MARK = b'"seq"'  # once in each event frame, on both sides, and in no heartbeat
_STAMP = re.compile(rb"%b(\d+)" % STAMP)
ON_THEIR_WAY = 4  # rounds of events
_BUFFER = 1 << 18
TEXT, BINARY = 0x81, 0x82
_MASK = b"\x00\x00\x00\x00"


def connect(port: int, side: str, jobs: list[str]) -> list[socket.socket]:
    """Return sockets that follow a job each from now on.

    Each step is taken by all before the next one: some servers let a lone one wait.
    """
    connections = [_open(port) for _ in jobs]
    for say, answer in _conversation(port, side):
        for connection, job in zip(connections, jobs, strict=True):
            connection.sendall(say(job))
        for connection in connections:
            _read_until(connection, answer)
    return connections


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _conversation(port: int, side: str) -> Iterator[tuple[Callable[[str], bytes], bytes]]:
    """Yield what a watcher of a job says, and the mark of the answer."""
    yield lambda job: _handshake(port, side, job), b"101 Switching Protocols"
    if side == "ours":
        asked = {"action": "watch"}
        yield lambda job: _frame(TEXT, orjson.dumps(asked | {"job": job})), b'"watching"'
    elif side == "mosquitto":
        yield lambda job: _frame(BINARY, mqtt.connect(os.urandom(8).hex())), mqtt.CONNECTED
        yield lambda job: _frame(BINARY, mqtt.subscribe(job)), mqtt.SUBSCRIBED


def _handshake(port: int, side: str, job: str) -> bytes:
    path = {"ours": "/prog/", "mosquitto": "/mqtt"}.get(side, f"/ws/jobs/{job}/")
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    if side == "mosquitto":
        headers["Sec-WebSocket-Protocol"] = "mqtt"
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _read_until(connection: socket.socket, mark: bytes) -> None:
    said = b""
    while mark not in said:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError(f"refused: {said!r}")
        said += more


def _frame(kind: int, content: bytes) -> bytes:
    """Return a final frame from the client, up to 125 bytes, masked with zeros (RFC 6455)."""
    return bytes((kind, 0x80 | len(content))) + _MASK + content


class Watchers:
    """The sockets, and what has come through them."""

    def __init__(self, connections: list[socket.socket], counter: Path) -> None:
        self._epoll = select.epoll()
        self._by_fd = {connection.fileno(): connection for connection in connections}
        self._tails = dict.fromkeys(self._by_fd, b"")
        for fd, connection in self._by_fd.items():
            connection.setblocking(False)
            self._epoll.register(fd, select.EPOLLIN)
        self._buffer = bytearray(_BUFFER)
        counter.write_bytes(bytes(8))
        with counter.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), 8)
        self.received = 0
        self.stamps: list[float] | None = None

    def take(self) -> bool:
        """Wait for what comes, at most a second, and count it; False when nothing came."""
        ready = self._epoll.poll(1.0)
        for fd, _ in ready:
            try:
                size = self._by_fd[fd].recv_into(self._buffer)
            except BlockingIOError:
                continue
            if size == 0:
                raise ConnectionError("the server closed a watcher's connection")
            data = self._tails[fd] + self._buffer[:size]  # a mark may lie across two readings
            self._tails[fd] = bytes(data[-len(MARK) + 1 :])
            self.received += data.count(MARK)
            if self.stamps is not None:
                now = time.monotonic_ns()
                self.stamps += ((now - int(found)) / 1e6 for found in _STAMP.findall(data))
        struct.pack_into("<Q", self._counter, 0, self.received)
        return bool(ready)


def main() -> None:
    """Run with the words of the command line, for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("side")
    parser.add_argument("ids", type=Path)
    parser.add_argument("connections", type=int)
    parser.add_argument("counter", type=Path)
    parser.add_argument("--publish", type=int)
    parser.add_argument("--stamps", type=Path)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    ids = orjson.loads(asked.ids.read_bytes())
    jobs = [ids[n % len(ids)] for n in range(asked.connections)]
    watchers = Watchers(connect(asked.port, asked.side, jobs), asked.counter)
    if asked.stamps:
        watchers.stamps = []
    published = 0
    with contextlib.suppress(SystemExit):
        while True:
            if asked.publish:
                wanted = watchers.received // asked.connections + ON_THEIR_WAY - published
                os.write(asked.publish, b"." * wanted)
                published += wanted
            if not watchers.take() and asked.publish:
                os.write(asked.publish, b".")  # mosquitto may sit on a message until the next
    if asked.stamps:
        asked.stamps.write_bytes(orjson.dumps(watchers.stamps))


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    main()
