"""What a tick holds: each job is asked for or kept, and taken when it is due."""

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.rows import Stored
from progrock.jobs.states import State
from progrock.jobs.values import JobValue
from progrock.polling.claim import Claim
from progrock.polling.held import STEPS, Held

AT = datetime(2030, 1, 1, tzinfo=UTC)


def claim(number: int, seconds: float = 0.0) -> Claim:
    id_ = UUID(int=number)
    job = JobValue(
        id=id_, backend="b", seq=1, state=State.RUNNING, created=AT, updated=AT, moved_at=AT
    )
    stored = Stored(job, {}, None, (), 0, AT + timedelta(hours=1))
    due = AT + timedelta(seconds=seconds)
    return Claim(stored, due, AT + timedelta(hours=1), AT + timedelta(hours=1))


def step(claim: Claim) -> int:
    return math.ceil(claim.due.timestamp() * STEPS)


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 10)), max_size=20), st.integers(0, 9))
def test_what_is_due_is_taken_once_the_first_ones_first(
    kept: list[tuple[int, float]], most: int
) -> None:
    held = Held()
    latest = {}
    for number, seconds in kept:
        latest[number] = claim(number, seconds)
        held.keep(latest[number])
    now = AT + timedelta(seconds=5)
    expected = sorted(step(each) for each in latest.values() if each.due <= now)
    taken = held.take_due(now, most)
    assert [step(each) for each in taken] == expected[:most]
    assert all(each.due <= now for each in taken)
    assert all(latest[each.job.id.int] is each for each in taken)
    rest = held.take_due(AT + timedelta(seconds=10), 99)
    assert len(taken) + len(rest) == len(latest)
    assert held.asked == latest
    assert held.take_kept() == []


def test_a_job_that_was_claimed_anew_is_kept_no_longer() -> None:
    held = Held()
    held.keep(claim(1))
    again = claim(1)
    held.ask([again])
    assert held.take_due(AT, 9) == []
    assert held.take_kept() == []
    assert not held.is_empty
    held.answered(again)
    assert held.is_empty


def test_what_is_kept_can_be_let_go() -> None:
    held = Held()
    held.keep(claim(1, 7))
    held.ask([claim(2)])
    assert [each.job.id.int for each in held.take_kept()] == [1]
    assert held.take_due(AT + timedelta(hours=1), 9) == []
    assert held.asked.keys() == {2}
