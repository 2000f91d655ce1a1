"""What a bench tells: tables with ratios on the screen, all of it in a JSON file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

RESULTS = Path(__file__).resolve().parent / "results"
Figures = Mapping[str, float]


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99; of fewer than two values, what there is."""
    if len(values) < 2:
        only = values[0] if values else float("nan")
        return only, only
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def medians(rounds: Sequence[Figures]) -> dict[str, float]:
    """Return the median of each figure over the rounds."""
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


def table(title: str, sides: Mapping[str, Figures]) -> str:
    """Return a table, one line a side; a figure's unit stands in its name."""
    names = list(dict.fromkeys(name for figures in sides.values() for name in figures))
    lines = [["", *names]]
    for side, figures in sides.items():
        lines.append([side, *(_number(figures.get(name)) for name in names)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [f"\n{title}"]
    for line in lines:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join([first, *rest]).rstrip())
    return "\n".join(text)


def keep(results: Mapping[str, object]) -> Path:
    """Write a run's results to a JSON file and return its path."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load over a minute": os.getloadavg()[0],
    }
    whole = {"at": now.isoformat(timespec="seconds"), "machine": machine, **results}
    path.write_text(json.dumps(whole, indent=1) + "\n")
    return path


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
