"""Send the single calls to backends by requests: starts, cancels, results, logs.

What is sent was built, and its origin checked, by `building`; the address is checked by `guard` as
it is connected to. No redirect is followed, no proxy used and no cookie kept; a bounded body is
read within a bounded time. Polls go by `poller`.
"""

import contextlib
import http.client
import io
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from progrock.backends import guard, wire
from progrock.backends.errors import Unreachable, too_large, too_slow
from progrock.backends.http import MAX_BODY_BYTES, SENT_HEADERS, HttpReply, HttpRequest

_CHUNK = 64 * 1024


def send_once(
    request: HttpRequest, timeout_seconds: float, max_bytes: int = MAX_BODY_BYTES
) -> HttpReply:
    """Return the reply to a single call. Raises Unreachable, or Refused for its address."""
    with requests.Session() as session, _deadline(timeout_seconds) as sockets:
        session.trust_env = False
        session.verify = os.environ.get("SSL_CERT_FILE") or True  # as `poller` does
        adapter = _CheckedAdapter(sockets)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        try:
            asked = session.prepare_request(
                requests.Request(
                    request.method,
                    request.url,
                    headers={**SENT_HEADERS, **request.headers},
                    data=request.body,
                )
            )
            # as it was built: not encoded anew
            start, target = wire.split(request.url)
            asked.url = start + wire.sound(target)
            with session.send(
                asked, allow_redirects=False, timeout=timeout_seconds, stream=True
            ) as reply:
                content = _read_once(reply, max_bytes)
                if sockets.is_over:  # a body without a length: its end was ours
                    raise too_slow(timeout_seconds)
                return HttpReply(
                    status=reply.status_code,
                    headers={name.lower(): value.strip() for name, value in reply.headers.items()},
                    content=content,
                    set_cookie=tuple(reply.raw.headers.getlist("Set-Cookie")),
                    url=request.url,
                )
        except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
            if sockets.is_over or isinstance(exc, requests.ReadTimeout):
                raise too_slow(timeout_seconds) from exc
            raise Unreachable(
                f"The backend cannot be connected to: {_reason(exc)}"
                if not sockets.opened
                else f"The backend does not answer: {_reason(exc)}",
                was_sent=bool(sockets.opened),
            ) from exc


def _read_once(reply: requests.Response, max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := reply.raw.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > max_bytes:
            raise too_large(max_bytes)
    return bytes(content)


class _Sockets:
    """The sockets of one call, so that its time can end it wherever it waits."""

    def __init__(self) -> None:
        self.opened: list[socket.socket] = []
        self.connections: list[HTTPConnection] = []
        self.is_over = False

    def end(self) -> None:
        self.is_over = True
        over_tls = [each.sock for each in self.connections if each.sock is not None]
        for each in (*self.opened, *over_tls):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[_Sockets]:
    """End a call after some seconds: requests bounds each read, and not the whole."""
    sockets = _Sockets()
    timer = threading.Timer(seconds, sockets.end)
    timer.daemon = True
    timer.start()
    try:
        yield sockets
    finally:
        timer.cancel()


class _WholeHead(http.client.HTTPResponse):
    """Refuses headers without their end, where the standard library takes what came."""

    def begin(self) -> None:
        whole, self.fp = self.fp, cast("Any", _HeadLines(self.fp))
        try:
            super().begin()
        finally:
            if self.fp is not None:  # it was closed over a status line that is none
                self.fp = whole


class _HeadLines:
    """The lines of an answer up to its body: one has to come for each that is asked for."""

    def __init__(self, inner: io.BufferedIOBase) -> None:
        self._inner = inner

    def readline(self, limit: int) -> bytes:
        line = self._inner.readline(limit)
        if not line:
            raise http.client.RemoteDisconnected("the connection ended before the headers did")
        return line

    def close(self) -> None:
        self._inner.close()


class _CheckedAdapter(HTTPAdapter):
    """Connects to checked addresses only, and tells `sockets` what it opened."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        sockets = self._sockets

        def checked(connection: type[HTTPConnection]) -> type[HTTPConnection]:
            class Checked(connection):  # type: ignore[valid-type,misc]
                response_class = _WholeHead

                def _new_conn(self) -> socket.socket:
                    # Put back afterwards: it is also the name that TLS checks.
                    name = str(self.host)  # type: ignore[has-type]
                    self.host = guard.resolve(name, self.port)
                    try:
                        opened: socket.socket = super()._new_conn()
                    finally:
                        self.host = name
                    sockets.opened.append(opened)
                    sockets.connections.append(self)
                    return opened

            return Checked

        class Http(HTTPConnectionPool):
            ConnectionCls = cast("Any", checked(HTTPConnection))

        class Https(HTTPSConnectionPool):
            ConnectionCls = cast("Any", checked(HTTPSConnection))

        self.poolmanager.pool_classes_by_scheme = {"http": Http, "https": Https}


def _reason(exc: BaseException) -> str:
    """Name the innermost cause: requests wraps it in several layers of its own words."""
    while exc.__cause__ or exc.__context__:
        exc = exc.__cause__ or exc.__context__ or exc
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
