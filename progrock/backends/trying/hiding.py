"""Take the secrets out of requests and replies before they are shown or kept. Pure.

The backend's own mask knows what the description read from the environment. What goes in headers
that are made for secrets is hidden whatever it is, and of cookies the names stay.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.masking import STARS, Mask

_SECRET_NAME = re.compile(r"authori[sz]ation|token|secret|password|api-?key", re.IGNORECASE)
_COOKIE = re.compile(r"(?P<name>[^=;\s]+)=[^;]*")
_STARRED = rf"\g<name>={STARS}"


def hide_request(request: HttpRequest, mask: Mask) -> HttpRequest:
    """Return a request without secrets, in its URL, its headers and its body."""
    body = request.body
    if body is not None:
        body = mask.text(body.decode("utf-8", "replace")).encode()
    headers = _hidden(request.headers, mask)
    return replace(request, url=mask.text(request.url), headers=headers, body=body)


def hide_reply(reply: HttpReply, mask: Mask) -> HttpReply:
    """Return a reply without secrets, in its headers and its body."""
    masked = mask.reply(reply)
    headers = _hidden(masked.headers, mask)
    cookies = tuple(_COOKIE.sub(_STARRED, mask.text(text), count=1) for text in reply.set_cookie)
    if "set-cookie" in headers:  # all of them, joined
        headers["set-cookie"] = ", ".join(cookies) or STARS
    return replace(masked, headers=headers, set_cookie=cookies)


def _hidden(headers: Mapping[str, str], mask: Mask) -> dict[str, str]:
    return {name: _hide_header(name, mask.text(_sound(value))) for name, value in headers.items()}


def _sound(text: str) -> str:
    """Return a header without the surrogates that stand for stray bytes: no file takes them."""
    return text.encode("utf-8", "replace").decode()


def _hide_header(name: str, value: str) -> str:
    match name.lower():
        case "cookie":
            return _COOKIE.sub(_STARRED, value)
        case "authorization":
            scheme, blank, _ = value.partition(" ")
            return f"{scheme} {STARS}" if blank else STARS
        case other:
            return STARS if _SECRET_NAME.search(other) else value
