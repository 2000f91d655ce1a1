"""How long earlier runs of the same work took, and what that says of the present one. Pure.

A history is plain JSON: {n, median, sd}, in seconds.
"""

import math
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

MIN_RUNS = 3
LARGEST_SD = 0.3  # of the median: runs that differ more say nothing of the next one
LEAST_SD = 0.05  # of the median
LEAST_SD_SECONDS = 0.5  # ends are seen at a poll
DECILES_IN_SD = 2.56  # of a normal distribution, from the first to the last
LONGER_SDS = 2.5  # a run that takes longer is not like the earlier ones


def of_durations(durations: Sequence[float]) -> dict[str, Any] | None:
    """Return the history of runs that took so many seconds; None when it would say nothing."""
    runs = [seconds for seconds in durations if seconds > 0]
    if len(runs) < MIN_RUNS:
        return None
    middle = median(runs)
    deciles = quantiles(runs, n=10, method="inclusive")
    sd = (deciles[-1] - deciles[0]) / DECILES_IN_SD * (1 + 2 / len(runs))
    sd = max(sd, LEAST_SD * middle, LEAST_SD_SECONDS)
    if sd > LARGEST_SD * middle:
        return None
    return {"n": len(runs), "median": round(middle, 3), "sd": round(sd, 3)}


def left(history: dict[str, Any], elapsed: float) -> tuple[float, float]:
    """Return the seconds that a run has left after so many, with their standard deviation.

    The mean of what is longer than `elapsed`: never below zero, and never falling faster than
    the time passes. (An approximation of the truncated normal distribution's, within 0.1 sd.)
    """
    ahead, sd = history["median"] - elapsed, history["sd"]
    seconds = (ahead + math.sqrt(ahead * ahead + 2.56 * sd * sd)) / 2
    return seconds, min(sd, seconds)


def longest(history: dict[str, Any]) -> float:
    """Return how many seconds a run may take that is still like the earlier ones."""
    return float(history["median"] + LONGER_SDS * history["sd"])
