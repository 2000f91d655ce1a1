"""Progress over time: made by formulas in families, and recorded from the bundled backends.

The recorded ones (`*.json`) are whole runs of examples/renderer/, asked ten times a second on a
busy machine: [seconds since the start, progress] at each change.
"""

import json
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

DURATIONS = (20.0, 60.0, 300.0, 3600.0)  # seconds
PAUSE = 0.3  # of the duration
FOLDER = Path(__file__).parent

Shape = Callable[[float], float]  # from the share of the time, 0 to 1, to that of the work


@dataclass(frozen=True)
class Curve:
    """How a job went on: seconds in, 0 to 100 out; None while it was not known."""

    family: str
    name: str
    duration: float
    progress_at: Callable[[float], float | None]


def synthetic() -> list[Curve]:
    """Return the curves that are made by formulas, each in four durations."""
    chance = random.Random(4)
    curves = []
    for duration in DURATIONS:
        for family, name, shape in _shapes(chance):
            curves.append(Curve(family, f"{name}, {duration:g} s", duration, _of(shape, duration)))
    return curves


def recorded() -> list[Curve]:
    """Return the curves of real runs."""
    return [_read(file) for file in sorted(FOLDER.glob("*.json"))]


def _shapes(chance: random.Random) -> Iterator[tuple[str, str, Shape]]:
    yield "constant", "constant", lambda time: time
    yield (
        "noisy",
        "200 steps of chance",
        _steps([chance.expovariate(1) for _ in range(200)], even=1),
    )
    for count in (10, 20):
        yield "stepwise", f"{count} steps", _steps([1.0] * count)
    yield "stepwise", "12 uneven steps", _steps([chance.uniform(0.5, 1.5) for _ in range(12)])
    for begin in (0.2, 0.5, 0.9):
        yield "stalling", f"a pause at {begin:.0%}", _paused(begin)
    for power in (2.0, 1.5):
        yield "accelerating", f"t^{power:g}", lambda time, power=power: time**power
    yield "decelerating", "t^0.5", lambda time: time**0.5
    yield "decelerating", "1-(1-t)^2", lambda time: 1 - (1 - time) ** 2
    yield (
        "two phases",
        "fast, then slow",
        lambda time: 2 * time if time < 0.25 else 0.5 + (time - 0.25) * 2 / 3,
    )
    yield (
        "two phases",
        "slow, then fast",
        lambda time: time * 2 / 3 if time < 0.75 else 0.5 + (time - 0.75) * 2,
    )


def _of(shape: Shape, duration: float) -> Callable[[float], float]:
    return lambda seconds: 100.0 * shape(min(seconds / duration, 1.0))


def _steps(sizes: Sequence[float], *, even: int = 0) -> Shape:
    """Return a staircase; with `even` its steps take as long as each other, not gain as much."""
    ends = [end / sum(sizes) for end in accumulate(sizes)]
    count = len(sizes)
    if even:
        return lambda time: [0.0, *ends][min(int(time * count + 1e-9), count)]
    return lambda time: bisect_right(ends, time + 1e-9) / count


def _paused(begin: float) -> Shape:
    """Return a constant pace with a pause, `begin` being a share of the work."""
    at = begin * (1 - PAUSE)

    def shape(time: float) -> float:
        worked = time if time < at else max(at, time - PAUSE)
        return worked / (1 - PAUSE)

    return shape


def _read(file: Path) -> Curve:
    told = json.loads(file.read_text())
    times = [time for time, _ in told["curve"]]
    values = [value for _, value in told["curve"]]
    return Curve(
        "recorded",
        file.stem,
        told["seconds"],
        lambda seconds: values[max(bisect_right(times, seconds) - 1, 0)],
    )
