"""Connections stay open, are used again, and leave nothing behind."""

import asyncio

import pytest

from progrock.backends import poller as poller_module
from progrock.backends.errors import Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.poller import Poller
from tests.contracts.poller.peer import (
    TIMEOUT,
    Peer,
    Visit,
    closing,
    failure_of,
    get,
    reply,
    silent,
    until,
)


async def test_a_connection_is_used_again(peer: Peer, poller: Poller) -> None:
    peer.answers = [reply(b"1"), reply(b"2"), reply(b"3")]
    contents = [(await poller.send(get(peer), TIMEOUT)).content for _ in range(3)]
    assert contents == [b"1", b"2", b"3"]
    assert peer.visits == 1


async def test_requests_at_once_have_a_connection_each_and_leave_it_to_the_next(
    peer: Peer, poller: Poller
) -> None:
    async def echo(visit: Visit) -> None:
        target = peer.asked[-1].split(b" ")[1]
        await until(lambda: len(peer.asked) >= 8)  # all are on their way
        await visit.say(reply(target))

    peer.answers = [echo]
    for _ in range(2):
        targets = [f"/{number}" for number in range(8)]
        replies = await asyncio.gather(*(poller.send(get(peer, t), TIMEOUT) for t in targets))
        assert [each.content.decode() for each in replies] == targets
    assert peer.visits == 8


async def test_an_idle_connection_is_closed_in_the_end(peer: Peer) -> None:
    peer.answers = [reply()]
    poller = Poller(idle_seconds=0.05)
    await asyncio.gather(*(poller.send(get(peer), TIMEOUT) for _ in range(3)))
    assert peer.open == 3
    await peer.until_left()
    await poller.send(get(peer), TIMEOUT)
    await peer.until_left()
    assert peer.visits == 4


async def test_no_more_than_so_many_connections_are_kept(
    peer: Peer, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(visit: Visit) -> None:
        await until(lambda: len(peer.asked) == 7)
        await visit.say(reply())

    monkeypatch.setattr(poller_module, "MOST_IDLE", 4)
    peer.answers = [wait]
    await asyncio.gather(*(poller.send(get(peer), TIMEOUT) for _ in range(7)))
    await peer.until_left(4)


@pytest.mark.parametrize(
    "said",
    [
        reply(headers="Connection: close\r\n"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        reply() + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnot",
        reply() + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r",
        reply() + b"garbage",
        reply(b"", status=204) + b"{}",
        reply(b"", status=304, headers="ETag: x\r\n") + b"{}",
    ],
)
async def test_a_connection_that_is_to_end_or_said_too_much_is_not_used_again(
    peer: Peer, poller: Poller, said: bytes
) -> None:
    peer.answers = [said, reply(b"second")]
    assert (await poller.send(get(peer), TIMEOUT)).content in {b"{}", b""}
    assert (await poller.send(get(peer), TIMEOUT)).content == b"second"
    assert peer.visits == 2


async def test_what_is_said_without_a_question_closes_the_connection(
    peer: Peer, poller: Poller
) -> None:
    async def unasked(visit: Visit) -> None:
        await visit.say(reply())
        await until(lambda: is_read)
        await visit.say(reply(b"poison"))
        await visit.is_left()

    is_read = False
    peer.answers = [unasked, reply(b"second")]
    await poller.send(get(peer), TIMEOUT)
    is_read = True
    await peer.until_left()
    assert (await poller.send(get(peer), TIMEOUT)).content == b"second"


async def test_a_poller_can_be_used_again_after_its_end_and_on_another_loop(peer: Peer) -> None:
    peer.answers = [reply()]
    poller = Poller()
    await poller.send(get(peer), TIMEOUT)
    await poller.close()
    await peer.until_left()
    await poller.send(get(peer), TIMEOUT)

    def elsewhere() -> HttpReply:
        return asyncio.run(_sent_and_closed(poller, get(peer)))

    assert (await asyncio.to_thread(elsewhere)).status == 200


async def _sent_and_closed(poller: Poller, request: HttpRequest) -> HttpReply:
    try:
        return await poller.send(request, TIMEOUT)
    finally:
        await poller.close()


async def test_the_end_of_a_poller_ends_what_is_on_its_way(peer: Peer) -> None:
    peer.answers = [reply(), silent]
    poller = Poller()
    await poller.send(get(peer), TIMEOUT)
    # One goes out on the kept connection, and must not be sent again on a new one.
    sending = [asyncio.ensure_future(poller.send(get(peer), TIMEOUT)) for _ in range(3)]
    await until(lambda: len(peer.asked) == 4)
    await poller.close()
    for result in await asyncio.gather(*sending, return_exceptions=True):
        assert isinstance(result, Unreachable)
        assert result.was_sent
    await peer.until_left()
    assert peer.visits == 3


# --- what is sent again -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_kept_connection_that_turns_out_closed_is_replaced_once(
    peer: Peer, poller: Poller, method: str
) -> None:
    peer.answers = [reply(), closing(), reply(b"", headers="X: second\r\n")]
    await poller.send(get(peer), TIMEOUT)
    second = await poller.send(get(peer, method=method), TIMEOUT)
    assert second.headers["x"] == "second"
    assert len(peer.asked) == 3
    assert peer.visits == 2


async def test_it_is_replaced_no_more_than_once(peer: Peer, poller: Poller) -> None:
    peer.answers = [reply(), closing()]
    await poller.send(get(peer), TIMEOUT)
    failure = await failure_of(poller, get(peer))
    assert isinstance(failure, Unreachable)
    assert failure.was_sent
    assert len(peer.asked) == 3


async def test_what_was_sent_once_stays_sent(peer: Peer, poller: Poller) -> None:
    async def go_away(visit: Visit) -> None:
        peer.stop_listening()
        visit.writer.close()

    peer.answers = [reply(), go_away]
    await poller.send(get(peer), TIMEOUT)
    failure = await failure_of(poller, get(peer))
    assert isinstance(failure, Unreachable)
    assert str(failure) == "The backend cannot be connected to: Connection refused"
    assert failure.was_sent


async def test_a_request_that_changes_something_is_not_sent_twice(
    peer: Peer, poller: Poller
) -> None:
    peer.answers = [reply(), closing()]
    await poller.send(get(peer), TIMEOUT)
    failure = await failure_of(poller, get(peer, method="POST", body=b"{}"))
    assert isinstance(failure, Unreachable)
    assert failure.was_sent
    assert len(peer.asked) == 2


async def test_a_request_that_was_answered_in_part_is_not_sent_twice(
    peer: Peer, poller: Poller
) -> None:
    peer.answers = [reply(), closing(b"HTTP/1.1 2")]
    await poller.send(get(peer), TIMEOUT)
    assert isinstance(await failure_of(poller, get(peer)), Unreachable)
    assert len(peer.asked) == 2


async def test_a_connection_that_was_closed_while_idle_costs_nothing(
    peer: Peer, poller: Poller
) -> None:
    peer.answers = [closing(reply())]
    for number in range(1, 4):
        await poller.send(get(peer, method="POST", body=b"{}"), TIMEOUT)
        await peer.until_left()
        assert peer.visits == number
