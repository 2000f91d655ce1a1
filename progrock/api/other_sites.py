"""Share links work in the pages of other sites: cross-origin reads, and nothing else.

https://fetch.spec.whatwg.org/#http-cors-protocol
An answer to a GET whose share token we have signed may be read by any page: who has the token may
read it anyhow. It says so without credentials, so that no cookie of a visitor is worth anything
elsewhere. All other answers stay what they are, unreadable for other sites.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from progrock import identity, sharing

READABLE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Retry-After",
}
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": "7200",
}
_PLACE = "/api/v1/jobs/"


def is_shared(authorization: str, path: str, query: str) -> bool:
    """Whether a GET bears a share token of ours, in the places where one counts.

    Also one whose time is over: a page has to read that, or it would ask again and again.
    """
    token = identity.bearer_of(authorization)
    if token is None and path.endswith("/events"):
        token = identity.share_token_in(query)
    return (
        token is not None and token.startswith(sharing.PREFIX) and sharing.read(token) is not None
    )


def mark(response: HttpResponse) -> None:
    """Let the pages of all sites read an answer."""
    for name, value in READABLE.items():
        response[name] = value


@sync_and_async_middleware
def cross_origin_reads(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Mark what pages of other sites may read, and answer what browsers ask before."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            if _is_preflight(request):
                return _permission()
            return _marked(request, await cast("Awaitable[HttpResponse]", get_response(request)))

        return markcoroutinefunction(asynchronous)

    def synchronous(request: HttpRequest) -> HttpResponse:
        if _is_preflight(request):
            return _permission()
        return _marked(request, get_response(request))

    return synchronous


def _is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks if a page may send a GET with a Bearer token; it tells no token."""
    return (
        request.method == "OPTIONS"
        and request.path.startswith(_PLACE)
        and request.headers.get("Access-Control-Request-Method") == "GET"
    )


def _permission() -> HttpResponse:
    return HttpResponse(status=204, headers=PREFLIGHT)


def _marked(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if request.method in {"GET", "HEAD"} and request.path.startswith(_PLACE):
        authorization = request.headers.get("Authorization", "")
        if is_shared(authorization, request.path, request.META.get("QUERY_STRING", "")):
            mark(response)
    return response
