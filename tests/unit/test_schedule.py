"""When a job is looked at again: the rules of BACKENDS "Intervals", one by one."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import TERMINAL, State
from progrock.jobs.transitions import deadline_of
from progrock.jobs.values import JobValue
from progrock.polling import schedule

BEGIN = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
POLICY = PollPolicy(min=1, max=8, deadline=3_600)


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def a_job(**values: Any) -> JobValue:
    job = JobValue(
        id=UUID(int=7),
        backend="b",
        seq=1,
        state=State.RUNNING,
        created=BEGIN,
        updated=BEGIN,
        moved_at=BEGIN,
        started=BEGIN,
    )
    return replace(job, **values)


def next_look(job: JobValue, policy: PollPolicy = POLICY, **values: Any) -> tuple[Any, float]:
    usual = {"due": BEGIN, "at": BEGIN, "changed": False, "retry_after": None, "chance": 0.5}
    return schedule.next_look(policy, job, **(usual | values))


def seconds_to(job: JobValue, policy: PollPolicy = POLICY, **values: Any) -> float:
    following, _ = next_look(job, policy, **values)
    return (following - BEGIN).total_seconds()


def test_the_first_look_is_at_once_and_the_next_after_min() -> None:
    following, interval = next_look(a_job(), due=after(-5), is_begun=True)
    assert following == BEGIN
    assert next_look(a_job(interval=interval), changed=True) == (after(1), 1.0)
    assert next_look(a_job(interval=interval), changed=False) == (after(1), 1.0)


def test_the_first_look_waits_when_the_start_says_so() -> None:
    assert seconds_to(a_job(), is_begun=True, retry_after=20.0) == 20


def test_the_first_interval_is_min_and_each_unchanged_reply_makes_it_half_as_long_again() -> None:
    intervals, interval = [], 0.0
    for _ in range(8):
        _, interval = next_look(a_job(interval=interval))
        intervals.append(interval)
    assert intervals[0] == 1
    for shorter, longer in itertools.pairwise(intervals):
        assert longer == pytest.approx(min(shorter * 1.5, 8))
    assert intervals[-1] == 8


def test_a_change_brings_the_interval_back_to_min() -> None:
    assert next_look(a_job(interval=8.0), changed=True) == (after(1), 1.0)


def test_the_interval_counts_from_when_the_look_was_due() -> None:
    policy = PollPolicy(min=1, max=1)
    due, job = BEGIN, a_job(interval=1.0)
    for number in range(1, 6):
        answered = due + timedelta(seconds=0.7)  # however long the answer takes
        due, _ = next_look(job, policy, due=due, at=answered)
        assert due == after(number)


def test_a_late_look_is_not_made_up_for() -> None:
    following, _ = next_look(a_job(interval=1.0), PollPolicy(min=1, max=1), at=after(10))
    assert following == after(10)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_job_that_has_ended_is_never_due(state: State) -> None:
    assert next_look(a_job(state=state), retry_after=5.0)[0] is None


def test_retry_after_puts_the_look_off() -> None:
    assert seconds_to(a_job(), retry_after=20.0) == 20
    assert seconds_to(a_job(failures=1), retry_after=20.0) == 20


def test_retry_after_counts_from_the_answer() -> None:
    assert seconds_to(a_job(), at=after(3), retry_after=20.0) == 23


@pytest.mark.parametrize("retry_after", [-5.0, 0.0])
def test_a_retry_after_of_nothing_brings_nothing_forward(retry_after: float) -> None:
    assert seconds_to(a_job(interval=4.0), retry_after=retry_after) == 6


def test_a_retry_after_of_days_counts_as_an_hour() -> None:
    assert seconds_to(a_job(), PollPolicy(), retry_after=1e9) == 3_600


def test_no_retry_after_reaches_beyond_the_deadline() -> None:
    assert seconds_to(a_job(), retry_after=1e9) <= 3_600


def test_the_last_look_is_at_the_deadline() -> None:
    assert next_look(a_job(interval=8.0), due=after(3_598), at=after(3_598))[0] == after(3_600)
    assert deadline_of(POLICY, a_job()) == after(3_600)


def test_the_deadline_counts_from_the_start_and_before_it_from_the_request() -> None:
    assert deadline_of(POLICY, a_job(started=after(50))) == after(3_650)
    assert deadline_of(POLICY, a_job(started=None)) == after(3_600)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_after_failed_polls_the_wait_lies_between_min_and_max(failures: int, chance: float) -> None:
    assert 1 <= schedule.backoff(POLICY, failures, chance) <= 8
    assert 1 <= seconds_to(a_job(failures=failures), chance=chance) <= 8


def test_after_failed_polls_the_wait_grows_and_is_spread() -> None:
    longest = [schedule.backoff(POLICY, failures, 1.0) for failures in range(1, 10)]
    assert longest == sorted(longest)
    assert longest[-1] == 8
    assert len({schedule.backoff(POLICY, 9, chance) for chance in (0.0, 0.5, 1.0)}) == 3


def test_after_a_failed_poll_it_waits_from_the_answer_not_from_the_due_time() -> None:
    assert seconds_to(a_job(failures=1), at=after(10), chance=0.0) >= 11


# --- near the end, and with nobody watching ------------------------------------------------------


def ending(seconds: float, **values: Any) -> JobValue:
    """Return a job that is expected to end then."""
    return a_job(pace={"end": after(seconds).timestamp(), "f": 1.2}, **values)


def test_the_look_is_at_the_end_when_that_comes_before_the_next_one() -> None:
    assert seconds_to(ending(3, interval=8.0)) == 3


def test_near_the_end_it_is_looked_at_no_sooner_than_min() -> None:
    assert seconds_to(ending(0.1, interval=8.0)) == 1
    assert seconds_to(ending(0.7, interval=8.0), due=BEGIN, at=after(0.5)) == 1


def test_an_end_that_is_far_away_changes_nothing() -> None:
    assert seconds_to(ending(100, interval=4.0)) == 6


def test_an_end_that_is_a_mere_guess_changes_nothing() -> None:
    guess = {"end": after(3).timestamp(), "f": 50.0}
    assert seconds_to(a_job(interval=8.0, pace=guess)) == 8


def test_the_end_of_the_earlier_runs_counts_too() -> None:
    pace = {"s": BEGIN.timestamp(), "h": {"n": 5, "median": 4.0, "sd": 0.5}}
    assert seconds_to(a_job(interval=8.0, pace=pace)) == 4


def test_the_end_brings_nothing_before_the_retry_after() -> None:
    assert seconds_to(ending(3, interval=8.0), retry_after=5.0) == 5


def test_after_the_expected_end_the_watched_go_on_as_ever() -> None:
    assert seconds_to(ending(-1, interval=4.0)) == 6


def test_after_the_expected_end_what_nobody_watches_is_looked_for_ever_less() -> None:
    due, waits = after(100), []
    for _ in range(6):
        job = ending(100, interval=8.0)
        following, _ = next_look(job, due=due, at=due, is_watched=False)
        waits.append((following - due).total_seconds())
        due = following
    assert waits == [1, 1, 2, 4, 8, 8]


def test_with_nobody_watching_the_interval_grows_though_it_moves() -> None:
    interval = 1.0
    for expected in (1.5, 2.25, 3.375, 5.0625, 7.59375, 8, 8):
        following, interval = next_look(a_job(interval=interval), changed=True, is_watched=False)
        assert (following, interval) == (after(expected), expected)


def test_with_a_watcher_again_a_change_brings_it_back_to_min() -> None:
    assert next_look(a_job(interval=8.0), changed=True, is_watched=True) == (after(1), 1.0)


@pytest.mark.parametrize(
    ("looked_at", "held", "expected"),
    [
        (None, None, 0),
        (after(-5), None, 0),
        (after(-0.25), None, 0.75),
        (after(-5), after(4), 4),
        (after(-0.25), after(-9), 0.75),
    ],
)
def test_for_someone_who_comes_it_is_looked_at_as_soon_as_may_be(
    looked_at: datetime | None, held: datetime | None, expected: float
) -> None:
    at = schedule.next_look_for_a_watcher(POLICY, looked_at=looked_at, held=held, now=BEGIN)
    assert at == after(expected)


# --- jobs that began together --------------------------------------------------------------------


def looks_of_many(policy: PollPolicy, starts: Sequence[float], until: float) -> list[float]:
    """Return when jobs that never move are looked at, in seconds; each begins at its start."""
    chance, looks = random.Random(11), []
    for started in starts:
        job = a_job(id=UUID(int=chance.getrandbits(128)), started=after(started))
        place, due, interval = schedule.place_of(job.id), after(started), 0.0
        while (due - BEGIN).total_seconds() < until:
            looks.append((due - BEGIN).total_seconds())
            following, interval = next_look(
                replace(job, interval=interval), policy, due=due, at=due, place=place
            )
            assert following is not None
            due = following
    return looks


def fullest(looks: Sequence[float], begin: float, until: float, width: float) -> float:
    """Return how many times the mean the fullest window of `width` seconds holds."""
    counts = Counter(int(look / width) for look in looks if begin <= look < until)
    return max(counts.values()) * (until - begin) / width / sum(counts.values())


def test_a_thousand_jobs_that_begin_within_a_second_are_spread_out() -> None:
    policy, chance = PollPolicy(min=1, max=30), random.Random(7)
    looks = looks_of_many(policy, [chance.random() for _ in range(1_000)], 600)
    # Unspread, all of them would come within one second out of thirty: 30 times the mean.
    assert fullest(looks, 120, 300, 1.0) < 4
    assert fullest(looks, 300, 600, 1.0) < 3
    assert fullest(looks, 300, 600, 0.05) < 10  # of 1.7 looks in the mean


def test_jobs_that_begin_at_the_same_moment_draw_apart_where_the_interval_is_fixed() -> None:
    looks = looks_of_many(PollPolicy(min=1, max=1), [0.0] * 1_000, 20)
    assert fullest(looks, 0, 1, 0.05) == 20  # the first look is at once
    assert fullest(looks, 5, 20, 0.05) < 6


@given(place=st.floats(0, 0.9999), interval=st.floats(0, 40), end=st.floats(-99, 99))
def test_spreading_shortens_an_interval_by_a_tenth_at_most_and_never_below_min(
    place: float, interval: float, end: float
) -> None:
    policy = PollPolicy(min=1, max=30)
    plain = schedule.next_interval(policy, interval, changed=False)
    found = seconds_to(a_job(interval=interval), policy, place=place)
    assert found >= 1
    assert 0.9 * plain - 1e-6 <= found <= max(plain, 1.1) + 1e-6
    assert 1 <= seconds_to(ending(end, interval=interval), policy, place=place) <= 30


@given(st.floats(0, 0.9999))
def test_where_min_is_max_jobs_are_spread_once_and_then_keep_time(place: float) -> None:
    policy = PollPolicy(min=2, max=2)
    assert 2 <= seconds_to(a_job(), policy, place=place) <= 2.5
    assert seconds_to(a_job(interval=2.0), policy, place=place) == 2


def test_the_place_of_a_job_is_one_of_many() -> None:
    chance = random.Random(3)
    places = [schedule.place_of(UUID(int=chance.getrandbits(128))) for _ in range(1_000)]
    assert all(0 <= place < 1 for place in places)
    assert len(set(places)) > 950
    assert 0.4 < sum(places) / 1_000 < 0.6


@given(
    interval=st.floats(0, 1e6),
    failures=st.integers(0, 10**9),
    lateness=st.floats(0, 1e6),
    age=st.floats(0, 1e6),
    changed=st.booleans(),
    retry_after=st.none() | st.floats(-1e12, 1e12),
    chance=st.floats(0, 1),
    end=st.floats(-1e9, 1e9),
    place=st.floats(0, 0.9999),
    is_begun=st.booleans(),
    is_watched=st.booleans(),
    policy=st.builds(
        PollPolicy,
        min=st.floats(0.01, 10),
        max=st.floats(10, 1e4),
        deadline=st.floats(0.1, 1e8),
    ),
)
def test_the_next_look_is_never_in_the_past_nor_beyond_the_deadline(
    *,
    interval: float,
    failures: int,
    lateness: float,
    age: float,
    changed: bool,
    retry_after: float | None,
    chance: float,
    end: float,
    place: float,
    is_begun: bool,
    is_watched: bool,
    policy: PollPolicy,
) -> None:
    at = after(age)
    job = ending(end, interval=interval, failures=failures)
    following, kept = schedule.next_look(
        policy,
        job,
        due=at - timedelta(seconds=lateness),
        at=at,
        changed=changed,
        retry_after=retry_after,
        chance=chance,
        is_begun=is_begun,
        place=place,
        is_watched=is_watched,
    )
    assert following is not None
    assert at <= following <= max(at, deadline_of(policy, job))
    assert failures or is_begun or policy.min <= kept <= policy.max
