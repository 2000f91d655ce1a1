"""The backends as JSON: what can be started and how it is, never where it is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import RedisError

from progrock import clock
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.identity import Who
from progrock.jobs import queries
from progrock.jobs.states import Condition
from progrock.overview import figures
from progrock.polling.shared import Standing, standings
from progrock.protocol.frames import timestamp
from progrock.telemetry.figures import of_backends


def described(backends: Sequence[Backend], default: str | None) -> list[dict[str, Any]]:
    """Return {name, title, description, default, condition, circuit, …, params} of each."""
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


def with_figures(who: Who, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return described backends with their `figures`, for a visitor.

    Raises RequestError(not_permitted) for the bearer of a share token.
    """
    queries.require_lists(who)
    found = of_backends(sorted(registry.backends().by_name))
    return [{**each, "figures": figures.as_json(found[each["name"]], who)} for each in told]


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
