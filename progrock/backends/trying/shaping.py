"""Texts of a foreign service in a terminal: nothing unprintable, nothing wider than it. Pure."""

import json
import textwrap
from typing import Any

from progrock.backends.values import cleaned

CUT = "…"
LONGEST = 20_000  # characters of one value that are looked at: nobody reads more in a terminal


def printable(text: str) -> str:
    """Return a text on one line, with what a terminal would obey or hide spelled out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def cut(text: str, width: int) -> str:
    """Return a printable text of at most `width` characters."""
    text = printable(text[: width + 1])
    return text if len(text) <= width else text[: width - 1] + CUT


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Return the lines of a text, each with its prefix and at most `width` characters long."""
    return textwrap.wrap(
        printable(text[:LONGEST]),
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [first.rstrip()]


def compact(value: Any, indent: int | None = None) -> str:
    """Return a JSON value as text, not yet printable; what is too deep is left out."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent)
    except RecursionError:
        return json.dumps(cleaned(value), ensure_ascii=False, indent=indent)


def pretty(value: Any, width: int) -> list[str]:
    """Return a JSON value as lines, not yet printable: indented, unless it is short or endless."""
    line = compact(value)
    return compact(value, 2).splitlines() if width < len(line) <= LONGEST else [line]


def shortened(lines: list[str], most: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"{CUT} {len(lines) - most + 1} more lines"]


def duration(seconds: float) -> str:
    """Return a time such as `3 ms`, `1.25 s` or `2 min 5 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s"


def number(value: float) -> str:
    """Return a figure such as `10,000` or `14.77`."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")
