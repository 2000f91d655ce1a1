"""Turns that were reserved: taken from their time on, for a moment, and given back after it."""

from hypothesis import given
from hypothesis import strategies as st

from progrock.polling.load import Load
from progrock.polling.turns import LAPSE_SECONDS, Turns


def test_a_turn_may_be_taken_from_its_time_on() -> None:
    turns = Turns()
    turns.add(3, 10.0, 0.1, 9.9)
    assert not turns.take(9.95)
    assert turns.next_at() == 10.0
    assert turns.take(10.0)
    assert not turns.take(10.05)
    assert turns.take(10.1)
    assert turns.left == 1


def test_turns_that_have_been_there_for_a_while_may_be_taken_at_once() -> None:
    turns = Turns()
    turns.add(5, 9.0, 0.5, 10.0)  # at 9, 9.5, 10, 10.5, 11
    assert [turns.take(10.0) for _ in range(4)] == [True, True, True, False]


def test_a_turn_that_nobody_takes_is_given_back() -> None:
    turns = Turns()
    turns.add(4, 10.0, 0.1, 10.0)
    late = 10.15 + LAPSE_SECONDS  # the first two have lapsed
    assert turns.give_lapsed(late) == 2
    assert turns.give_lapsed(late) == 0
    assert turns.left == 2
    assert turns.take(late)
    assert turns.give_back() == 1
    assert (turns.left, turns.next_at()) == (0, None)


Deeds = st.lists(
    st.tuples(
        st.integers(0, 20), st.floats(0, 0.6), st.integers(0, 20), st.sampled_from([0.001, 0.1, 1])
    ),
    max_size=30,
)


@given(Deeds)
def test_each_turn_is_taken_or_given_back_once(
    deeds: list[tuple[int, float, int, float]],
) -> None:
    turns, now, added, taken, given_back = Turns(), 100.0, 0, 0, 0
    for count, seconds, takes, interval in deeds:
        turns.add(count, now + seconds - 0.3, interval, now)
        added += count
        now += seconds
        taken += sum(turns.take(now) for _ in range(takes))
        if takes % 3 == 0:
            given_back += turns.give_lapsed(now)
        assert added == taken + given_back + turns.left + turns.lapsed
        assert (turns.next_at() is None) == (turns.left == 0)
    assert added == taken + given_back + turns.give_back()


def test_the_time_of_a_request_follows_from_how_many_are_under_way() -> None:
    load = Load(0.0)
    assert load.latency(5.0) == 0.0
    for _ in range(4):
        load.begin(10.0)
    assert load.latency(12.0) == 0.0
    for _ in range(4):
        load.end(13.0)
    assert load.latency(20.0) == 3.0
    load.roll(20.0)
    assert load.latency(30.0) == 3.0  # nothing else is known
    load.begin(40.0)
    load.end(40.5)
    assert load.latency(41.0) == 0.5
    load.roll(41.0)
    load.begin(41.0)
    assert load.latency(50.0) == 9.0  # at least
