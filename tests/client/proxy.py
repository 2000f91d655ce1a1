"""A TCP proxy before the real server, that treats connections as bad networks do."""

import contextlib
import re
import socket
import struct
import threading
from types import TracebackType
from typing import Self

NO_LINGER = struct.pack("ii", 1, 0)  # close with RST (man 7 socket)
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nConnection: close\r\n\r\nforbidden"


class Proxy:
    """Passes connections on to a port of this machine, as far as it is told to.

    `websockets` and `streams` say what becomes of upgrades and of requests for an event stream:
    "pass", "forbid" (403), "close" (without an answer) or "hold" (accepted, and silent for ever).
    `cut_after` cuts each connection once so many bytes have come from the server, `cuts_left` of
    them (None: all); `cut` cuts all that are open now; while `is_away`, nothing is accepted.
    """

    def __init__(self, port: int) -> None:
        self.websockets = "pass"
        self.streams = "pass"
        self.cut_after: int | None = None
        self.cuts_left: int | None = None
        self.requests: list[str] = []
        self._target = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._is_away = False
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_listening()
        self.cut()

    @property
    def is_away(self) -> bool:
        """Whether connections are refused."""
        return self._is_away

    @is_away.setter
    def is_away(self, is_away: bool) -> None:
        if is_away == self._is_away:
            return
        self._is_away = is_away
        if is_away:
            self._stop_listening()
            self.cut()
        else:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> int:
        """Cut all connections that are open now, and return how many they were."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _reset(end)
        return len(ends) // 2

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._open) // 2

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = client.recv(65_536)
            self.requests.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
            rule = self._rule_for(head.lower())
            if rule == "forbid":
                client.sendall(FORBIDDEN)
            if rule in {"forbid", "close"}:
                client.close()
                return
            if rule == "hold":
                with self._lock:
                    self._open.add(client)
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._open |= {client, server}
            # One request a connection, so that each is seen here.
            server.sendall(re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head))
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            self._pump(server, client, self._bytes_left())

    def _bytes_left(self) -> int | None:
        if self.cut_after is None or self.cuts_left == 0:
            return None
        if self.cuts_left is not None:
            self.cuts_left -= 1
        return self.cut_after

    def _rule_for(self, head: bytes) -> str:
        if b"upgrade: websocket" in head:
            return self.websockets
        return self.streams if b"accept: text/event-stream" in head else "pass"

    def _pump(self, source: socket.socket, sink: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536 if left is None else min(left, 65_536)):
                sink.sendall(data)
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        _reset(sink)
                        break
        with self._lock:
            self._open -= {source, sink}
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
