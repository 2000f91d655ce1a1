"""A request to a backend and its reply, as values. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

MAX_BODY_BYTES = 1024 * 1024
SENT_HEADERS = {"User-Agent": "ProgRock/0.1", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request, ready to be sent: absolute URL, headers, body. Origin already checked."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, init=False)
class HttpReply:
    """One reply: status, headers with names in lower case, at most 1 MiB of body."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    set_cookie: tuple[str, ...] = ()  # apart, since several cannot be joined into one
    url: str = ""  # of the request: a relative Location is resolved against it
    _parsed: tuple[Any, bool] | None = field(default=None, init=False, repr=False, compare=False)

    def __init__(
        self,
        *,
        status: int,
        headers: Mapping[str, str],
        content: bytes,
        set_cookie: tuple[str, ...] = (),
        url: str = "",
    ) -> None:
        # One for each poll: the generated one sets each field by way of object.__setattr__.
        values = self.__dict__
        values["status"] = status
        values["headers"] = headers
        values["content"] = content
        values["set_cookie"] = set_cookie
        values["url"] = url
        values["_parsed"] = None

    def at(self, url: str) -> "HttpReply":
        """Return it as the reply to a request for this address."""
        reply = object.__new__(HttpReply)
        reply.__dict__.update(self.__dict__, url=url)
        return reply

    @property
    def body(self) -> Any:
        """The JSON value where it parses, else the text, or None when empty."""
        return (self._parsed or self._parse())[0]

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, whatever the headers say."""
        return (self._parsed or self._parse())[1]

    def _parse(self) -> tuple[Any, bool]:
        parsed: tuple[Any, bool]
        try:
            parsed = orjson.loads(self.content), True
        except ValueError:
            text = self.content.decode("utf-8", "replace")
            parsed = (text if text.strip() else None), False
        self.__dict__["_parsed"] = parsed  # `cached_property` takes a lock
        return parsed

    def as_json(self) -> dict[str, Any]:
        """Return {status, headers, body}, as expressions and templates see it."""
        headers = {name: _sound(value) for name, value in self.headers.items()}
        return {"status": self.status, "headers": headers, "body": self.body}


@dataclass(frozen=True, slots=True)
class LogLook:
    """When a job's log was asked for, and whether there was one."""

    at: datetime
    is_there: bool


class Seen(NamedTuple):
    """What a backend last said of a job, so that the same again need not be read.

    `by` is the Backend that read it: another one may read it differently. `request` is the next
    poll's; None where it is to be built anew. `digest` is of all that was read of the reply (None
    where the same may say something new), `etag` its entity tag. `log` is the last look at the
    log, `log_size` how far the log reaches.
    """

    by: object
    request: HttpRequest | None = None
    digest: int | None = None
    etag: str | None = None
    log: LogLook | None = None
    log_size: float | None = None


def _sound(text: str) -> str:
    """Return a header without the surrogates by which `poller` keeps stray bytes (PEP 383)."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
