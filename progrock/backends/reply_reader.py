"""Read a reply of HTTP/1.1 from bytes as they come: bounded in all its parts. No I/O.

`httptools` (llhttp) parses strictly; what is not HTTP raises. What it does not know stands here:
the bounds, the replies to HEAD, and bodies that end with the connection.
"""

import zlib
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from progrock.backends.errors import BackendError, BadReply, Unreachable, too_large
from progrock.backends.http import MAX_BODY_BYTES, HttpReply

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100  # as many as the single calls take
MAX_BYTES = 8 * 1024 * 1024  # of a whole reply: what its chunks and trailers add is bounded too
MOST_KEPT = 64  # heads of one origin
LONGEST_KEPT = 1_024
_WITHOUT_BODY: Final = frozenset({204, 304})
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Head(NamedTuple):
    """What the bytes of a head were read as, and how many bytes of body it announces."""

    status: int
    headers: dict[str, str]
    set_cookie: tuple[str, ...]
    length: int


class Heads:
    """The heads that came from one origin lately: most polls are answered by one of them.

    The same bytes mean the same, so a head that is known is not parsed again. Kept are those of
    replies that were taken whole, with a length or without a body, and left the connection open.
    """

    def __init__(self) -> None:
        self._by_bytes: dict[bytes, Head] = {}
        self.get = self._by_bytes.get

    def keep(self, head: bytes, reply: HttpReply) -> None:
        """Keep a head that was parsed; all are forgotten when they become too many."""
        if len(head) > LONGEST_KEPT or "content-encoding" in reply.headers:
            return
        if len(self._by_bytes) >= MOST_KEPT:  # one that tells the time is of use for a second
            self._by_bytes.clear()
        self._by_bytes[head] = Head(
            reply.status, dict(reply.headers), reply.set_cookie, len(reply.content)
        )


