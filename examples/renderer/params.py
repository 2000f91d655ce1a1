"""Parameters of a job: declared once as a dataclass, checked as a whole, refused with reasons.

A kind of job declares

    @dataclass(frozen=True, kw_only=True)
    class RowsParams:
        rows: Annotated[int, Whole(1, 1_000_000)] = 10_000

and `read_params(RowsParams, {"rows": 0})` raises BadParams with the message
"rows must be between 1 and 1000000, not 0". Every parameter has a default.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Protocol, TypeVar, get_type_hints

from examples.renderer.errors import BadParams

SHOWN_VALUE = 40

P = TypeVar("P")


class Rule(Protocol):
    """What one parameter may be."""

    def read(self, value: object) -> Any:
        """The value in its own type; else a ValueError that completes "width must be …"."""


@dataclass(frozen=True)
class Number:
    """A number within bounds, both included."""

    least: float
    most: float

    def read(self, value: object) -> float:
        bounds = f"between {self.least:.12g} and {self.most:.12g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"a number {bounds}")
        if not self.least <= value <= self.most:
            raise ValueError(bounds)
        return float(value)


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds, both included; 5.0 is one too, as in JSON Schema."""

    least: int
    most: int

    def read(self, value: object) -> int:
        bounds = f"between {self.least} and {self.most}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"a whole number {bounds}")
        if not self.least <= value <= self.most:
            raise ValueError(bounds)
        if value != math.floor(value):
            raise ValueError(f"a whole number {bounds}")
        return int(value)


@dataclass(frozen=True)
class Choice:
    """One word of a closed set."""

    words: type[StrEnum]

    def read(self, value: object) -> StrEnum:
        if not isinstance(value, str) or value not in list(self.words):
            raise ValueError("one of " + ", ".join(self.words))
        return self.words(value)


@dataclass(frozen=True)
class Text:
    """A text of bounded length, without the null character that no file name can hold."""

    most: int

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= self.most or "\0" in value:
            raise ValueError(f"a text of 1 to {self.most} characters")
        return value


@dataclass(frozen=True)
class OrNull:
    """The rule, or null."""

    rule: Rule

    def read(self, value: object) -> Any:
        if value is None:
            return None
        try:
            return self.rule.read(value)
        except ValueError as error:
            raise ValueError(f"{error}, or null") from error


def read_params(declared: type[P], given: Mapping[str, object]) -> P:
    """The parameters as `declared`, defaults filled in; BadParams names all that is wrong."""
    hints = get_type_hints(declared, include_extras=True)
    rules: dict[str, Rule] = {name: hint.__metadata__[0] for name, hint in hints.items()}
    problems: list[str] = []
    values: dict[str, object] = {}
    for name, value in given.items():
        rule = rules.get(name)
        if rule is None:
            problems.append(_unknown(name, list(rules)))
            continue
        try:
            values[name] = rule.read(value)
        except ValueError as error:
            problems.append(f"{name} must be {error}, not {show(value)}")
    if problems:
        raise BadParams(problems)
    return declared(**values)


def plain(params: object) -> dict[str, object]:
    """The parameters as a JSON object with every key there: equal for equal jobs."""
    return dataclasses.asdict(params)  # type: ignore[call-overload,no-any-return]


def show(value: object) -> str:
    """The value as JSON, cut to a length that fits in a sentence."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 1] + "…"


def printable(text: str) -> str:
    """The text on one line: control characters and undecodable bytes of file names spelled out."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _unknown(name: str, known: list[str]) -> str:
    close = get_close_matches(name[:SHOWN_VALUE], known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"unknown parameter {show(name)}: {hint}"
