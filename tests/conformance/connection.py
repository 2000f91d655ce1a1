"""A WebSocket connection for tests: it keeps every frame, and waits with a deadline."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.conformance.published import DEADLINE_SECONDS, Published, published_at

KEPT = frozenset({"state", "progress", "log", "comment", "edited", "complete"})
"""The types of the events that have a `seq`."""

Frame = dict[str, Any]


class Connection:
    """An open connection; `hello` is its first frame, `frames` are all that came so far."""

    def __init__(self, socket: ClientConnection, published: Published | None = None) -> None:
        self.socket = socket
        self.published = published
        self.frames: list[Frame] = []
        self._ids = (f"ask-{number}" for number in itertools.count(1))

    @property
    def hello(self) -> Frame:
        """The first frame."""
        return self.until(lambda frame: True, "the first frame")

    def send(self, message: object) -> None:
        """Send one message as JSON, or a text or bytes as they are."""
        is_raw = isinstance(message, str | bytes)
        self.socket.send(message if is_raw else json.dumps(message))

    def ask(self, action: str, **fields: Any) -> Frame:
        """Send a message under an id of its own, and return the frame that answers it."""
        id_ = next(self._ids)
        self.send({"action": action, "id": id_, **fields})
        return self.until(lambda frame: frame.get("id") == id_, f"an answer to {action}")

    def start(self, **fields: Any) -> Frame:
        """Start a job, and return the snapshot with which it began."""
        answer = self.ask("start", **fields)
        assert answer["type"] == "started", answer
        return answer["snapshot"]

    def receive(self, seconds: float = DEADLINE_SECONDS) -> Frame:
        """Return the next frame. Raises TimeoutError, or ConnectionClosed."""
        frame = json.loads(self.socket.recv(timeout=max(seconds, 0.0)))
        self.frames.append(frame)
        if self.published is not None:
            self.published.check_frame(frame)
        return frame

    def until(
        self, fits: Callable[[Frame], bool], what: str, seconds: float = DEADLINE_SECONDS
    ) -> Frame:
        """Return the first frame that fits, among all that came and those that come in time."""
        deadline = time.monotonic() + seconds
        for frame in self.frames:
            if fits(frame):
                return frame
        while True:
            try:
                frame = self.receive(deadline - time.monotonic())
            except (TimeoutError, ConnectionClosed) as error:
                raise AssertionError(
                    f"{what} did not come ({error or type(error).__name__}); "
                    f"the last of {len(self.frames)} frames: {self.last_told()}"
                ) from error
            if fits(frame):
                return frame

    def until_complete(self, job: str, seconds: float = DEADLINE_SECONDS) -> Frame:
        """Return the job's `complete` event."""
        return self.until(
            lambda frame: frame.get("job") == job and frame["type"] == "complete",
            f"the end of {job}",
            seconds,
        )

    def until_seq(self, job: str, seq: int) -> Frame:
        """Return the first event of a job with this `seq` or a later one."""
        return self.until(
            lambda frame: frame.get("job") == job and frame["type"] in KEPT and frame["seq"] >= seq,
            f"event {seq} of {job}",
        )

    def until_close(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Take all that comes, and return the code with which the server closes."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.receive(deadline - time.monotonic())
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006
            except TimeoutError as error:
                raise AssertionError(f"still open; last frames: {self.last_told()}") from error

    def last_told(self) -> list[Frame]:
        """Return the last frames that say more than that the server is there."""
        return [frame for frame in self.frames if frame["type"] != "heartbeat"][-8:]

    def settle(self) -> None:
        """Take all that the server sent before it could answer one more message."""
        self.ask("ping")

    def events(self, job: str) -> list[Frame]:
        """Return the events of a job that came so far."""
        return events_of(self.frames, job)


@contextmanager
def opened(url: str, *, is_checked: bool = True, **options: Any) -> Iterator[Connection]:
    """Connect to `/prog/` of a server, `http://…`. `options` are those of websockets' connect.

    With `is_checked` each frame must be one that the server's `asyncapi.json` tells of.
    Raises InvalidStatus where the handshake is refused.
    """
    address = url.replace("http", "ws", 1).rstrip("/") + "/prog/"
    quiet = {"compression": None, "ping_interval": None, "close_timeout": 1}
    with connect(address, open_timeout=DEADLINE_SECONDS, **{**quiet, **options}) as socket:
        yield Connection(socket, published_at(url.rstrip("/")) if is_checked else None)


def within_the_rate(connection: Connection, action: str, **fields: Any) -> Frame:
    """Ask until the answer is another one than `rate_limited`."""
    while (answer := connection.ask(action, **fields)).get("code") == "rate_limited":
        pass
    return answer


def events_of(frames: Iterable[Frame], job: str) -> list[Frame]:
    """Return the events of a job among some frames."""
    return [frame for frame in frames if frame.get("job") == job and frame["type"] in KEPT]


def holes_in(events: Iterable[Frame], after: int = 0) -> list[str]:
    """Return what is wrong with the numbers of a job's events; empty where nothing is.

    Each is one more than that before it; only a `progress` that says what it `skipped` may be more.
    """
    wrong = []
    for event in events:
        skipped = event.get("skipped", 0) if event["type"] == "progress" else 0
        if event["seq"] != after + 1 + skipped:
            wrong.append(f"{event['type']} {event['seq']} after {after}")
        after = event["seq"]
    return wrong