class ReplyReader:
    """Reads one reply after the other; `expect` comes before each. Unusable after an error."""

    def __init__(self, heads: Heads | None = None) -> None:
        self.is_reusable = True  # whether another reply may follow on the same connection
        self.has_begun = False  # whether a byte of the reply came
        self._heads = heads or Heads()
        self._url = ""
        self._held = b""  # a known head whose body has not come
        self._parser = HttpResponseParser(self)
        self._is_parsing = self._is_head = False
        self._tail = b""  # of the reply to HEAD
        self._reply: HttpReply | None = None
        self._received = 0
        self._status = 0  # of the reply whose head is complete
        self._fields: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._failure: BackendError | None = None

    def expect(self, method: str, url: str = "") -> None:
        """Begin with the reply to a request of this method and address."""
        self.has_begun = False
        self._url = url
        self._is_parsing = self._is_head = method == "HEAD"
        if self._received:
            self._tail = b""
            self._reply = None
            self._received = self._status = self._size = 0
            self._fields = []
            self._chunks = []

    def feed(self, data: bytes) -> HttpReply | None:
        """Take some bytes; return the reply when it is complete. Raises BadReply, Unreachable."""
        self.has_begun = True
        if self._is_parsing:
            return self._parse(data)
        if self._held:
            data, self._held = self._held + data, b""
        end = data.find(b"\r\n\r\n") + 4
        head = self._heads.get(data[:end])
        if head is not None:
            status, headers, set_cookie, length = head
            if len(data) - end == length:
                return HttpReply(
                    status=status,
                    headers=headers,
                    content=data[end:],
                    set_cookie=set_cookie,
                    url=self._url,
                )
            if len(data) == end:
                self._held = data
                return None
        self._is_parsing = True
        reply = self._parse(data)
        if reply is not None and self.is_reusable and len(reply.content) == len(data) - end:
            self._heads.keep(data[:end], reply)
        return reply

    def end(self) -> HttpReply:
        """Return the reply that ends with its connection. Raises Unreachable when it is cut."""
        is_whole = self._status and not (
            "content-length" in self._headers or "transfer-encoding" in self._headers
        )
        if not is_whole:
            raise Unreachable("The backend does not answer: it closed the connection.")
        self.is_reusable = False
        return self._complete()

    def _parse(self, data: bytes) -> HttpReply | None:
        self._received += len(data)
        if self._is_head:
            self._tail = (self._tail + data)[-4:]
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            if self._reply is None:
                raise self._failure or _not_http(str(exc)) from exc
            self._after_reply()
        if self._reply is None and self._received > (MAX_BYTES if self._status else MAX_HEAD_BYTES):
            raise too_large(MAX_BODY_BYTES) if self._status else _head_too_large()
        return self._reply

    # --- called by httptools; an error that is raised here comes out of feed_data ---

    def on_message_begin(self) -> None:
        """Refuse a second reply: nobody asked for it."""
        if self._reply is not None:
            raise BadReply("The backend says more than it was asked.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; after the head it is a trailer, and dropped."""
        if not self._status:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head before any of the body is read."""
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise self._failed(_not_http("it changes to another protocol"))
            return
        if len(self._fields) > MAX_HEADERS or (
            self._received > MAX_HEAD_BYTES
            and sum(len(name) + len(value) for name, value in self._fields) > MAX_HEAD_BYTES
        ):
            raise self._failed(_head_too_large())
        headers = self._headers = {
            name.decode("ascii").lower(): value.strip().decode("utf-8", "surrogateescape")
            for name, value in self._fields
        }
        self._status = status
        if self._is_head:
            self._finish()
            raise BadReply("The parser would wait for a body.")
        if status in _WITHOUT_BODY:
            return
        if "transfer-encoding" in headers and headers["transfer-encoding"].lower() != "chunked":
            raise self._failed(BadReply("The backend's answer has an unknown transfer encoding."))
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            raise self._failed(too_large(MAX_BODY_BYTES))

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            raise self._failed(too_large(MAX_BODY_BYTES))
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Finish; an informational reply (1xx) is skipped."""
        if self._status:
            self._finish()
        else:
            self._fields = []
            self._chunks = []

    # --- the end of a reply ---

    def _finish(self) -> None:
        self.is_reusable = self._parser.should_keep_alive()
        try:
            self._reply = self._complete()
        except BackendError as exc:
            raise self._failed(exc) from exc

    def _complete(self) -> HttpReply:
        headers, content = self._headers, b"".join(self._chunks)
        if "content-encoding" in headers and content:
            content = _decoded(content, headers["content-encoding"].lower())
        set_cookie: tuple[str, ...] = ()
        if "set-cookie" in headers:
            set_cookie = tuple(
                value.strip().decode("utf-8", "surrogateescape")
                for name, value in self._fields
                if name.lower() == b"set-cookie"
            )
        return HttpReply(
            status=self._status,
            headers=headers,
            content=content,
            set_cookie=set_cookie,
            url=self._url,
        )

    def _after_reply(self) -> None:
        """Look at why the parser stopped behind a reply: behind a head alone it is renewed."""
        if self._is_head and self._tail == b"\r\n\r\n":
            self._parser = HttpResponseParser(self)
        else:
            self.is_reusable = False  # more came than was asked for

    def _failed(self, failure: BackendError) -> BackendError:
        """Keep an error over the parser, which tells only that there was one."""
        self._failure = failure
        return failure


def _not_http(why: str) -> Unreachable:
    return Unreachable(f"The backend does not answer: what it sends is not HTTP ({why}).")


def _head_too_large() -> BadReply:
    return BadReply(
        f"The headers of the backend's answer are larger than {MAX_HEAD_BYTES:,} bytes"
        f" or more than {MAX_HEADERS}."
    )


def _decoded(content: bytes, coding: str) -> bytes:
    """Return what a backend encoded though it was asked not to. Raises BadReply."""
    if coding in {"", "identity"}:
        return content
    bits = _WINDOW_BITS.get(coding)
    if bits is None:
        raise BadReply(f"The backend's answer is encoded as {coding[:40]!r}; none was asked for.")
    if coding == "deflate" and content[0] & 0x0F != 8:
        bits = -15  # without the zlib header, as some send it
    inflate = zlib.decompressobj(bits)
    try:
        plain = inflate.decompress(content, MAX_BODY_BYTES + 1)
    except zlib.error as exc:
        raise BadReply(f"The backend's answer is not the {coding} that it says.") from exc
    if len(plain) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    if not inflate.eof or inflate.unused_data:
        raise BadReply(f"The backend's answer is not the {coding} that it says.")
    return plain
