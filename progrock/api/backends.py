"""The calls under `/api/v1/backends`: what can be started and how it is, never where it is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from redis import RedisError

from progrock import clock
from progrock.api.jobs import json_response
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.errors import RequestError
from progrock.jobs import queries
from progrock.jobs.states import Condition
from progrock.polling.shared import Standing, standings
from progrock.protocol.codes import ErrorCode
from progrock.protocol.frames import timestamp

router = Router(tags=["backends"])


@router.get("", summary="List the backends")
def list_backends(request: HttpRequest) -> HttpResponse:
    """{backends: [{name, title, description, default, condition, …, params}]}."""
    known = registry.backends()
    return json_response({"backends": _described(list(known.by_name.values()), known.default)})


@router.get("/{name}", summary="One backend")
def get_backend(request: HttpRequest, name: str) -> HttpResponse:
    """The same object as in the list."""
    known = registry.backends()
    backend = known.by_name.get(name)
    if backend is None:
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"There is no backend {name[:100]!r}.")
    (described,) = _described([backend], known.default)
    return json_response(described)


def _described(backends: Sequence[Backend], default: str | None) -> list[dict[str, Any]]:
    try:
        known = standings(backend.name for backend in backends)
    except RedisError:
        known = {}
    return [
        {
            "name": backend.name,
            "title": backend.title,
            "description": backend.description,
            "default": backend.name == default,
            **_how_it_is(backend.name, known.get(backend.name, Standing())),
            "params": backend.params_schema,
        }
        for backend in backends
    ]


def _how_it_is(name: str, standing: Standing) -> dict[str, Any]:
    """Return what is known of the backend's answers, as JSON."""
    circuit, now = standing.circuit, clock.now()
    is_unreachable = circuit.is_open or queries.answers_nobody(name)
    held_until = now + timedelta(seconds=standing.hold_seconds) if standing.hold_seconds else None
    return {
        "condition": Condition.UNREACHABLE if is_unreachable else Condition.OK,
        "circuit": circuit.word(now.timestamp()),
        "since": _time(circuit.since) if circuit.is_open else None,
        "retry_at": _time(circuit.retry_at) if circuit.is_open else None,
        "held_until": timestamp(held_until),
    }


def _time(seconds: float) -> str | None:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
