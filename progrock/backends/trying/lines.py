"""Lines for a terminal, each with its style, none wider than a page. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import orjson

from progrock.backends.trying import shaping


class Style(StrEnum):
    """What a line tells."""

    HEADING = "heading"
    REQUEST = "request"
    REPLY = "reply"
    READING = "reading"
    JOB = "job"
    WARNING = "warning"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its style."""

    text: str
    style: Style


BLANK = Line("", Style.JOB)


@dataclass(frozen=True, slots=True)
class Page:
    """Makes lines of at most `width` characters."""

    width: int = 80

    def text(self, text: str, prefix: str, style: Style, rest: str | None = None) -> list[Line]:
        """Return a text with a prefix; its further lines begin with `rest`, else hang."""
        hang = prefix + "  " if rest is None else rest
        return [Line(line, style) for line in shaping.wrapped(text, self.width, prefix, hang)]

    def cut(self, text: str, style: Style) -> Line:
        """Return one line of a text."""
        return Line(shaping.cut(text, self.width), style)

    def body(self, content: bytes, prefix: str, style: Style, most: int) -> list[Line]:
        """Return a body in at most so many lines, JSON indented where there is room for it."""
        width = self.width - len(prefix)
        try:
            value = orjson.loads(content)
        except ValueError:
            lines = shaping.shortened(content.decode("utf-8", "replace").splitlines(), most)
        else:
            lines = shaping.pretty(value, width)
            if len(lines) == 1:
                lines = self._flow(lines[0], width, most)
            elif len(lines) > most:
                lines = self._flow(shaping.compact(value), width, most)
        return [self.cut(prefix + line, style) for line in lines]

    def _flow(self, text: str, width: int, most: int) -> list[str]:
        lines = shaping.wrapped(text[: most * width], width)
        if len(lines) <= most and len(text) <= most * width:
            return lines
        return [*lines[: most - 1], f"{shaping.CUT} {len(text):,} characters in all"]
