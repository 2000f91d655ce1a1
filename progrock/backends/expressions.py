"""The jq expressions of a `map`, all fields of a reply in one program, compiled once.

A field that fails or finds nothing is null; it never fails the others.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import jq

from progrock.backends.errors import BadReply

POLL_FIELDS = frozenset(
    {"state", "gone", "progress", "current", "total", "unit", "message", "steps"}
    | {"result", "error", "log", "retry_after", "status_url"}
)
START_FIELDS = POLL_FIELDS | {"operation", "refused"}
LOOKUP_FIELDS = frozenset({"lookup"})
LOG_FIELDS = frozenset({"log", "log_offset"})
FIELDS = START_FIELDS | LOOKUP_FIELDS | LOG_FIELDS


class BadExpression(ValueError):
    """Raised for a jq expression that does not compile; the text is jq's own."""


def check(expression: str) -> None:
    """Raise BadExpression when an expression is not jq."""
    try:
        jq.compile(expression)
        jq.compile(_guarded(expression))
    except ValueError as exc:
        raise BadExpression(str(exc)) from exc


class Fields:
    """The expressions of some fields, as one jq program over the document of BACKENDS."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self.names = tuple(expressions)
        fields = (f'"{name}": {_guarded(text)}' for name, text in expressions.items())
        self._program = jq.compile("{" + ", ".join(fields) + "}")

    def read(self, document: str) -> dict[str, Any]:
        """Return {field: value or None} for a document as JSON text."""
        try:
            found = self._program.input_text(document).first()
        except ValueError as exc:  # halt_error and its like, which `try` does not catch
            raise BadReply(f"The reply could not be read: {exc}") from exc
        return found  # type: ignore[no-any-return]


class Stream:
    """One jq expression that gives any number of values."""

    MOST = 100_000

    def __init__(self, expression: str) -> None:
        self._program = jq.compile(expression)

    def read(self, document: str) -> list[Any]:
        """Return the values for a document as JSON text. Raises BadReply."""
        try:
            return list(itertools.islice(iter(self._program.input_text(document)), self.MOST))
        except ValueError as exc:
            raise BadReply(f"The reply could not be read: {exc}") from exc


def _guarded(expression: str) -> str:
    return f"([limit(1; try ({expression}\n) catch null)][0])"
