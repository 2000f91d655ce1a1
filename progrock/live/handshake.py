"""Who may open a WebSocket: host, origin and identity, before anything is accepted.

PROTOCOL section 2.1: a foreign Host is refused with 400, a foreign Origin with 403, a wrong
Bearer token with 401. A session cookie counts only with an Origin of the site's own.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from progrock import conf, identity
from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode
from progrock.protocol.problems import CHALLENGE, MEDIA_TYPE, document

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

FOREIGN_HOST = RequestError(ErrorCode.BAD_MESSAGE, "This host is not one of the site's own.")
_FOREIGN_PAGE = RequestError(ErrorCode.NOT_PERMITTED, "Pages of other sites may not connect.")
_NOTHING_HERE = RequestError(ErrorCode.NOT_FOUND, "There is nothing here; the address is /prog/.")


class Handshake:
    """ASGI middleware: puts `who` (None: has to say so by `auth`) into the scope, or refuses."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await _admit(scope)
        if refusal is None:
            await self.inner(scope, receive, send)
        else:
            await _refuse(scope, receive, send, *refusal)


async def _admit(scope: Scope) -> tuple[RequestError, int | None] | None:
    """Put `who` into the scope, or return the reason of a refusal and, if not its own, its status.

    A function of its own, so that the headers do not stay for as long as the connection.
    """
    headers = headers_of(scope)
    host = headers.get("host", "")
    if not is_own_host(host):
        return FOREIGN_HOST, 400
    origin = headers.get("origin")
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    is_own = origin is not None and identity.is_own_origin(origin, host, scheme)
    if origin is not None and not is_own:
        return _FOREIGN_PAGE, None
    if "authorization" not in headers and not (is_own and "cookie" in headers):
        scope["who"] = _nobody()  # without a way through the threads of the database
        return None
    try:
        scope["who"] = await database_sync_to_async(_identify)(headers, is_own)
    except RequestError as exc:
        return exc, None
    return None


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request, by their names in lower case."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def is_own_host(host: str) -> bool:
    """Whether a Host header names the site."""
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket at another address than ours."""
    await _refuse(scope, receive, send, _NOTHING_HERE)


def _identify(headers: dict[str, str], is_own_origin: bool) -> Who | None:
    token = identity.bearer_of(headers.get("authorization", ""))
    if token is not None:
        return identity.by_token(token)
    if is_own_origin:
        who = by_session(headers.get("cookie", ""))
        if not who.is_anonymous:
            return who
    return _nobody()


def _nobody() -> Who | None:
    return ANONYMOUS if conf.anonymous_allowed() else None


def by_session(cookies: str) -> Who:
    """Return whose session a Cookie header names; the anonymous visitor where it names none."""
    try:
        morsel = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        morsel = None
    if morsel is None:
        return ANONYMOUS
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(morsel.value)
    return identity.of_session(get_user(request), morsel.value)


async def _refuse(
    scope: Scope, receive: Receive, send: Send, why: RequestError, status: int | None = None
) -> None:
    """Refuse by a problem document, where the server can send one; else it says 403 alone."""
    await receive()  # websocket.connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4403})  # the server makes it a 403
        return
    status = status or why.code.status
    body = encode(document(why, status)).encode()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
                *([(b"www-authenticate", CHALLENGE.encode())] if status == 401 else []),
            ],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
