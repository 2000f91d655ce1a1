"""What pages may load and do: the Content-Security-Policy header.

No inline script or style, nothing from other sites, no framing: a text of a backend that came
into a page as markup could do nothing there. https://www.w3.org/TR/CSP3/
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"
ADMIN = "/admin/"  # Django's admin brings its own pages; they are not ours to constrain


@sync_and_async_middleware
def content_security_policy(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Set the policy on every response that brings none of its own."""
    if iscoroutinefunction(get_response):

        async def middleware_async(request: HttpRequest) -> HttpResponse:
            return _protected(request, await get_response(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponse:
        return _protected(request, get_response(request))

    return middleware


def _protected(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not request.path.startswith(ADMIN):
        response.headers.setdefault(HEADER, _policy(request.get_host()))
    return response


def _policy(host: str) -> str:
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            # blob: a picture that a script fetched with the token of a share link
            "img-src 'self' data: blob:",
            # 'self' covers WebSockets in today's browsers, not in older ones.
            f"connect-src 'self' ws://{host} wss://{host}",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ]
    )
