"""An estimate comes near the truth on a steady job, and is null when it would be a guess."""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import curves
from bench.curves import Curve
from bench.eta import looked_at, score, with_earlier_runs
from progrock.jobs import eta, history
from progrock.jobs.eta import UNKNOWN, Estimate, advance_pace, estimate

BEGIN = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def watched(
    curve: Callable[[float], float], until: float, every: float = 1.0
) -> Iterator[tuple[float, Estimate]]:
    """Give (seconds, estimate) at each look at a job whose progress follows a curve."""
    pace: dict[str, float] = {}
    shown = 0.0
    for look in range(int(until / every) + 1):
        seconds = look * every
        shown = max(shown, min(curve(seconds), 99.9))
        pace = json.loads(json.dumps(advance_pace(pace, shown, at(seconds))))
        yield seconds, estimate(pace, at(seconds))


def at_the_end(curve: Callable[[float], float], until: float, every: float = 1.0) -> Estimate:
    return list(watched(curve, until, every))[-1][1]


@pytest.mark.parametrize("total", [20, 100, 3_600, 50_000])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_steady_job_is_estimated_near_the_truth(total: float, share: float) -> None:
    found = at_the_end(lambda seconds: 100 * seconds / total, total * share, total / 200)
    assert found.eta == pytest.approx(total * (1 - share), rel=0.1)


def test_half_way_on_a_steady_job_the_range_is_narrow_and_holds_the_estimate() -> None:
    found = at_the_end(lambda seconds: seconds, 50)
    assert found.eta is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.eta <= found.high
    assert found.high - found.low < 0.6 * found.eta


