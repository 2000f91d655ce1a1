"""A request has one time for all of it, and ends when it is cancelled."""

import asyncio
import gc
from typing import Any

import pytest

from progrock.backends.connection import Connection
from progrock.backends.errors import Unreachable
from progrock.backends.poller import Poller
from tests.contracts.poller.peer import (
    TIMEOUT,
    Peer,
    Visit,
    closing,
    dripping,
    failure_of,
    get,
    open_files,
    reply,
    silent,
    until,
)


@pytest.mark.parametrize(
    "talk",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_a_request_has_one_time_for_all_of_it(peer: Peer, poller: Poller, talk: Any) -> None:
    peer.answers = [reply(), talk]
    await poller.send(get(peer), TIMEOUT)  # its own time must not be that of the next
    failure = await failure_of(poller, get(peer), 0.1)
    assert isinstance(failure, Unreachable)
    assert failure.was_sent
    assert str(failure) == "The backend did not answer within 0.1 s."
    await peer.until_left()


async def test_a_later_request_has_its_whole_time(peer: Peer, poller: Poller) -> None:
    async def late(visit: Visit) -> None:
        await asyncio.sleep(1.1)  # longer than the first had
        await visit.say(reply(b"late"))

    peer.answers = [reply(), late]
    await poller.send(get(peer), 1.0)
    assert (await poller.send(get(peer), TIMEOUT)).content == b"late"


async def test_cancelling_closes_the_connection(peer: Peer, poller: Poller) -> None:
    peer.answers = [reply(), silent]
    await poller.send(get(peer), TIMEOUT)
    for _ in range(2):  # on a kept connection, and on a new one
        before = len(peer.asked)
        sending = asyncio.ensure_future(poller.send(get(peer), TIMEOUT))
        await until(lambda before=before: len(peer.asked) > before)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await peer.until_left()


async def test_nothing_is_left_behind(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    talks: list[bytes | Any] = [reply(), closing(), closing(reply()), b"garbage", silent]

    async def any_of(visit: Visit) -> None:
        talk = talks[len(peer.asked) % len(talks)]
        await (visit.say(talk) if isinstance(talk, bytes) else talk(visit))

    peer.answers = [any_of]
    poller = Poller()
    files, tasks = open_files(), asyncio.all_tasks()
    ended = {name for _ in range(4) for name in await some_ends(poller, peer)}
    assert ended == {"HttpReply", "Unreachable", "Dropped", "CancelledError"}
    await poller.close()
    await peer.until_left()
    await until(lambda: open_files() <= files and asyncio.all_tasks() <= tasks)
    if isinstance(loop, asyncio.BaseEventLoop):
        assert [each for each in loop._scheduled if not each.cancelled()] == []
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Connection)]


async def some_ends(poller: Poller, peer: Peer) -> set[str]:
    """Send requests, cancel some of them, and return the names of what all ended with."""
    tasks = [asyncio.ensure_future(poller.send(get(peer), 0.2)) for _ in range(30)]
    await asyncio.sleep(0.02)
    for task in tasks[::3]:
        task.cancel()
    return {type(each).__name__ for each in await asyncio.gather(*tasks, return_exceptions=True)}
