"""Where the server is and who asks: addresses and headers of every request."""

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urlsplit

from progrock import __version__
from progrock.client.errors import BadAddress, BadAnswer

DEFAULT_URL = "http://127.0.0.1:8000"
Query = Mapping[str, str | int | float | bool | Iterable[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server's address, the token for it, and where time and chance come from."""

    url: str
    token: str | None = field(repr=False, default=None)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    @classmethod
    def at(cls, url: str | None, token: str | None) -> "Server":
        """Return the server at an address; what is None comes from PROGROCK_URL, PROGROCK_TOKEN."""
        text = url or os.environ.get("PROGROCK_URL") or DEFAULT_URL
        if "://" not in text:
            text = f"http://{text}"
        try:
            parts = urlsplit(text)
            is_right = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port  # raises ValueError for one that is no number
        except ValueError:
            is_right = False
        if not is_right:
            raise BadAddress(text)
        found = token or os.environ.get("PROGROCK_TOKEN") or None
        return cls(url=text.rstrip("/"), token=found)

    def by(self, token: str | None) -> "Server":
        """Return the same server, asked with another token."""
        return replace(self, token=token)

    def api(self, path: str, query: Query | None = None) -> str:
        """Return the address of `/api/v1/PATH`; None in the query is left out, lists repeat."""
        pairs = []
        for name, value in (query or {}).items():
            values = [value] if isinstance(value, str | int | float) else (value or ())
            pairs += [(name, _text_of(each)) for each in values]
        suffix = f"?{urlencode(pairs)}" if pairs else ""
        return f"{self.url}/api/v1/{path}{suffix}"

    def job(self, job: str, rest: str = "", query: Query | None = None) -> str:
        """Return the address of a job or of what is below it."""
        return self.api(f"jobs/{quote(job, safe='')}{rest}", query)

    @property
    def websocket(self) -> str:
        """The address of `/prog/`."""
        return f"ws{self.url.removeprefix('http')}/prog/"

    def headers(self, **more: str) -> dict[str, str]:
        """Return the headers of a request; `_` in a name stands for `-`."""
        given = {name.replace("_", "-"): value for name, value in more.items()}
        who = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"User-Agent": f"progrock-client/{__version__}", **who, **given}

    def no_protocol(self, what: str) -> BadAnswer:
        """Return the error for an answer that is not ProgRock's."""
        return BadAnswer(
            f"{self.url} does not answer as a ProgRock server does: {what}. Check the address; "
            "a proxy or a login page may stand before the server."
        )


def _text_of(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
