"""The bounds of histograms, and quantiles read back from one. Pure."""

from collections.abc import Sequence

# Seconds. Six to a decade: a quantile is off by a fifth of itself at most.
_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
LATENCY_BOUNDS: tuple[float, ...] = (
    *(round(step * 10.0**power, 6) for power in (-3, -2, -1, 0) for step in _STEPS),
    *(10.0, 30.0, 60.0),
)
DURATION_BOUNDS: tuple[float, ...] = (
    *(1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0),
    *(3600.0, 10800.0, 36000.0, 86400.0),
)


def quantile(bounds: Sequence[float], counts: Sequence[int], part: float) -> float | None:
    """Return the value below which a part (0 to 1) of what was counted lies; None of nothing.

    Within a bucket the values count as spread evenly; of those beyond the last bound it is known
    only that they are: then it is that bound.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, passed = part * total, 0
    for place, count in enumerate(counts[: len(bounds)]):
        if count and passed + count >= wanted:
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * (wanted - passed) / count
        passed += count
    return bounds[-1]
