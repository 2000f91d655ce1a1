"""The rate of a connection, as PROTOCOL 2 announces it."""

from hypothesis import given
from hypothesis import strategies as st

from progrock.live.rate import Rate


def allowed(rate: Rate, now: float, messages: int) -> int:
    return sum(rate.allows(now) for _ in range(messages))


def test_a_burst_of_100_is_allowed_and_no_more() -> None:
    assert allowed(Rate(0.0), 0.0, 300) == 100


def test_50_messages_a_second_are_allowed_for_ever() -> None:
    rate = Rate(0.0)
    assert all(rate.allows(number / 50) for number in range(5_000))
    assert not rate.is_flooded(100.0)


def test_after_a_burst_50_a_second_come_back() -> None:
    rate = Rate(0.0)
    allowed(rate, 0.0, 100)
    assert allowed(rate, 1.0, 100) == 50
    assert allowed(rate, 1_000.0, 300) == 100


def test_what_is_refused_says_when_to_come_again() -> None:
    rate = Rate(0.0)
    allowed(rate, 0.0, 101)
    assert 0 < rate.retry_after <= 0.02 + 0.001
    assert rate.allows(rate.retry_after + 0.001)


def refused(rate: Rate, now: float, messages: int) -> None:
    while messages:
        messages -= not rate.allows(now)


def test_500_messages_over_the_rate_within_10_seconds_are_a_flood() -> None:
    rate = Rate(0.0)
    refused(rate, 0.0, 499)
    assert not rate.is_flooded(0.0)
    refused(rate, 9.9, 1)
    assert rate.is_flooded(9.9)


def test_500_messages_over_the_rate_within_a_longer_time_are_no_flood() -> None:
    rate = Rate(0.0)
    refused(rate, 0.0, 499)
    refused(rate, 10.1, 1)
    assert not rate.is_flooded(10.1)


@given(st.lists(st.floats(0, 0.5), max_size=400))
def test_no_second_has_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    rate, now, times = Rate(0.0), 0.0, []
    for pause in pauses:
        now += pause
        times += [now] * allowed(rate, now, 20)
    for begin in times[::50]:
        assert sum(begin <= at <= begin + 1 for at in times) <= 151


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 300))
def test_the_memory_of_a_flood_is_bounded(pauses: list[float], messages: int) -> None:
    rate, now = Rate(0.0), 0.0
    for pause in pauses:
        now += pause
        allowed(rate, now, messages)
        assert rate.retry_after >= 0
    assert rate._refused is None or len(rate._refused) <= 500
