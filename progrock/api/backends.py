"""The calls under `/api/v1/backends`: what can be started, never where it is."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from progrock.api.jobs import json_response
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode

router = Router(tags=["backends"])


@router.get("", summary="List the backends")
def list_backends(request: HttpRequest) -> HttpResponse:
    """{backends: [{name, title, description, default, condition, params}]}."""
    known = registry.backends()
    described = [_described(backend, known.default) for backend in known.by_name.values()]
    return json_response({"backends": described})


@router.get("/{name}", summary="One backend")
def get_backend(request: HttpRequest, name: str) -> HttpResponse:
    """The same object as in the list."""
    known = registry.backends()
    backend = known.by_name.get(name)
    if backend is None:
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"There is no backend {name[:100]!r}.")
    return json_response(_described(backend, known.default))


def _described(backend: Backend, default: str | None) -> dict[str, Any]:
    return {
        "name": backend.name,
        "title": backend.title,
        "description": backend.description,
        "default": backend.name == default,
        "condition": "ok",
        "params": backend.params_schema,
    }
