"""What stands on the wire for a request over HTTP/1.1 (RFC 9112). Pure: no I/O."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from progrock.backends.backend import DEFAULT_PORTS, Origin
from progrock.backends.errors import Refused
from progrock.backends.http import SENT_HEADERS, HttpRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MOST_KEPT = 1_000  # lines of headers to one origin
LONGEST_KEPT = 512
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})  # tell the length of an empty body too


class Writer:
    """Writes the requests to one origin; keeps the bytes that are the same as before."""

    def __init__(self, origin: Origin) -> None:
        self._host = _host_of(origin)
        self._method = ""
        self._headers: Mapping[str, str] = {}
        self._names: tuple[str, ...] = ()
        self._has_twins = False  # two names that differ in their case alone
        self._before = b""  # the target
        self._ours = b""  # the headers that a description does not give
        self._after = b""  # the target: all headers but Content-Length
        self._lines: dict[tuple[str, str], bytes] = {}
        self._look_at(())

    def write(self, request: HttpRequest, target: str) -> bytes:
        """Return a request's bytes. Raises Refused for what cannot stand on the wire."""
        if request.method != self._method or request.headers != self._headers:
            self._prepare(request.method, request.headers)
        target = sound(target)
        body = request.body
        if body is not None:
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            return b"".join((self._before, target.encode("ascii"), self._after, length, body))
        end = b"Content-Length: 0\r\n\r\n" if request.method in _WITH_CONTENT else b"\r\n"
        return b"".join((self._before, target.encode("ascii"), self._after, end))

    def _prepare(self, method: str, headers: Mapping[str, str]) -> None:
        names = tuple(headers)
        if names != self._names:
            self._look_at(names)
        if method != self._method and not _TOKEN.fullmatch(method):
            raise Refused("The request's method cannot be sent.")
        self._method = ""  # until all is in order
        pairs: Iterable[tuple[str, str]] = headers.items()
        if self._has_twins:
            pairs = {name.lower(): (name, value) for name, value in pairs}.values()
        lines, known = [b" HTTP/1.1\r\n", self._ours], self._lines
        for pair in pairs:
            line = known.get(pair)
            lines.append(self._line(pair) if line is None else line)
        self._before = f"{method} ".encode("ascii")
        self._after = b"".join(lines)
        self._method, self._headers = method, dict(headers)

    def _look_at(self, names: tuple[str, ...]) -> None:
        """Set which headers are ours to give beside these."""
        given = {name.lower() for name in names}
        ours = {"Host": self._host, **SENT_HEADERS}
        self._has_twins = len(given) < len(names)
        self._ours = b"".join(
            _line(name, value) for name, value in ours.items() if name.lower() not in given
        )
        self._names = names

    def _line(self, pair: tuple[str, str]) -> bytes:
        line = _line(*pair)
        if len(line) <= LONGEST_KEPT:
            if len(self._lines) >= MOST_KEPT:
                self._lines.clear()
            self._lines[pair] = line
        return line


def _line(name: str, value: str) -> bytes:
    if name.lower() == "content-length":
        return b""  # told as it is
    if name.lower() == "transfer-encoding":
        raise Refused("A request is not sent in another transfer encoding: no such header.")
    if not _TOKEN.fullmatch(name):
        raise Refused("A header's name holds a character that cannot be sent.")
    if _CONTROL.search(value):
        raise Refused("A header's value holds a control character.")
    try:
        return f"{name}: {value}\r\n".encode("latin-1")
    except UnicodeEncodeError as exc:
        raise Refused("A header's value holds a character beyond Latin-1.") from exc


def split(url: str) -> tuple[str, str]:
    """Return what stands before an absolute URL's path, and its path and query as told."""
    end = min((at for at in map(url[8:].find, "/?#") if at >= 0), default=len(url) - 8) + 8
    target = url[end:]
    return url[:end], target if target.startswith("/") else f"/{target}"


def sound(target: str) -> str:
    """Return a path and query as they can be sent. Raises Refused for blanks and controls."""
    if target.isascii() and target.isprintable() and " " not in target and "#" not in target:
        return target
    target = target.partition("#")[0]
    if " " in target or _CONTROL.search(target) or "\t" in target:
        raise Refused("The request's address holds a blank or a control character.")
    # RFC 3987, 3.1; all that is ASCII stays as it was built
    return quote(target, safe="".join(map(chr, range(33, 127))), errors="surrogateescape")


def _host_of(origin: Origin) -> str:
    try:
        host = origin.host if origin.host.isascii() else origin.host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise Refused(f"{origin.host} cannot be the name of a host.") from exc
    host = f"[{host}]" if ":" in host else host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"
