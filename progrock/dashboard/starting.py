"""What the start page shows: the backends with their parameters, and what it is filled with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from progrock.backends import registry
from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import queries
from progrock.jobs.snapshot import snapshot
from progrock.overview.backends import described


@dataclass(frozen=True, kw_only=True, slots=True)
class Param:
    """A parameter in words, for a page without scripts."""

    name: str
    title: str
    kind: str
    description: str
    is_required: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPage:
    """All that the page shows. `problem` is a sentence, "" for none."""

    backends: list[dict[str, Any]]
    chosen: dict[str, Any] | None
    retry: dict[str, Any] | None = None
    problem: str = ""
    params: Mapping[str, list[Param]] = field(default_factory=dict)


def start_page(who: Who, backend: str | None, retry: str | None) -> StartPage:
    """Return the start page for a backend by its name, or for a job that is to be retried."""
    known = registry.backends()
    told = described(list(known.by_name.values()), known.default)
    by_name = {each["name"]: each for each in told}
    job, problem = _job(who, retry) if retry else (None, "")
    if job is not None and job["backend"] not in by_name:
        problem = f"The backend of this job, {job['backend']}, is not configured any longer."
        job = None
    name = job["backend"] if job else backend if backend in by_name else known.default
    chosen = by_name.get(name or "") or next(iter(told), None)
    params = {each["name"]: _params(each["params"]) for each in told}
    return StartPage(backends=told, chosen=chosen, retry=job, problem=problem, params=params)


def _job(who: Who, id_: str) -> tuple[dict[str, Any] | None, str]:
    """Return what of a job a retry begins with, or None and why there is nothing."""
    try:
        told = snapshot(queries.find_job(who, id_), who)
    except RequestError:
        return None, "There is no such job, or you may not see it."
    if not told["complete"]:
        return None, "This job has not ended: cancel it first, or wait for its end."
    if "retry" not in told["can"]:
        return None, "You may watch this job, not retry it."
    return {name: told[name] for name in ("job", "backend", "title", "params")}, ""


def _params(schema: Mapping[str, Any]) -> list[Param]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    return [
        Param(
            name=name,
            title=str(its.get("title", name)),
            kind=_kind(its),
            description=str(its.get("description", "")),
            is_required=name in required,
        )
        for name, its in properties.items()
        if isinstance(its, Mapping)
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a parameter may be."""
    kind = schema.get("type", "any JSON")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "enum" in schema:
        words = f"one of {', '.join(map(str, schema['enum']))}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words += f", {low} to {high}"
    if "default" in schema:
        words += f"; {json.dumps(schema['default'], ensure_ascii=False)} when left out"
    return words
