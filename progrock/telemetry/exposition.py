"""Figures in the text format that Prometheus reads, version 0.0.4. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


@dataclass(kw_only=True, slots=True)
class Family:
    """All samples of one name. `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    lines: list[str] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Add a sample of a counter or a gauge."""
        self.lines.append(_line(self.name, labels, value))

    def add_histogram(
        self, bounds: Sequence[float], counts: Sequence[int], total: float, **labels: str
    ) -> None:
        """Add a histogram: counts by bounds and of what lies beyond, and the sum of all values."""
        passed = 0
        for bound, count in zip((*bounds, None), counts, strict=True):
            passed += count
            upper = "+Inf" if bound is None else _number(bound)
            self.lines.append(_line(f"{self.name}_bucket", {**labels, "le": upper}, passed))
        self.lines.append(_line(f"{self.name}_sum", labels, total))
        self.lines.append(_line(f"{self.name}_count", labels, passed))


def text_of(families: Iterable[Family]) -> str:
    """Return all families that have a sample."""
    return "".join(
        f"# HELP {family.name} {_escaped(family.help)}\n"
        f"# TYPE {family.name} {family.kind}\n" + "".join(family.lines)
        for family in families
        if family.lines
    )


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(
        f'{label}="{_escaped(text).replace(chr(34), chr(92) + chr(34))}"'
        for label, text in labels.items()
    )
    return f"{name}{{{inner}}} {_number(value)}\n" if inner else f"{name} {_number(value)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
