"""An event stream for tests: it keeps every event, as the HTML standard says to read them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.conformance.connection import Frame
from tests.conformance.published import DEADLINE_SECONDS, published_at

STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class StreamedEvent:
    """One event: `id` is the last one that was told, as a browser would send it back."""

    id: str
    type: str
    data: str

    @property
    def frame(self) -> Frame:
        """What the data hold."""
        return json.loads(self.data)


class EventStream:
    """A response that is read line by line."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        url = response.url
        self._published = published_at(f"{url.scheme}://{url.netloc.decode()}")
        self.lines: list[str] = []
        self.retry: int | None = None
        self.comments = 0
        self._events = self._read()

    def next(self) -> StreamedEvent:
        """Return the next event. Raises StopIteration when the server ends the stream."""
        return next(self._events)

    def rest(self) -> list[StreamedEvent]:
        """Return all events up to the end, which must come."""
        return list(self._events)

    def until(self, type_: str) -> list[StreamedEvent]:
        """Return the events up to the first one of a type, which must come."""
        found = []
        for event in self._events:
            found.append(event)
            if event.type == type_:
                return found
        raise AssertionError(f"no {type_} came; the last: {found[-3:]}")

    def until_comment(self) -> None:
        """Read until a comment has come."""
        for line in self._lines:
            if line.startswith(":"):
                return
        raise AssertionError("the stream ended without a comment")

    def _read(self) -> Iterator[StreamedEvent]:
        id_, type_, data = "", "message", []
        self._lines = self.response.iter_lines()
        for line in self._lines:
            self.lines.append(line)
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    event = StreamedEvent(id_, type_, "\n".join(data))
                    self._published.check_event(self.response.url.path, type_, event.frame)
                    yield event
                type_, data = "message", []
            elif not field:
                self.comments += 1
            elif field == "id":
                id_ = value
            elif field == "event":
                type_ = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                self.retry = int(value)
            else:
                raise AssertionError(f"no field of an event stream: {line!r}")


@contextmanager
def streamed(http: httpx.Client, path: str, **options: Any) -> Iterator[EventStream]:
    """Open an event stream under the client's base address. It is closed after the deadline."""
    headers = {**STREAM, **options.pop("headers", {})}
    with http.stream("GET", path, headers=headers, **options) as response:
        late = threading.Timer(3 * DEADLINE_SECONDS, response.close)
        late.start()
        try:
            yield EventStream(response)
        finally:
            late.cancel()
