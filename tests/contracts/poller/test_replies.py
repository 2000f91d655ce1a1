"""Replies are read in each form that HTTP/1.1 has, and bounded in all of it."""

import gzip
import zlib

import pytest

from progrock.backends.errors import BackendError, BadReply, Unreachable
from progrock.backends.http import MAX_BODY_BYTES
from progrock.backends.poller import Poller
from tests.contracts.poller.peer import (
    TIMEOUT,
    Peer,
    Visit,
    closing,
    failure_of,
    get,
    reply,
)

JSON = b'{"state": "running"}'
CHUNKED = "Transfer-Encoding: chunked\r\n"
REPLIES: dict[str, tuple[list[bytes], bytes]] = {
    "a length": ([reply(JSON)], JSON),
    "in pieces": ([bytes([byte]) for byte in reply(JSON)], JSON),
    "chunks": (
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n",
            b'{"sta\r\nf\r\nte": "running"}\r\n0\r\nX-Trailer: t\r\n\r\n',
        ],
        JSON,
    ),
    "informed before": (
        [b"HTTP/1.1 100 X\r\n\r\n", b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n" + reply(JSON)], JSON
    ),
    "gzip": ([reply(gzip.compress(JSON), headers="Content-Encoding: gzip\r\n")], JSON),
    "deflate": ([reply(zlib.compress(JSON), headers="Content-Encoding: Deflate\r\n")], JSON),
    "raw deflate": (
        [reply(zlib.compress(JSON, wbits=-15), headers="Content-Encoding: deflate\r\n")], JSON
    ),
    "identity": ([reply(JSON, headers="Content-Encoding: identity\r\n")], JSON),
    "as much as is taken": ([reply(b"x" * MAX_BODY_BYTES)], b"x" * MAX_BODY_BYTES),
    "no content": ([b"HTTP/1.1 204 No\r\n\r\n"], b""),
    "not modified": ([b"HTTP/1.1 304 No\r\nContent-Length: 5000000\r\n\r\n"], b""),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
async def test_a_reply_is_read(peer: Peer, poller: Poller, name: str) -> None:
    parts, content = REPLIES[name]

    async def talk(visit: Visit) -> None:
        await visit.say(*parts)

    peer.answers = [talk]
    for _ in range(2):
        got = await poller.send(get(peer), TIMEOUT)
        assert got.content == content
        assert "x-trailer" not in got.headers
        assert "link" not in got.headers
    assert peer.visits == 1


@pytest.mark.parametrize("start", ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_a_body_may_end_with_the_connection(peer: Peer, poller: Poller, start: str) -> None:
    peer.answers = [closing(start.encode() + b"\r\n" + JSON[:5], JSON[5:])]
    for _ in range(2):
        assert (await poller.send(get(peer), TIMEOUT)).content == JSON
    assert peer.visits == 2


async def test_a_reply_to_head_has_no_body(peer: Peer, poller: Poller) -> None:
    peer.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", reply(b"after")]
    got = await poller.send(get(peer, method="HEAD"), TIMEOUT)
    assert (got.status, got.content) == (200, b"")
    assert (await poller.send(get(peer), TIMEOUT)).content == b"after"
    assert peer.visits == 1


async def test_headers_have_lower_names_and_cookies_stand_apart(peer: Peer, poller: Poller) -> None:
    lines = "X-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1; Path=/\r\nSET-COOKIE: b=2\r\nX-Ü: ü\r\n"
    peer.answers = [reply(headers=lines.replace("X-Ü", "X-U"))]
    got = await poller.send(get(peer), TIMEOUT)
    assert got.headers["x-a"] == "2"
    assert got.headers["x-u"] == "ü"
    assert got.set_cookie == ("a=1; Path=/", "b=2")


async def test_a_redirect_is_a_reply_like_any_other(peer: Peer, poller: Poller) -> None:
    peer.answers = [reply(status=302, headers=f"Location: {peer.url}/other\r\n")]
    assert (await poller.send(get(peer), TIMEOUT)).status == 302
    assert len(peer.asked) == 1


BOMB = gzip.compress(b"\0" * (MAX_BODY_BYTES + 1))
HEAD = b"HTTP/1.1 200 OK\r\n"
BAD: dict[str, tuple[bytes, type[BackendError], str]] = {
    "too much announced": (HEAD + b"Content-Length: 1048577\r\n\r\n", BadReply, "than 1,048"),
    "too much in chunks": (
        HEAD + CHUNKED.encode() + b"\r\n100001\r\n" + b"x" * 0x100001, BadReply, "larger than"),
    "too much until the end": (HEAD + b"\r\n" + b"x" * 0x100001, BadReply, "larger than"),
    "chunks that say nothing": (
        HEAD + CHUNKED.encode() + b"\r\n1;" + b"x" * 9_000_000, BadReply, "larger than"),
    "trailers without end": (
        HEAD + CHUNKED.encode() + b"\r\n0\r\nX: " + b"x" * 9_000_000, BadReply, "larger than"),
    "a bomb": (reply(BOMB, headers="Content-Encoding: gzip\r\n"), BadReply, "larger than"),
    "half a gzip": (reply(BOMB[:50], headers="Content-Encoding: gzip\r\n"), BadReply, "gzip"),
    "no gzip": (reply(JSON, headers="Content-Encoding: gzip\r\n"), BadReply, "gzip"),
    "another coding": (reply(JSON, headers="Content-Encoding: br\r\n"), BadReply, "'br'"),
    "a long header": (HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n", BadReply, "headers"),
    "a header without end": (HEAD + b"X: " + b"x" * 70_000, BadReply, "headers"),
    "many headers": (HEAD + b"X: y\r\n" * 101 + b"\r\n", BadReply, "headers"),
    "informed without end": (b"HTTP/1.1 100 X\r\n\r\n" * 9_000, BadReply, "headers"),
    "another protocol": (
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n", Unreachable, "protocol"),
    "101 and nothing": (b"HTTP/1.1 101 X\r\n\r\n", Unreachable, "protocol"),
    "not HTTP": (b"220 mail.example ESMTP\r\n", Unreachable, "not HTTP"),
    "two lengths": (
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", Unreachable, "not HTTP"),
    "a length below zero": (HEAD + b"Content-Length: -1\r\n\r\n", Unreachable, "not HTTP"),
    "a length and chunks": (
        HEAD + CHUNKED.encode() + b"Content-Length: 1\r\n\r\n", Unreachable, "not HTTP"),
    "a chunk without a size": (HEAD + CHUNKED.encode() + b"\r\nxyz\r\n", Unreachable, "not HTTP"),
    "another transfer encoding": (
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n", BadReply, "transfer encoding"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_reply_that_cannot_be_taken_closes_the_connection(
    peer: Peer, poller: Poller, name: str
) -> None:
    said, kind, words = BAD[name]

    async def talk(visit: Visit) -> None:
        await visit.say(said)
        await visit.is_left()

    peer.answers = [talk, reply(b"well")]
    failure = await failure_of(poller, get(peer))
    assert type(failure) is kind
    assert words in str(failure)
    await peer.until_left()
    assert (await poller.send(get(peer), TIMEOUT)).content == b"well"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_a_reply_that_is_cut_is_no_reply(peer: Peer, poller: Poller, said: bytes) -> None:
    peer.answers = [closing(said)]
    failure = await failure_of(poller, get(peer))
    assert isinstance(failure, Unreachable)
    assert failure.was_sent
    assert str(failure) == "The backend does not answer: it closed the connection."
