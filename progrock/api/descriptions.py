"""`openapi.json`, `asyncapi.json` and `docs`: what can be asked here, for programs and for people.

They describe the software and nothing of this server's jobs: everybody may read them.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI, Router

from progrock import __version__
from progrock.api.describing import also, content
from progrock.api.jobs import json_response
from progrock.api.openapi import describe_http
from progrock.api.reading import Manual
from progrock.protocol.asyncapi import describe_socket

_PUBLIC = also(security=[])


def router_of(api: NinjaAPI) -> Router:
    """Return the calls that describe an API, and so themselves too."""
    router = Router(tags=["descriptions"])

    @router.get(
        "/openapi.json",
        auth=None,
        summary="The calls, as OpenAPI 3.1",
        response={200: dict[str, Any]},
        openapi_extra=_PUBLIC,
    )
    def get_openapi(request: HttpRequest) -> HttpResponse:
        return json_response(describe_http(api))

    @router.get(
        "/asyncapi.json",
        auth=None,
        summary="The WebSocket, as AsyncAPI 3.0",
        response={200: dict[str, Any]},
        openapi_extra=_PUBLIC,
    )
    def get_asyncapi(request: HttpRequest) -> HttpResponse:
        return json_response(_socket(request))

    @router.get(
        "/docs",
        auth=None,
        url_name="docs",
        summary="Both, as a page to read",
        response={200: None},
        openapi_extra=also(security=[], responses={200: content("text/html")}),
    )
    def get_docs(request: HttpRequest) -> HttpResponse:
        manual = Manual(describe_http(api), _socket(request))
        return render(request, "progrock/docs.html", {"manual": manual})

    return router


def _socket(request: HttpRequest) -> dict[str, Any]:
    return describe_socket(__version__, request.get_host(), is_secure=request.is_secure())
