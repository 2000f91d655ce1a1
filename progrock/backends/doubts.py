"""What in a description is allowed, and most likely not meant: told by the checker. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from progrock.backends.backend import Backend, RequestTemplate
from progrock.backends.errors import Problem
from progrock.backends.templates import Template

_REQUESTS = ("lookup", "start", "status", "also", "outcome", "cancel", "log")
_BARE_VARIABLE = re.compile(r"\$([A-Z][A-Z0-9_]+)\b")


def doubts(backend: Backend) -> list[Problem]:
    """Return what seems wrong with a backend that can be used as it is."""
    found = [*_needless_ends(backend), *_values_that_never_come(backend), *_bare_variables(backend)]
    return [Problem(f"backends.{backend.name}.{key}", text) for key, text in found]


def _needless_ends(backend: Backend) -> Iterator[tuple[str, str]]:
    if "state" not in backend.poll_fields.names and not backend.is_by_code:
        yield "map", "has no state: a job ends only when it is gone, or at its deadline"
    if backend.lookup is not None and not backend.lookup_fields.names:
        yield "map", "has no lookup, so what the lookup finds is not read and each start fails"
    if backend.cancel_fields.names and "cancel_url" not in _roots_of(backend.cancel):
        yield "map.cancel_url", "is told for nothing: cancel does not name {cancel_url}"


def _values_that_never_come(backend: Backend) -> Iterator[tuple[str, str]]:
    fields = {*backend.start_fields.names, *backend.poll_fields.names}
    needed = {
        "operation": "operation" in backend.start_fields.names,
        "status_url": "status_url" in fields,
        "lookup": backend.lookup is not None,
    }
    for key in _REQUESTS:
        request = getattr(backend, key)
        for root, is_told in needed.items():
            if not is_told and root in _roots_of(request):
                what = "there is no lookup" if root == "lookup" else f"map has no {root}"
                yield key, f"names {{{root}}}, and {what}: it has no value"


def _bare_variables(backend: Backend) -> Iterator[tuple[str, str]]:
    """Find $NAME where most likely ${NAME} is meant, in headers: that is where secrets stand."""
    tables = {"headers": backend.headers}
    for key in _REQUESTS:
        request = getattr(backend, key)
        if request is not None:
            tables[f"{key}.headers"] = request.headers
    for key, table in tables.items():
        for name, value in table.items():
            for text in _texts_of(value):
                for variable in _BARE_VARIABLE.findall(text):
                    yield (
                        f"{key}.{name}",
                        f"${variable} is sent as it stands; ${{{variable}}} reads the environment",
                    )


def _roots_of(request: RequestTemplate | None) -> set[str]:
    """Return what the templates of a request begin with."""
    if request is None:
        return set()
    parts = (request.path, request.url, request.query, request.headers)
    bodies = (request.json, request.form, request.body)
    return {
        reference.path[0]
        for template in _templates_in([*parts, *bodies])
        for reference in template.parts
        if not isinstance(reference, str)
    }


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for template in _templates_in(value):
        yield from (part for part in template.parts if isinstance(part, str))


def _templates_in(tree: Any) -> Iterator[Template]:
    if isinstance(tree, Template):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from _templates_in(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _templates_in(item)
