"""Only checked addresses are connected to, one after the other."""

import socket
from typing import Any

import pytest

from progrock.backends.errors import Refused, Unreachable
from progrock.backends.http import HttpRequest
from progrock.backends.poller import Poller
from tests.contracts.poller.peer import (
    TIMEOUT,
    Peer,
    failure_of,
    reply,
)


async def test_where_nobody_listens_nothing_was_sent(poller: Poller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failure = await failure_of(poller, HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/"))
    assert isinstance(failure, Unreachable)
    assert not failure.was_sent
    assert str(failure) == "The backend cannot be connected to: Connection refused"


async def test_a_name_that_is_unknown_cannot_be_connected_to(poller: Poller) -> None:
    failure = await failure_of(poller, HttpRequest(method="GET", url="http://nowhere.invalid/"))
    assert isinstance(failure, Unreachable)
    assert not failure.was_sent
    assert str(failure).startswith("The backend cannot be connected to: ")


async def test_an_ipv6_address_is_connected_to(poller: Poller) -> None:
    try:
        async with Peer().on("::1") as peer:
            peer.answers = [reply()]
            url = f"http://[::1]:{peer.port}/x"
            assert (await poller.send(HttpRequest(method="GET", url=url), TIMEOUT)).status == 200
            assert f"\r\nHost: [::1]:{peer.port}\r\n".encode() in peer.asked[0]
    except OSError:  # no IPv6 here
        failure = await failure_of(poller, HttpRequest(method="GET", url="http://[::1]:9/"))
        assert isinstance(failure, Unreachable)
        assert not failure.was_sent


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that has `some.test` resolve to some addresses, in this order.

    On asyncio's loop: uvloop resolves names without Python.
    """

    def play(*addresses: str) -> None:
        def lie(host: Any, port: Any, *_: Any, **__: Any) -> Any:
            assert host == "some.test"
            return [
                (
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_STREAM,
                    socket.IPPROTO_TCP,
                    "",
                    (address, port),
                )
                for address in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", lie)

    return play


on_asyncio = pytest.mark.asyncio(loop_factories=["asyncio"])


def at_name(peer: Peer) -> HttpRequest:
    return HttpRequest(method="GET", url=f"http://some.test:{peer.port}/")


@on_asyncio
async def test_the_next_address_is_tried(peer: Peer, poller: Poller, resolves: Any) -> None:
    peer.answers = [reply()]
    resolves("::1", "127.0.0.2", "127.0.0.1")
    assert (await poller.send(at_name(peer), TIMEOUT)).status == 200
    assert f"\r\nHost: some.test:{peer.port}\r\n".encode() in peer.asked[0]


@on_asyncio
@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "100.100.100.200"])
async def test_a_forbidden_address_is_refused_wherever_it_stands(
    peer: Peer, poller: Poller, resolves: Any, address: str
) -> None:
    resolves("127.0.0.1", address)
    failure = await failure_of(poller, at_name(peer))
    assert isinstance(failure, Refused)
    assert "some.test" in str(failure)
    assert peer.visits == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1:99999/", "http:///x", "/"],
)
async def test_an_address_that_is_none_is_refused(poller: Poller, url: str) -> None:
    assert isinstance(await failure_of(poller, HttpRequest(method="GET", url=url)), Refused)
