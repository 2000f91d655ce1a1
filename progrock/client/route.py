"""Which transport to use: WebSocket, else an event stream, else long polling. Pure.

They tell the same events, so a watcher may change between them at any seq. A network that lets no
WebSocket pass (a proxy, a firewall) is found out once for all jobs of a client.
"""

from collections.abc import Sequence
from enum import StrEnum

RETRY_BETTER_SECONDS = 60.0


class Transport(StrEnum):
    """A way to follow a job, the best first."""

    WEBSOCKET = "websocket"
    STREAM = "sse"
    POLLING = "polling"


class Route:
    """The transport that passes, as far as it is known. Shared by all followers of a client."""

    def __init__(self, transports: Sequence[Transport | str] = tuple(Transport)) -> None:
        self._transports = [Transport(each) for each in transports]
        if not self._transports:
            raise ValueError("Name at least one transport.")
        self._at = 0
        self._tried_best_at: float | None = None

    def choose(self, now: float) -> Transport:
        """Return what to use for the next connection; the best is tried again now and then."""
        if (
            self._at
            and self._tried_best_at is not None
            and now - self._tried_best_at >= RETRY_BETTER_SECONDS
        ):
            self._at = 0
        if self._at == 0:
            self._tried_best_at = now
        return self._transports[self._at]

    def step_down(self, failed: Transport) -> bool:
        """Leave a transport that does not pass; False where it was the last: all begin again."""
        if self._transports[self._at] is not failed:  # another follower has left it already
            return True
        if self._at + 1 < len(self._transports):
            self._at += 1
            return True
        self._at = 0
        return False
