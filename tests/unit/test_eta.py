"""An estimate comes near the truth on a steady job, and is null when it would be a guess."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.eta import Estimate, advance_pace, estimate

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


def test_on_a_steady_job_the_range_is_narrow_and_holds_the_estimate() -> None:
    found = at_the_end(lambda seconds: seconds, 50)
    assert found.eta is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.eta <= found.high
    assert found.high - found.low < 0.5 * found.eta


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
