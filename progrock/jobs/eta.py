"""When will it be done? An estimate from the pace so far, or None when it would be a guess.

The overall pace is the best guess of most jobs; the recent pace is the better one of a job that
keeps speeding up or slowing down. So the recent pace counts as far as it has differed from the
overall one again and again, and not merely now: its mean difference is set against its spread
(West 1979, "Updating mean and variance estimates"), both weighted by time, over a part of the
time so far: a job that has run for an hour is not judged by its last two seconds. What differs
so is read as a power of time: who has doubled the pace by half of the time will go on so.
Slowing down is believed by half only, for work that was slow for a while mostly recovers.

Earlier runs (`progrock.jobs.history`) count beside it, each by the inverse of its variance, and
alone as long as the pace says too little. What is told is the time of the end; it follows the new
figures gradually, and faster the nearer it is, so that it does not jump about.

A pace is plain JSON:
    h    earlier runs, {n, median, sd} in seconds; s    when the job started (both may be absent)
    t0   when the work began, without its pauses; p0    progress then
    t    the last change; p    progress then; n    how many there were
    rate, off, var    recent pace in percent a second; mean and variance of its distance, in
                      logarithms, from the overall one
    end  the expected end; f    the factor between it and the ends of the range
Times are Unix seconds, progress is 0 to 100.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from progrock.jobs import history

Pace = dict[str, Any]
_exp, _log = math.exp, math.log

MIN_CHANGES = 3  # fewer say nothing about the spread
MIN_SECONDS = 2.0
MIN_SHARE = 0.05  # of the work; from less than that it would be a guess
LEAST_GAIN = 1e-3  # percent

RECENT_SHARE = 0.2  # of the time so far: what counts as recent
TREND_SHARE = 0.3  # in which a difference has to last
DOUBT = 10.0  # how many times the spread weighs against the mean difference
SLOWER_BELIEVED = 0.5
STEEPEST = 0.7  # of a trend, as a logarithm: twice the pace

SMOOTHING = 0.07  # of the time left: in which the told end follows
LEAST_TOLD = 0.05  # of the new figure: an end that is long past is not followed from there
PRIOR_SPREAD = 0.4  # of what no one has seen yet, as a logarithm
UNTOLD_WEIGHT = 2.0  # of a difference that was not believed
OF_TEN_ENDS_EIGHT = 1.28  # standard deviations
LARGEST_FACTOR = 4.7  # a wider range is no estimate
WIDEST = 5.0  # of a spread that is worth a figure

SILENT_GAPS = 5  # so many mean gaps between changes without one are a pause
SILENT_SHARE = 0.1  # but not less than this of the time so far
SILENT_SECONDS = 5.0  # nor less than this
MAX_SECONDS = 30 * 86400.0


class Estimate(NamedTuple):
    """Seconds left: the expected figure with a low and a high one; all None when unknown."""

    eta: float | None
    low: float | None
    high: float | None


UNKNOWN = Estimate(None, None, None)


def of_history(durations: Sequence[float]) -> Pace:
    """Return the pace of a new job, given how many seconds earlier runs took."""
    earlier = history.of_durations(durations)
    return {} if earlier is None else {"h": earlier}


def started(pace: Pace, at: datetime) -> Pace:
    """Return the pace of a job that starts now: from here on its earlier runs count."""
    return {**pace, "s": at.timestamp()} if "h" in pace else pace


def begun(pace: Pace, progress: float, at: datetime) -> Pace:
    """Return the pace of a job that is seen working for the first time, with so much done."""
    if "p0" in pace:
        return pace
    now = at.timestamp()
    zero = {"n": 0, "rate": 0.0, "off": 0.0, "var": 0.0}
    return {**pace, "t0": now, "p0": progress, "t": now, "p": progress, **zero}


def advance_pace(pace: Pace, progress: float | None, at: datetime) -> Pace:
    """Return the pace after `progress` (0 to 100) was seen at a time; the given one stays."""
    if progress is None:
        return pace
    if "p0" not in pace:
        return begun(pace, progress, at)
    gained = progress - pace["p"]
    if gained < LEAST_GAIN:
        return pace
    now = at.timestamp()
    seconds = now - pace["t"]
    if seconds <= 0:
        return pace
    start, count, paused = pace["t0"], pace["n"], 0.0
    if seconds > SILENT_SECONDS and count >= MIN_CHANGES:
        paused = _pause(pace, seconds, gained)
        start += paused
        seconds -= paused
    count += 1
    observed, done = now - start, progress - pace["p0"]
    rate = gained / seconds
    if count > 1:
        weight = 1 - _exp(-seconds / (RECENT_SHARE * observed))
        rate = pace["rate"] + (weight if weight * count > 1 else 1 / count) * (rate - pace["rate"])
    off = _log(rate * observed / done)
    weight = 1 - _exp(-seconds / (TREND_SHARE * observed))
    if weight * count < 1:
        weight = 1 / count
    mean, var = pace["off"], pace["var"]
    step = weight * (off - mean)
    var = (1 - weight) * (var + step * (off - mean))
    mean += step
    new = pace.copy()
    new["t0"], new["t"], new["p"], new["n"] = start, now, progress, count
    new["rate"], new["off"], new["var"] = rate, mean, var
    if count >= MIN_CHANGES and observed >= MIN_SECONDS:
        share = done / (100.0 - pace["p0"])
        if share >= MIN_SHARE:
            new["end"], new["f"] = _foreseen(new, pace, off, share, paused)
    return new


def estimate(pace: Pace, at: datetime, seen: datetime | None = None) -> Estimate:
    """Return the seconds left at a time, given the pace so far.

    `seen` is when the job was last looked at: only until then is silence a sign of anything.
    """
    if "end" not in pace:
        return _of_history(pace, at) if "s" in pace else UNKNOWN
    now, last, factor = at.timestamp(), pace["t"], pace["f"]
    silent = now - last if seen is None else seen.timestamp() - last
    if factor > LARGEST_FACTOR or (silent > SILENT_SECONDS and _is_pause(pace, silent)):
        return UNKNOWN
    end, gap = pace["end"], (last - pace["t0"]) / pace["n"]
    left = end - now
    if silent > gap:  # the next step is overdue: as if it came now
        step = (pace["p"] - pace["p0"]) / pace["n"]
        left = max(left, (end - last) * (1.0 - min(step / (100.0 - pace["p"]), 1.0)))
    if left < 0.0:
        left = 0.0
    elif left > MAX_SECONDS:
        return UNKNOWN
    return Estimate(_tenths(left), _tenths(left / factor), _tenths(left * factor + gap))


def end_of(pace: Pace) -> float | None:
    """Return when the job is expected to end, in Unix seconds; None when nothing says it."""
    if "end" in pace:
        return float(pace["end"]) if pace["f"] <= LARGEST_FACTOR else None
    return float(pace["s"] + pace["h"]["median"]) if "s" in pace else None


def _is_pause(pace: Pace, silent: float) -> bool:
    """Whether so many seconds without a change are far more than between the changes so far."""
    observed = pace["t"] - pace["t0"]
    least = max(SILENT_GAPS * observed / pace["n"], SILENT_SHARE * observed, SILENT_SECONDS)
    return bool(silent > least)


def _pause(pace: Pace, seconds: float, gained: float) -> float:
    """Return how much of the time since the last change was a pause: no part of the pace.

    None of it when it gained what was to be expected: then it was merely not looked at.
    """
    observed = pace["t"] - pace["t0"]
    expected = seconds * (pace["p"] - pace["p0"]) / observed
    if gained > expected / 2 or not _is_pause(pace, seconds):
        return 0.0
    return float(seconds - observed / pace["n"])


def _tenths(seconds: float) -> float:
    """Return seconds, rounded; `round` takes three times as long."""
    return int(seconds * 10.0 + 0.5) / 10.0


def _foreseen(
    pace: Pace, before: Pace, off: float, share: float, paused: float
) -> tuple[float, float]:
    """Return the expected end to tell, and the factor to the ends of its range.

    `off` is how far the recent pace is off the overall one, `share` how much of the work is done.
    Since the pace `before` it has paused for `paused` seconds.
    """
    now, mean, var = pace["t"], pace["off"], pace["var"]
    observed = now - pace["t0"]
    trend = off * mean * mean / (mean * mean + DOUBT * var + 1e-9)
    if off < 0:
        trend *= SLOWER_BELIEVED
    if abs(trend) > STEEPEST:
        trend = math.copysign(STEEPEST, trend)
    left = observed * (share ** -_exp(-trend) - 1.0)
    untold, unseen = UNTOLD_WEIGHT * (off - trend), PRIOR_SPREAD * (1.0 - share)
    spread = math.sqrt(unseen * unseen + var + untold * untold)
    if "s" in pace:
        left, spread = _with_history(pace, left, spread)
    factor = _exp(OF_TEN_ENDS_EIGHT * spread) if spread < WIDEST else 2 * LARGEST_FACTOR
    return now + _told(before, now, paused, left, observed), factor


def _told(pace: Pace, now: float, paused: float, left: float, observed: float) -> float:
    """Return the seconds left as they are told: what was told before, moved towards `left`."""
    if "end" in pace:
        told = pace["end"] - now + paused
    elif "s" in pace:
        told = history.left(pace["h"], now - pace["s"])[0]
    else:
        return left
    if left <= 0.0:
        return 0.0
    told = max(told, LEAST_TOLD * left)
    passed, follows_in = now - pace["t"] - paused, SMOOTHING * left
    gain = 1 - _exp(-passed / (follows_in if follows_in < observed else observed))
    return float(told * (left / told) ** gain)


def _with_history(pace: Pace, left: float, spread: float) -> tuple[float, float]:
    """Return seconds left and spread of the pace and of the earlier runs together."""
    earlier = pace["h"]
    elapsed = pace["t"] - pace["s"]
    if elapsed > history.longest(earlier):
        return left, spread
    other, other_sd = history.left(earlier, elapsed)
    sd = max(spread * left, 1e-3)
    if abs(left - other) > 2.5 * math.hypot(sd, other_sd):
        return left, spread  # this run is not like those
    weight, other_weight = 1 / (sd * sd), 1 / (other_sd * other_sd)
    total = weight + other_weight
    both = (weight * left + other_weight * other) / total
    return both, min(spread, 1 / (math.sqrt(total) * max(both, 1e-3)))


def _of_history(pace: Pace, at: datetime) -> Estimate:
    """Return what the earlier runs alone say; nothing when this one takes longer than they."""
    elapsed = at.timestamp() - pace["s"]
    if elapsed > history.longest(pace["h"]):
        return UNKNOWN
    left, sd = history.left(pace["h"], elapsed)
    margin = OF_TEN_ENDS_EIGHT * sd
    return Estimate(round(left, 1), round(max(left - margin, 0.0), 1), round(left + margin, 1))
