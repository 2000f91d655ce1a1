"""Where the web server listens: HOST and PORT, whether they are free, and how others spell it."""

import errno
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from progrock.launcher.environment import given, reason
from progrock.launcher.errors import LaunchRefused

HIGHEST_PORT = 65535
# A launch that was killed leaves its port for the moment that its children need to die.
PORT_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """A host, as the user wrote it, and a port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        """Whether it means every address of this machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def reachable_host(self) -> str:
        """The host to connect to from this machine."""
        if self.is_wildcard:
            return "::1" if ":" in self.host else "127.0.0.1"
        return self.host

    @property
    def url(self) -> str:
        """The address for a person on this machine."""
        host = self.reachable_host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


def read_address(environ: Mapping[str, str]) -> Address:
    """Return HOST and PORT, 127.0.0.1 and 8000 when unset. Raises LaunchRefused."""
    text = given(environ, "PORT") or "8000"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= HIGHEST_PORT):
        raise LaunchRefused(
            f"PORT is {text!r}: set it to a number from 1 to {HIGHEST_PORT}, "
            "for example: make run PORT=8010"
        )
    host = given(environ, "HOST").removeprefix("[").removesuffix("]") or "127.0.0.1"
    return Address(host=host, port=int(text))


def require_free(address: Address) -> None:
    """Raise LaunchRefused, with what to do, when nobody could listen there."""
    deadline = time.monotonic() + PORT_WAIT_SECONDS
    while (error := _problem(address.host, address.port)) is not None:
        if error.errno != errno.EADDRINUSE:
            raise LaunchRefused(_unusable(address, error)) from error
        if time.monotonic() > deadline:
            raise LaunchRefused(
                f"Port {address.port} is taken by another program.\n"
                f"Choose another one: make run PORT={_suggestion(address)}"
            ) from error
        time.sleep(0.05)


def free_port(host: str, wishes: tuple[int, ...]) -> int:
    """Return the first free port of the wishes, or else any free one."""
    for port in wishes:
        if 1 <= port <= HIGHEST_PORT and _problem(host, port) is None:
            return port
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


def names_of(address: Address) -> list[str]:
    """Return the names under which browsers ask for this address, for ALLOWED_HOSTS."""
    names = ["localhost", "127.0.0.1", "[::1]"]
    if address.is_wildcard:
        names += [socket.gethostname(), *_own_address()]
    elif address.host not in {"127.0.0.1", "::1"}:
        names.append(f"[{address.host}]" if ":" in address.host else address.host)
    return list(dict.fromkeys(names))


def _problem(host: str, port: int) -> OSError | None:
    """Return why one cannot listen there, or None."""
    try:
        candidates = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, where in candidates:
            with socket.socket(family, kind, protocol) as listener:
                # As the server does it: a port whose old connections linger is free.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(where)
                listener.listen(1)
    except OSError as error:
        return error
    return None


def _own_address() -> list[str]:
    """Return the address that this machine has on its network. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: never anybody's
            return [str(probe.getsockname()[0])]
        except OSError:
            return []


def _suggestion(address: Address) -> int:
    return free_port(address.host, tuple(range(address.port + 10, address.port + 100, 10)))


def _unusable(address: Address, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return (
            f"You may not use port {address.port}: {reason(error)}\n"
            "Choose one above 1023: make run PORT=8010"
        )
    return (
        f"HOST is {address.host!r}, and nobody can listen there: {reason(error)}\n"
        "Set it to an address of this machine, for example 127.0.0.1, or 0.0.0.0 for all of them."
    )
