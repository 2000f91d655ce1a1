"""What a backend allows is kept to: so many requests a second, so many at once."""

import asyncio

import pytest

from progrock.jobs.policy import PollPolicy
from progrock.polling import limits
from progrock.polling.limits import Limiter


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each token had to be waited for; nobody waits in fact."""
    told: list[float] = []

    async def note(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(limits.asyncio, "sleep", note)
    return told


async def test_one_seconds_worth_is_free_and_the_rest_comes_at_the_rate(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1_000.0)
    limiter = Limiter(PollPolicy(per_second=4, in_flight=100))
    for _ in range(8):
        await limiter.__aenter__()
    assert waits == pytest.approx([0.25, 0.5, 0.75, 1.0])


async def test_a_rate_below_one_a_second_lets_the_first_through(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1_000.0)
    limiter = Limiter(PollPolicy(per_second=0.5, in_flight=100))
    for _ in range(3):
        await limiter.__aenter__()
    assert waits == pytest.approx([2.0, 4.0])


async def test_no_more_than_in_flight_are_inside_at_once() -> None:
    limiter = Limiter(PollPolicy(per_second=1_000, in_flight=3))
    inside, most = 0, 0
    is_over = asyncio.Event()

    async def ask() -> None:
        nonlocal inside, most
        async with limiter:
            inside += 1
            most = max(most, inside)
            if most == 3:
                is_over.set()
            await is_over.wait()
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(9)))
    assert (inside, most) == (0, 3)


async def test_who_fails_or_is_called_off_gives_the_place_back() -> None:
    limiter = Limiter(PollPolicy(per_second=1_000, in_flight=1))
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"):
            async with limiter:
                raise ValueError("inside")
    waiting = asyncio.ensure_future(limiter.__aenter__())
    await waiting
    called_off = asyncio.ensure_future(limiter.__aenter__())
    await asyncio.sleep(0)
    called_off.cancel()
    await asyncio.gather(called_off, return_exceptions=True)
    await limiter.__aexit__(None, None, None)
    async with asyncio.timeout(5), limiter:
        pass
