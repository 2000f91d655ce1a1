"""Texts of a foreign service in a terminal: nothing unprintable, nothing wider than it. Pure."""

import json
import textwrap
from typing import Any

CUT = "…"


def printable(text: str) -> str:
    """Return a text on one line, with what a terminal would obey or hide spelled out."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def cut(text: str, width: int) -> str:
    """Return a printable text of at most `width` characters."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + CUT


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Return the lines of a text, each with its prefix and at most `width` characters long."""
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [first.rstrip()]


def compact(value: Any) -> str:
    """Return a JSON value on one line."""
    return printable(json.dumps(value, ensure_ascii=False))


def pretty(value: Any, width: int) -> list[str]:
    """Return a JSON value as lines, on one where it fits."""
    line = compact(value)
    if len(line) <= width:
        return [line]
    return json.dumps(value, ensure_ascii=False, indent=2).splitlines()


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