def test_a_job_that_moves_in_steps_is_estimated_near_the_truth_and_counts_down() -> None:
    seen = dict(watched(lambda seconds: 10 * (seconds // 10), 60))
    assert seen[60].eta == pytest.approx(40, rel=0.35)
    between = [found.eta for seconds, found in seen.items() if 50 <= seconds < 60]
    assert None not in between
    assert between == sorted(between, reverse=True)


def test_a_job_that_speeds_up_is_never_said_to_be_done_long_before_it_is() -> None:
    for seconds, found in watched(lambda seconds: seconds**2 / 100, 95):
        if found.eta is not None and seconds > 20:
            assert found.eta >= (100 - seconds) / 2


def test_a_job_that_slows_down_is_not_judged_by_its_first_pace() -> None:
    quick_then_slow = at_the_end(lambda s: 2.0 * s if s < 25 else 50 + (s - 25) * 0.1, 225)
    assert quick_then_slow.eta is None or quick_then_slow.eta > 150  # the truth is 300


def test_before_anything_is_known_there_is_no_estimate() -> None:
    assert estimate({}, at(0)).eta is None
    assert estimate(advance_pace({}, None, at(0)), at(1)).eta is None
    assert estimate(advance_pace({}, 0.0, at(0)), at(1)).eta is None
    once = advance_pace(advance_pace({}, 0.0, at(0)), 50.0, at(10))
    assert estimate(once, at(10)).eta is None


def test_a_job_that_never_moved_has_no_estimate() -> None:
    assert all(found.eta is None for _, found in watched(lambda _: 0, 300))
    assert all(found.eta is None for _, found in watched(lambda _: 40, 300))


def test_within_the_first_moments_there_is_no_estimate() -> None:
    seen = watched(lambda seconds: 10 * seconds, 1.5, 0.1)
    assert all(found.eta is None for _, found in seen)


@pytest.mark.parametrize("stops_at", [20, 50, 80, 90, 95, 99])
def test_a_job_that_stands_still_is_not_said_to_be_nearly_done(stops_at: float) -> None:
    # An hour of silence after a minute of work: no one can say that it ends in a minute.
    found = at_the_end(lambda seconds: min(seconds, stops_at), 3_600, 5)
    assert found.eta is None or found.eta > 60


def test_a_job_whose_pace_is_mere_chance_has_no_estimate() -> None:
    chance = random.Random(7)
    pace, progress, seconds = {}, 0.0, 0.0
    guesses = 0
    for _ in range(40):
        seconds += chance.choice([0.01, 1.0, 300.0])
        progress += chance.choice([0.001, 0.1, 4.0])
        pace = advance_pace(pace, progress, at(seconds))
        guesses += estimate(pace, at(seconds)).eta is not None
    assert guesses <= 8


PROGRESS = st.none() | st.floats(0, 99.9)
LOOKS = st.lists(st.tuples(PROGRESS, st.floats(-5, 1e7, allow_nan=False)), max_size=30)


@given(LOOKS, st.floats(-10, 1e9))
def test_an_estimate_is_never_negative_and_lies_in_its_range(
    looks: list[tuple[float | None, float]], later: float
) -> None:
    pace: dict[str, float] = {}
    seconds = 0.0
    for progress, passed in looks:
        seconds += passed
        pace = advance_pace(pace, progress, at(seconds))
        json.dumps(pace, allow_nan=False)
        found = estimate(pace, at(seconds))
        assert (found.eta is None) == (found.low is None) == (found.high is None)
        if found.eta is not None:
            assert 0 <= found.low <= found.eta <= found.high
    left = estimate(pace, at(seconds + later)).eta
    assert left is None or left >= 0


@given(LOOKS)
def test_the_pace_that_was_given_is_left_as_it_was(
    looks: list[tuple[float | None, float]],
) -> None:
    pace: dict[str, float] = {}
    seconds = 0.0
    for progress, passed in looks:
        seconds += passed
        before = dict(pace)
        following = advance_pace(pace, progress, at(seconds))
        assert pace == before
        pace = following


# --- on curves of all kinds, beside elapsed/percent ----------------------------------------------


CURVES: dict[str, list[Curve]] = {}
for each in (*curves.synthetic(), *curves.recorded()):
    CURVES.setdefault(each.family, []).append(each)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("family", "ratio", "told", "jump"),
    # the error over that of elapsed/percent, the share of looks with an estimate, and the worst
    # move of the told end as a share of the duration
    [
        ("constant", 1.0, 0.9, 0.01),
        ("noisy", 1.05, 0.85, 0.2),  # elapsed/percent is the best there is
        ("stepwise", 0.7, 0.7, 0.25),
        ("stalling", 0.65, 0.85, 0.2),
        ("accelerating", 0.25, 0.75, 0.3),
        ("decelerating", 0.95, 0.85, 0.1),
        ("two phases", 1.0, 0.85, 0.2),
        ("recorded", 1.05, 0.8, 0.4),  # these go neither evenly nor by a rule
    ],
)
def test_on_each_family_of_curves_it_comes_as_near_as_told(
    family: str, ratio: float, told: float, jump: float
) -> None:
    scores = [score(curve) for curve in CURVES[family]]
    plain = mean([each.plain_error for each in scores])
    assert mean([each.error for each in scores]) <= ratio * plain + 1e-3
    assert mean([each.told for each in scores]) >= told
    assert max(each.jump for each in scores) <= jump


def test_all_families_are_measured() -> None:
    assert len(CURVES) == 8
    assert len(CURVES["recorded"]) >= 10


@pytest.mark.parametrize(
    ("family", "least"),
    [("constant", 1.0), ("noisy", 0.8), ("stepwise", 0.8), ("recorded", 0.7)],
)
def test_of_ten_ends_about_eight_lie_in_the_range(family: str, least: float) -> None:
    assert mean([score(curve).covered for curve in CURVES[family]]) >= least


def test_after_earlier_runs_it_comes_nearer_than_by_percent() -> None:
    scores = with_earlier_runs()
    assert len(scores) >= 4
    assert mean([each.error for each in scores]) < 0.9 * mean([each.plain_error for each in scores])
    assert mean([each.told for each in scores]) > 0.9


@pytest.mark.parametrize("curve", CURVES["constant"], ids=lambda curve: curve.name)
def test_at_a_constant_pace_the_estimate_falls_as_the_time_passes(curve: Curve) -> None:
    pace: dict[str, Any] = {}
    last: tuple[float, float] | None = None
    for seconds, progress in looked_at(curve):
        if progress == 99.9:  # more is never shown, so that it seems to stand still
            break
        pace = advance_pace(pace, progress, at(seconds))
        for later in (0.0, 0.4):  # at the look, and between two
            left = estimate(pace, at(seconds + later)).eta
            if left is not None and last is not None:
                assert left - last[1] == pytest.approx(last[0] - seconds - later, abs=0.2)
            last = None if left is None else (seconds + later, left)
    assert last is not None


def test_a_pause_is_no_part_of_the_pace() -> None:
    paused = dict(watched(lambda s: s if s < 50 else max(50, s - 40), 120))
    assert paused[60].eta is None
    assert paused[100].eta == pytest.approx(40, abs=2)
    assert paused[120].eta == pytest.approx(20, abs=2)


def test_what_was_merely_not_looked_at_is_no_pause() -> None:
    pace = {}
    for seconds in (*range(21), 40, 60):
        pace = advance_pace(pace, float(seconds), at(seconds))
    assert pace["t0"] == at(0).timestamp()
    assert estimate(pace, at(60)).eta == pytest.approx(40, abs=2)


def test_silence_says_something_only_until_the_last_look() -> None:
    pace = {}
    for seconds in range(31):
        pace = advance_pace(pace, float(seconds), at(seconds))
    assert estimate(pace, at(55)).eta is None
    assert estimate(pace, at(55), at(31)).eta == pytest.approx(45, abs=1)


def test_when_the_next_step_is_overdue_the_estimate_waits_for_it() -> None:
    pace = {}
    for seconds in range(0, 60, 10):
        pace = advance_pace(pace, float(seconds), at(seconds))
    left = [estimate(pace, at(seconds)).eta for seconds in (50, 55, 60, 70, 80)]
    assert left == pytest.approx([50, 45, 40, 40, 40], abs=0.5)


# --- earlier runs --------------------------------------------------------------------------------

RUNS = [58.0, 60.0, 61.0, 60.0, 62.0, 57.0]


def begun_after(runs: Sequence[float]) -> dict[str, Any]:
    return eta.begun(eta.started(eta.of_history(runs), BEGIN), 0.0, BEGIN)


def test_before_the_pace_says_enough_the_earlier_runs_do() -> None:
    pace = begun_after(RUNS)
    assert estimate(pace, at(0)).eta == pytest.approx(60, abs=1)
    assert estimate(pace, at(20)).eta == pytest.approx(40, abs=1)
    low, high = estimate(pace, at(20))[1:]
    assert low is not None
    assert high is not None
    assert 30 < low < 40 < high < 50


def test_a_job_that_tells_no_progress_is_estimated_by_the_earlier_runs() -> None:
    pace = eta.started(eta.of_history(RUNS), BEGIN)
    left = [estimate(pace, at(seconds)).eta for seconds in range(0, 64, 3)]
    assert None not in left
    for earlier, later in itertools.pairwise(left):
        assert earlier - 3.2 <= later <= earlier + 0.1
    assert min(left) > 0


def test_a_run_that_takes_longer_than_the_earlier_ones_has_no_estimate() -> None:
    assert estimate(begun_after(RUNS), at(80)) == UNKNOWN


@pytest.mark.parametrize(
    "runs", [[], [60.0], [60.0, 61.0], [5.0, 60.0, 300.0, 20.0], [0.0, 0.0, 0.0, -1.0]]
)
def test_few_or_uneven_runs_say_nothing(runs: list[float]) -> None:
    assert estimate(begun_after(runs), at(1)) == UNKNOWN


def test_before_the_start_the_earlier_runs_say_nothing() -> None:
    assert estimate(eta.of_history(RUNS), at(1)) == UNKNOWN


def test_the_pace_takes_over_from_the_earlier_runs_without_a_jump() -> None:
    pace, last = begun_after(RUNS), None
    for seconds in range(1, 66):
        pace = advance_pace(pace, seconds / 0.7, at(seconds))  # 70 s this time
        left = estimate(pace, at(seconds)).eta
        assert left is not None
        if last is not None:
            assert abs(left - last + 1) < 5
        last = left
    assert last == pytest.approx(5, abs=1)


def test_a_run_unlike_the_earlier_ones_is_judged_by_its_own_pace() -> None:
    pace = begun_after(RUNS)
    for seconds in range(1, 121):
        pace = advance_pace(pace, seconds / 3, at(seconds))  # five times slower
    assert estimate(pace, at(120)).eta == pytest.approx(180, rel=0.1)


@given(st.lists(st.floats(0.1, 1e6), min_size=3, max_size=20), st.floats(0, 1e7))
def test_what_earlier_runs_say_is_never_below_zero(runs: list[float], elapsed: float) -> None:
    found = history.of_durations(runs)
    if found is not None:
        json.dumps(found, allow_nan=False)
        left, sd = history.left(found, elapsed)
        assert left >= 0
        assert sd >= 0
        later, _ = history.left(found, elapsed + 1)
        assert left - 1.001 <= later <= left + 1e-6 * (1 + elapsed)
