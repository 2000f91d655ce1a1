"""The calls under `/api/v1/backends`: what can be started and how it is, never where it is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from redis import RedisError

from progrock import clock
from progrock.api import backend_figures
from progrock.api.describing import also
from progrock.api.jobs import json_response, who_of
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.errors import RequestError
from progrock.jobs import queries
from progrock.jobs.states import Condition
from progrock.polling.shared import Standing, standings
from progrock.protocol.answers import BackendList, BackendOffer
from progrock.protocol.codes import ErrorCode
from progrock.protocol.frames import timestamp
from progrock.telemetry.figures import of_backends as figures_of

router = Router(tags=["backends"])


@router.get(
    "",
    summary="List the backends",
    response={200: BackendList},
    openapi_extra=also(refuses={403: [ErrorCode.NOT_PERMITTED]}),
)
def list_backends(request: HttpRequest, figures: bool = False) -> HttpResponse:
    """{backends: [{name, title, description, default, condition, …, params, figures?}]}."""
    known = registry.backends()
    described = _described(list(known.by_name.values()), known.default)
    return json_response({"backends": _with_figures(request, described) if figures else described})


@router.get(
    "/{name}",
    summary="One backend",
    response={200: BackendOffer},
    openapi_extra=also(refuses={403: [ErrorCode.NOT_PERMITTED], 404: [ErrorCode.UNKNOWN_BACKEND]}),
)
def get_backend(request: HttpRequest, name: str, figures: bool = False) -> HttpResponse:
    """The same object as in the list."""
    known = registry.backends()
    backend = known.by_name.get(name)
    if backend is None:
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"There is no backend {name[:100]!r}.")
    described = _described([backend], known.default)
    (told,) = _with_figures(request, described) if figures else described
    return json_response(told)


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


def _with_figures(request: HttpRequest, described: list[dict[str, Any]]) -> list[dict[str, Any]]:
    who = who_of(request)
    queries.require_lists(who)
    found = figures_of(sorted(registry.backends().by_name))
    return [
        {**backend, "figures": backend_figures.as_json(found[backend["name"]], who)}
        for backend in described
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
