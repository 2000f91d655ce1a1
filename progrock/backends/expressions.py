"""The jq expressions of a `map`, all fields of a reply in one program, compiled once.

A field that fails or finds nothing is null; it never fails the others.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import jq

from progrock.backends.errors import BadReply
from progrock.backends.wording import near_expression
from progrock.protocol.codec import encode

POLL_FIELDS = frozenset(
    {"state", "gone", "progress", "current", "total", "unit", "message", "steps"}
    | {"result", "error", "log", "log_size", "retry_after", "status_url"}
)
START_FIELDS = POLL_FIELDS | {"operation", "refused"}
LOOKUP_FIELDS = frozenset({"lookup"})
LOG_FIELDS = frozenset({"log", "log_offset"})
CANCEL_FIELDS = frozenset({"cancel_url"})
ROOTS = tuple(  # of the document
    "status headers body params operation start also outcome lookup cancelled offset".split()
)
FIELDS = START_FIELDS | LOOKUP_FIELDS | LOG_FIELDS | CANCEL_FIELDS


class BadExpression(ValueError):
    """Raised for a jq expression that does not compile; the text is jq's own."""


def check(expression: str) -> None:
    """Raise BadExpression when an expression is not jq."""
    if _ENVIRONMENT.search(expression):
        raise BadExpression("$ENV and env are not for expressions; use ${NAME}")
    if _plain_path(expression) is not None:
        return
    try:
        jq.compile(expression)
        if _UNLIKE_WITHIN.search(expression):
            jq.compile(_guarded(expression))
    except ValueError as exc:
        lines = (line.removeprefix("jq: error: ") for line in str(exc).splitlines())
        told = "\n".join(line for line in lines if not _COUNT.fullmatch(line))
        raise BadExpression(told + near_expression(expression, ROOTS)) from exc


_COUNT = re.compile(r"jq: \d+ compile errors?")
# What is an expression alone, and may be none within another one.
_UNLIKE_WITHIN = re.compile(r"\b(?:def|import|include|module)\b|#|^\s*$")


_ENVIRONMENT = re.compile(r"""\$ENV\b|(?<![\w.$"'])env\b(?!")""")


class Fields:
    """The expressions of some fields, over the document of BACKENDS.

    A plain path such as `.body.task.state` is followed without jq: that keeps each digit of a
    number, and costs next to nothing. All others are one jq program, compiled once.
    """

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self.names = tuple(expressions)
        self._paths = {}
        self._of_body = {}  # those with one key below the body: most
        self._texts = {}
        for name, text in expressions.items():
            path = _plain_path(text)
            if path is None:
                self._texts[name] = text
            elif len(path) == 2 and path[0] == "body" and isinstance(path[1], str):
                self._of_body[name] = path[1]
            else:
                self._paths[name] = path
        self._program = _program(self._texts) if self._texts else None
        self.reads_body_alone = not self._paths and not self._texts
        self.reads_headers = any(path[:1] == ("headers",) for path in self._paths.values()) or any(
            map(_may_read_headers, self._texts.values())
        )

    def read(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return {field: value or None}. Raises BadReply when the document is too deep for jq."""
        body = document.get("body")
        if type(body) is not dict:
            body = {}
        found = {name: body.get(key) for name, key in self._of_body.items()}
        for name, path in self._paths.items():
            found[name] = _follow(path, document)
        if self._program is not None:
            found |= self._read_by_jq(_as_text(document))
        return found

    def _read_by_jq(self, document: str) -> dict[str, Any]:
        try:
            return next(iter(self._program.input_text(document)))  # type: ignore[union-attr]
        except (ValueError, StopIteration):  # one halts: each alone, so that it spoils no other
            return {name: _read_alone(text, document) for name, text in self._texts.items()}


_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_]\w*)      # .name
    | \.?\["(?P<key>[^"\\]*)"\]      # ["key"] or .["key"]
    | \."(?P<quoted>[^"\\]*)"        # ."key"
    | \[(?P<index>\d+)\]             # [0]
    """,
    re.VERBOSE | re.ASCII,
)


def _plain_path(expression: str) -> tuple[str | int, ...] | None:
    """Return the keys and indexes of a plain path, or None where it is more than that."""
    text = expression.strip()
    if not text.startswith("."):
        return None
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        kind = step.lastgroup or ""
        parts.append(int(step[kind]) if kind == "index" else step[kind])
        position = step.end()
    return tuple(parts)


_WHOLE = re.compile(
    r"""headers
    | \.(?![A-Za-z_"\d])             # . or .. or .[]
    | \b(?:tojson|tostring|keys\w*|to_entries|map_values|paths|walk|input|recurse|values|length)\b
    | @\w
    """,
    re.VERBOSE | re.ASCII,
)


def _may_read_headers(expression: str) -> bool:
    """Whether an expression may look at more of the document than the body and the status."""
    return _WHOLE.search(expression) is not None


def _follow(path: tuple[str | int, ...], value: Any) -> Any:
    """Return what a path leads to in JSON, which is dictionaries and lists and no kin of theirs."""
    for part in path:
        if type(value) is dict and type(part) is str:
            value = value.get(part)
        elif type(value) is list and type(part) is int and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _program(texts: Mapping[str, str]) -> Any:
    fields = (f'"{name}": {_guarded(text)}' for name, text in texts.items())
    return jq.compile("{" + ", ".join(fields) + "}")


def _read_alone(expression: str, document: str) -> Any:
    try:
        return next(iter(jq.compile(_guarded(expression)).input_text(document)), None)
    except ValueError:
        return None


def _as_text(document: Mapping[str, Any]) -> str:
    try:
        text = encode(document)
        return encode(_long_as_text(document)) if _LONG.search(text) else text
    except TypeError as exc:  # orjson: nested too deep
        raise BadReply(f"The reply could not be read: {exc}.") from exc


_LONG = re.compile(r"\d{16}")
_EXACT = 2**53  # jq's numbers are doubles: a larger whole number loses its last digits


def _long_as_text(value: Any) -> Any:
    """Return JSON with whole numbers that jq cannot hold as texts, so that ids stay whole."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, list):
        return [_long_as_text(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _long_as_text(item) for key, item in value.items()}
    return value


class Stream:
    """One jq expression that gives any number of values."""

    MOST = 100_000

    def __init__(self, expression: str) -> None:
        self._program = jq.compile(expression)

    def read(self, document: Mapping[str, Any]) -> list[Any]:
        """Return the values. Raises BadReply."""
        text = _as_text(document)
        try:
            return list(itertools.islice(iter(self._program.input_text(text)), self.MOST))
        except ValueError as exc:
            raise BadReply(f"The reply could not be read: {exc}") from exc


def _guarded(expression: str) -> str:
    return f"([limit(1; try ({expression}\n) catch null)][0])"
