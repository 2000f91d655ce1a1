"""However a reply is cut into pieces it is the same reply; whatever comes, the reader ends."""

import itertools
import string
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.backends.reply_reader import MOST_KEPT, Heads, ReplyReader

TOKENS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=10)
VALUES = st.text(string.ascii_letters + string.digits + ' ;,="/üé€', max_size=20)
OF_FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "content-encoding"}
HEADERS = st.lists(
    st.tuples(TOKENS.filter(lambda name: name.lower() not in OF_FRAMING), VALUES), max_size=6
)
COOKIES = st.lists(st.just("Set-Cookie"), max_size=2)
STATUSES = st.sampled_from([200, 201, 202, 302, 404, 410, 429, 500, 503])


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, HttpReply]:
    """A reply that does not end with its connection: its bytes, and what is to be read."""
    status, body = draw(STATUSES), draw(st.binary(max_size=60))
    pairs = [*draw(HEADERS), *((name, f"a{n}=b") for n, name in enumerate(draw(COOKIES)))]
    framing, framed = draw(st.sampled_from([with_length, in_chunks]))(draw, body)
    lines = [f"{name}: {value}" for name, value in [*pairs, framing]]
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()
    before = b"HTTP/1.1 103 Early\r\nX-Early: y\r\n\r\n" * draw(st.integers(0, 2))
    read = HttpReply(
        status=status,
        headers={name.lower(): value.strip() for name, value in [*pairs, framing]},
        content=body,
        set_cookie=tuple(value for name, value in pairs if name == "Set-Cookie"),
    )
    return before + head + framed, read


def with_length(_: st.DrawFn, body: bytes) -> tuple[tuple[str, str], bytes]:
    return ("Content-Length", str(len(body))), body


def in_chunks(draw: st.DrawFn, body: bytes) -> tuple[tuple[str, str], bytes]:
    chunks = [chunk for chunk in cut(body, draw(cuts(body))) if chunk]
    framed = b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return ("Transfer-Encoding", "chunked"), framed + b"0\r\nX-Trailer: t\r\n\r\n"


def cuts(data: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(data)), max_size=8).map(sorted)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *at, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.data())
def test_a_reply_is_the_same_however_it_is_cut(data: st.DataObject) -> None:
    heads = Heads()
    readers = [ReplyReader(heads), ReplyReader(heads)]
    some = data.draw(st.lists(replies(), min_size=1, max_size=3))
    for said, expected in data.draw(st.lists(st.sampled_from(some), min_size=1, max_size=8)):
        reader = data.draw(st.sampled_from(readers))
        reader.expect("GET")
        pieces = [piece for piece in cut(said, data.draw(cuts(said))) if piece]
        read = [reader.feed(piece) for piece in pieces]
        assert read[:-1] == [None] * (len(pieces) - 1)
        assert read[-1] == expected
        assert reader.is_reusable


@pytest.mark.parametrize("body_apart", [False, True])
def test_a_head_that_is_known_is_not_parsed_again(body_apart: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\n\r\n"
    reader = ReplyReader()
    for body in [b"one", b"two"]:
        reader.expect("GET")
        read = reader.feed(head + body)
    assert read is not None
    assert (read.content, read.set_cookie) == (b"two", ("a=b",))
    reader._parser = None  # type: ignore[assignment]
    reader.expect("GET")
    pieces = [head, b"six"] if body_apart else [head + b"six"]
    assert [reader.feed(piece) for piece in pieces][-1] == replace(read, content=b"six")


@pytest.mark.parametrize("more", [b"", b"a", b"ab\0", b"abcd"])
def test_a_known_head_says_how_much_is_to_come(more: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    reader = ReplyReader()
    reader.expect("GET")
    reader.feed(head + b"abc")
    reader.expect("HEAD")
    assert reader.feed(head) is not None
    reader.expect("GET")
    read = reader.feed(head + more)
    assert (read is None) == (len(more) < 3)
    assert reader.is_reusable == (len(more) <= 3)
    if read is None:
        with pytest.raises(BackendError, match="closed"):
            reader.end()


def test_heads_are_forgotten_when_they_become_too_many() -> None:
    heads = Heads()
    reader = ReplyReader(heads)
    for number in range(3 * MOST_KEPT):
        reader.expect("GET")
        reader.feed(b"HTTP/1.1 204 No\r\nDate: %d\r\n\r\n" % number)
    assert 0 < len(heads._by_bytes) <= MOST_KEPT


@given(replies(), st.binary(min_size=1, max_size=40).filter(lambda more: more.strip(b"\r\n")))
@example((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None), b"H")  # type: ignore[arg-type]
def test_what_follows_a_reply_belongs_to_nobody(said: tuple[bytes, HttpReply], more: bytes) -> None:
    reader = ReplyReader()
    reader.expect("GET")
    read = reader.feed(said[0] + more)
    assert read is not None
    assert said[1] is None or read == said[1]
    assert not reader.is_reusable


@given(st.data())
def test_a_head_alone_answers_head(data: st.DataObject) -> None:
    reader = ReplyReader()
    for _ in range(2):
        length = data.draw(st.integers(0, 10**9))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX: y\r\n\r\n" % length
        reader.expect("HEAD")
        *parts, last = [piece for piece in cut(head, data.draw(cuts(head))) if piece]
        assert [reader.feed(part) for part in parts] == [None] * len(parts)
        read = reader.feed(last)
        assert read is not None
        assert read.content == b""
        assert read.headers == {"content-length": str(length), "x": "y"}
        assert reader.is_reusable


FRAGMENTS = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 S\r\n", b"HTTP/1.1 304 N\r\n", b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 999999 X\r\n", b"\r\n", b"\n", b"\r",
    b"Content-Length: 3\r\n", b"Content-Length: -1\r\n", b"Content-Length: \r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 1,1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"X: y\r\n", b" folded\r\n",
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n", b"Content-Encoding: \xff\r\n",
    b"Set-Cookie: \xff\xfe\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"abc",
]  # fmt: skip


@given(
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=12)), max_size=12),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.data(),
)
def test_whatever_comes_gives_a_reply_or_an_error_of_ours(
    fragments: list[bytes], method: str, data: st.DataObject
) -> None:
    said = b"".join(fragments)
    reader = ReplyReader()
    reader.expect(method)
    try:
        for piece in cut(said, data.draw(cuts(said))):
            read = reader.feed(piece)
            if read is not None:
                break
        else:
            read = reader.end()
    except BackendError:
        return
    assert 200 <= read.status <= 999
    assert all(name == name.lower() for name in read.headers)
    assert method != "HEAD" or read.content == b""


@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate", "x-gzip"]))
def test_content_that_is_not_what_it_says_is_an_error_of_ours(content: bytes, coding: str) -> None:
    reader = ReplyReader()
    reader.expect("GET")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(content)}\r\n"
    try:
        read = reader.feed(head.encode() + b"\r\n" + content)
    except BackendError:
        return
    assert read is not None  # by chance it was


def test_a_reply_that_ends_with_its_connection_is_whole_only_with_its_head() -> None:
    reader = ReplyReader()
    reader.expect("GET")
    assert reader.feed(b"HTTP/1.1 200 OK\r\nX: y\r\n") is None
    with pytest.raises(BackendError):
        reader.end()
    assert reader.feed(b"\r\nabc") is None
    assert reader.end().content == b"abc"
