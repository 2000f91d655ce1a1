"""When will it be done? An estimate from the recent pace, or None when it would be a guess.

The pace is an exponentially weighted mean of the progress rate, weighted by elapsed time, with
its spread (West 1979, "Updating mean and variance estimates"). The smoothing time grows with the
age of the job: a job that has run for an hour is not judged by its last two seconds.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MIN_CHANGES = 3  # fewer say nothing about the spread
MIN_SECONDS = 2.0
MAX_RELATIVE_SPREAD = 1.0  # a rate that varies more than itself is no ground for a promise
SILENT_GAPS = 5  # so many mean gaps between changes without one
SILENT_SECONDS = 5.0  # at least
SMOOTHING_SHARE = 0.3  # of the time observed so far
MAX_SECONDS = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds left: the expected figure with a low and a high one; all None when unknown."""

    eta: float | None
    low: float | None
    high: float | None


UNKNOWN = Estimate(None, None, None)


def advance_pace(pace: dict[str, Any], progress: float | None, at: datetime) -> dict[str, Any]:
    """Return the pace after `progress` (0 to 100) was seen at a time. The pace is plain JSON."""
    if progress is None:
        return pace
    now = at.timestamp()
    if not pace:
        return {"t0": now, "t": now, "p": progress, "n": 0, "rate": 0.0, "var": 0.0}
    gained, seconds = progress - pace["p"], now - pace["t"]
    if gained <= 0 or seconds <= 0:
        return pace
    rate, count = gained / seconds, pace["n"] + 1
    observed = now - pace["t0"]
    weight = 1 - math.exp(-seconds / max(SMOOTHING_SHARE * observed, 1e-3))
    weight = max(weight, 1 / count)
    off = rate - pace["rate"] if count > 1 else 0.0
    return {
        "t0": pace["t0"],
        "t": now,
        "p": progress,
        "n": count,
        "rate": rate if count == 1 else pace["rate"] + weight * off,
        "var": (1 - weight) * (pace["var"] + weight * off * off),
    }


def estimate(pace: dict[str, Any], at: datetime) -> Estimate:
    """Return the seconds left at a time, given the pace so far."""
    if not pace or pace["n"] < MIN_CHANGES or pace["rate"] <= 0:
        return UNKNOWN
    observed = pace["t"] - pace["t0"]
    if observed < MIN_SECONDS:
        return UNKNOWN
    since = max(at.timestamp() - pace["t"], 0.0)
    if since > max(SILENT_GAPS * observed / pace["n"], SILENT_SECONDS):
        return UNKNOWN  # it stands still: the pace so far says nothing of when it goes on
    rate = pace["rate"]
    spread = math.sqrt(max(pace["var"], 0.0)) / rate / math.sqrt(min(pace["n"], 8))
    eta = max((100.0 - pace["p"]) / rate - since, 0.0)
    if spread > MAX_RELATIVE_SPREAD or eta > MAX_SECONDS:
        return UNKNOWN
    margin = min(spread, 0.9)
    return Estimate(
        round(eta, 1), round(eta / (1 + margin), 1), round(min(eta / (1 - margin), MAX_SECONDS), 1)
    )
