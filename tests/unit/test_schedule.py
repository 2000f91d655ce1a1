"""When a job is looked at again: the rules of BACKENDS "Intervals", one by one."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import TERMINAL, State
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


def test_no_retry_after_reaches_beyond_the_deadline() -> None:
    assert seconds_to(a_job(), retry_after=1e9) <= 3_600


def test_the_last_look_is_at_the_deadline() -> None:
    assert next_look(a_job(interval=8.0), due=after(3_598), at=after(3_598))[0] == after(3_600)
    assert schedule.deadline(POLICY, a_job()) == after(3_600)


def test_the_deadline_counts_from_the_start_and_before_it_from_the_request() -> None:
    assert schedule.deadline(POLICY, a_job(started=after(50))) == after(3_650)
    assert schedule.deadline(POLICY, a_job(started=None)) == after(3_600)


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


@given(
    interval=st.floats(0, 1e6),
    failures=st.integers(0, 10**9),
    lateness=st.floats(0, 1e6),
    age=st.floats(0, 1e6),
    changed=st.booleans(),
    retry_after=st.none() | st.floats(-1e12, 1e12),
    chance=st.floats(0, 1),
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
    policy: PollPolicy,
) -> None:
    at = after(age)
    job = a_job(interval=interval, failures=failures)
    following, kept = schedule.next_look(
        policy,
        job,
        due=at - timedelta(seconds=lateness),
        at=at,
        changed=changed,
        retry_after=retry_after,
        chance=chance,
    )
    assert following is not None
    assert at <= following <= max(at, schedule.deadline(policy, job))
    assert failures or policy.min <= kept <= policy.max
