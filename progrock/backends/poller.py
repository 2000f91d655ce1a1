"""Send the requests of polls: many, small, and again and again to the same backends.

What is sent was built, and its origin checked, by `building`; the address is checked by `guard`
before it is connected to. No redirect is followed, no proxy used and no cookie kept. Why this is
no library: docs/decisions/0007-poller.md.
"""

import asyncio
import os
import socket
import ssl

from progrock.backends import guard, wire
from progrock.backends.backend import Origin
from progrock.backends.connection import Connection, Dropped
from progrock.backends.errors import Refused, Unreachable, too_slow
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.reply_reader import Heads

IDLE_SECONDS = 30.0
MOST_IDLE = 256  # connections to one origin
MOST_SPELLINGS = 1_000  # of origins: backends name them in their replies
_AGAIN = frozenset({"GET", "HEAD"})  # may be sent twice (RFC 9110, 9.2.2)


class _Pool:
    """The connections to one origin that wait for a request, the last used at the end."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.writer = wire.Writer(origin)
        self.heads = Heads()
        self.idle: list[Connection] = []

    def take(self) -> Connection | None:
        """Return a connection that is open, or None."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_open:
                return connection
        return None


class Poller:
    """Connections that stay open, by origin; belongs to one event loop."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._by_origin: dict[Origin, _Pool] = {}
        self._pools: dict[str, _Pool] = {}  # the same, by what stands before a URL's path
        self._connections: set[Connection] = set()
        self._all_lost = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closing = False

    async def send(self, request: HttpRequest, timeout_seconds: float) -> HttpReply:
        """Return the reply, within so many seconds in all.

        Raises Unreachable; BadReply for a reply that cannot be taken; Refused for a forbidden
        address and for what cannot stand on the wire. Cancelled, it closes its connection.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._begin(loop)
        deadline = loop.time() + timeout_seconds
        url = request.url
        slash = url.find("/", 8)  # behind "https://"
        pool = self._pools.get(url[:slash])
        if pool is None or slash < 0:
            start, target = wire.split(url)
            pool = self._pool_of(start)
        else:
            target = url[slash:]
        data = pool.writer.write(request, target)
        kept = pool.take()
        try:
            if kept is None:
                return await self._send_anew(pool, data, request, deadline, timeout_seconds)
            try:
                reply = await kept.ask(data, request, deadline)
            except Dropped:
                if request.method not in _AGAIN:
                    raise
                # Closed while it was idle, most likely: the backend has not seen the request.
                try:
                    return await self._send_anew(pool, data, request, deadline, timeout_seconds)
                except Unreachable as exc:
                    exc.was_sent = True  # by the first
                    raise
            except asyncio.CancelledError:
                kept.close()
                raise
        except TimeoutError as exc:
            raise too_slow(timeout_seconds) from exc
        self._keep(pool, kept)
        return reply

    async def close(self) -> None:
        """Close all connections; what is on its way fails."""
        if self._loop is not asyncio.get_running_loop():
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._is_closing = True  # what is on its way must not connect anew
        try:
            for pool in self._by_origin.values():
                pool.idle.clear()
            for connection in list(self._connections):
                connection.close()
            await self._all_lost.wait()
        finally:
            self._is_closing = False

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin anew on another loop: a forked child must not use its parent's connections."""
        self._loop = loop
        self._pools = {}
        self._by_origin = {}
        self._connections = set()
        self._all_lost = asyncio.Event()
        self._all_lost.set()
        self._sweeper = None

    # --- the pools ---

    def _pool_of(self, start: str) -> _Pool:
        try:
            origin = Origin.of(start)
        except ValueError as exc:
            raise Refused(f"The address cannot be used: {exc}.") from exc
        if len(self._pools) >= MOST_SPELLINGS:
            self._pools.clear()
        pool = self._by_origin.get(origin) or _Pool(origin)
        self._pools[start] = self._by_origin[origin] = pool
        return pool

    def _keep(self, pool: _Pool, connection: Connection) -> None:
        loop = self._loop
        if not connection.is_open or loop is None:
            return
        if len(pool.idle) >= MOST_IDLE:
            connection.close()
            return
        connection.idle_since = loop.time()
        pool.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what was idle for too long; look again when the next one will have been."""
        self._sweeper = None
        if self._loop is None:
            return
        long_ago = self._loop.time() - self._idle_seconds
        for pool in self._pools.values():
            pool.idle = [each for each in pool.idle if each.is_open]
            while pool.idle and pool.idle[0].idle_since <= long_ago:
                pool.idle.pop(0).close()
        oldest = min(
            (pool.idle[0].idle_since for pool in self._pools.values() if pool.idle), default=None
        )
        if oldest is not None:
            self._sweeper = self._loop.call_at(oldest + self._idle_seconds, self._sweep)

    # --- connecting ---

    async def _send_anew(
        self,
        pool: _Pool,
        data: bytes,
        request: HttpRequest,
        deadline: float,
        timeout_seconds: float,
    ) -> HttpReply:
        """Send on a new connection."""
        connection = await self._connect(pool, deadline, timeout_seconds)
        try:
            reply = await connection.ask(data, request, deadline)
        except asyncio.CancelledError:
            connection.close()
            raise
        self._keep(pool, connection)
        return reply

    async def _connect(self, pool: _Pool, deadline: float, timeout_seconds: float) -> Connection:
        """Return a new connection to a checked address. Raises Refused, or Unreachable."""
        if self._is_closing:
            raise Unreachable("The backend is not asked any longer: this ends.", was_sent=False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._addresses(loop, pool.origin)
            while True:
                address = addresses.pop(0)
                share = (deadline - loop.time()) / (len(addresses) + 1)
                try:
                    async with asyncio.timeout(share):
                        return await self._connect_to(loop, address, pool)
                except OSError:
                    if not addresses:
                        raise
        except (OSError, UnicodeError) as exc:
            if isinstance(exc, TimeoutError) and exc.errno is None:
                raise too_slow(timeout_seconds, was_sent=False) from exc
            message = f"The backend cannot be connected to: {_reason(exc)}"
            raise Unreachable(message, was_sent=False) from exc

    async def _addresses(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> list[str]:
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        return guard.check_found(found, origin.host)

    async def _connect_to(
        self, loop: asyncio.AbstractEventLoop, address: str, pool: _Pool
    ) -> Connection:
        origin, made = pool.origin, Connection(loop, pool.heads, self._lost)
        is_secure = origin.scheme == "https"
        if is_secure and self._tls is None:
            self._tls = ssl.create_default_context()  # the system's, or those of SSL_CERT_FILE
            self._tls.set_alpn_protocols(["http/1.1"])
        try:
            await loop.create_connection(
                lambda: made,
                address,
                origin.port,
                ssl=self._tls if is_secure else None,
                server_hostname=origin.host if is_secure else None,
            )
        except BaseException:
            made.close()
            raise
        if made.is_open:  # and not lost already
            self._connections.add(made)
            self._all_lost.clear()
        return made

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_lost.set()


def _reason(exc: Exception) -> str:
    """Name the cause as the system does: asyncio puts the address in the place of its words."""
    if (
        isinstance(exc, OSError)
        and exc.errno
        and not isinstance(exc, socket.gaierror | ssl.SSLError)
    ):
        return os.strerror(exc.errno)
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
