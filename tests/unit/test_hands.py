"""Work that waits is done in its order, by no more tasks than are allowed."""

import asyncio
from functools import partial

import pytest

from progrock.polling.hands import Hands


async def test_no_more_is_done_at_once_than_allowed_and_all_of_it_in_order() -> None:
    hands, done, at_once, most = Hands(), list[int](), 0, 0

    async def work(number: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        done.append(number)

    hands.add([partial(work, number) for number in range(5)], 3)
    await asyncio.sleep(0)
    hands.add([partial(work, number) for number in range(5, 12)], 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert most == 3
    assert done == list(range(12))


async def test_what_comes_as_the_last_task_ends_is_done_all_the_same() -> None:
    hands, done = Hands(), list[int]()

    async def work(number: int) -> None:
        done.append(number)

    for number in range(3):
        hands.add([partial(work, number)], 1)
        await asyncio.sleep(0)  # the task has ended, and its callbacks have not been called
        assert done == list(range(number + 1))


async def test_a_fault_in_one_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    hands, done = Hands(), list[int]()

    async def work(number: int) -> None:
        if number == 1:
            raise KeyError(number)
        done.append(number)

    hands.add([partial(work, number) for number in range(4)], 1)
    for _ in range(5):
        await asyncio.sleep(0)
    assert done == [0, 2, 3]
    assert "KeyError" in caplog.text
