"""How near the estimates come, beside those of plain elapsed/percent, on curves of all kinds.

Both are asked at each look. The error of an estimate is its distance from the time that was left,
as a share of that, while more than a twentieth of the duration is left: nearer to the end the
figure is small and so is what anybody makes of it. A jump is what the expected end moves from one
look to the next, as a share of the duration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import mean

from bench import curves, report
from bench.curves import Curve
from progrock.jobs import eta, history

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)
LEAST_LEFT = 0.05  # of the duration
LONGEST_INTERVAL = 30.0
LOOKS = 2_000  # at most, in a long job


@dataclass(frozen=True, slots=True)
class Score:
    """How one curve was estimated; errors of both sides at the looks at which ours says a time."""

    error: float
    plain_error: float
    told: float  # share of the looks with an estimate
    jump: float
    plain_jump: float
    covered: float  # share of the estimates whose range held the truth


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure; print, and return the means of each family."""
    families: dict[str, list[Score]] = {}
    for curve in (*curves.synthetic(), *curves.recorded()):
        families.setdefault(curve.family, []).append(score(curve))
    families["recorded, with earlier runs"] = with_earlier_runs()
    sides = {family: _figures(scores) for family, scores in families.items()}
    print(report.table("Estimates of the time left", sides))
    return {"eta": sides}


def score(curve: Curve, earlier: Sequence[float] = ()) -> Score:
    """Return how a curve is estimated, after earlier runs that took so many seconds."""
    pace = eta.started(eta.of_history(earlier), BEGIN)
    errors: list[float] = []
    plain_errors: list[float] = []
    covered: list[bool] = []
    ours, plain = _Ends(), _Ends()
    looks = told = 0
    for seconds, progress in looked_at(curve):
        at, left = BEGIN + timedelta(seconds=seconds), curve.duration - seconds
        pace = eta.advance_pace(eta.begun(pace, progress or 0.0, at), progress, at)
        found = eta.estimate(pace, at)
        by_percent = seconds * (100 - progress) / progress if progress and seconds else None
        looks += 1
        told += found.eta is not None
        ours.see(seconds, found.eta)
        plain.see(seconds, by_percent)
        if found.eta is None or left < LEAST_LEFT * curve.duration:
            continue
        errors.append(abs(found.eta - left) / left)
        covered.append((found.low or 0.0) <= left <= (found.high or 0.0))
        if by_percent is not None:
            plain_errors.append(abs(by_percent - left) / left)
    return Score(
        error=mean(errors),
        plain_error=mean(plain_errors),
        told=told / looks,
        jump=ours.jump / curve.duration,
        plain_jump=plain.jump / curve.duration,
        covered=mean(covered),
    )


def looked_at(curve: Curve) -> list[tuple[float, float | None]]:
    """Return the looks of somebody who watches: (seconds, progress as it would be shown)."""
    least = max(1.0, curve.duration / LOOKS)
    seconds, interval, shown = 0.0, least, None
    looks: list[tuple[float, float | None]] = []
    while seconds < curve.duration:
        progress = curve.progress_at(seconds)
        progress = None if progress is None else round(min(progress, 99.9), 2)
        interval = least if progress != shown else min(interval * 1.5, LONGEST_INTERVAL * least)
        shown = progress
        looks.append((seconds, progress))
        seconds += interval
    return looks


def with_earlier_runs() -> list[Score]:
    """Return how recorded runs are estimated of which there are several, each after the others."""
    kinds: dict[str, list[Curve]] = {}
    for curve in curves.recorded():
        kinds.setdefault(curve.name.rstrip("-0123456789"), []).append(curve)
    return [
        score(curve, [other.duration for other in runs if other is not curve])
        for runs in kinds.values()
        if len(runs) > history.MIN_RUNS
        for curve in runs
    ]


class _Ends:
    """How far the expected end moved at most from one look to the next, in seconds."""

    def __init__(self) -> None:
        self.jump = 0.0
        self._last: float | None = None

    def see(self, seconds: float, left: float | None) -> None:
        """Take an estimate, made so many seconds after the start."""
        end = None if left is None else seconds + left
        if end is not None and self._last is not None:
            self.jump = max(self.jump, abs(end - self._last))
        self._last = end


def _figures(scores: Sequence[Score]) -> dict[str, float]:
    return {
        "error %": 100 * mean(each.error for each in scores),
        "plain error %": 100 * mean(each.plain_error for each in scores),
        "told %": 100 * mean(each.told for each in scores),
        "worst jump %": 100 * max(each.jump for each in scores),
        "plain jump %": 100 * max(each.plain_jump for each in scores),
        "in range %": 100 * mean(each.covered for each in scores),
    }
