"""Somebody who watches many jobs over one WebSocket, and goes on after each lost connection."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from websockets.exceptions import WebSocketException

from tests.conformance.connection import KEPT, Connection, Frame, opened

QUIET_SECONDS = 0.5
PAUSE_SECONDS = 0.2  # after a connection that failed


class Watcher(threading.Thread):
    """Watches jobs from their first event to their last, over as many connections as it takes."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.events: dict[str, list[Frame]] = {}
        self.answers: list[Frame] = []
        self.connections = 0
        self._url = url
        self._chance = random.Random(seed)
        self._has_to_end = threading.Event()

    def add(self, job: str) -> None:
        """Watch one more job."""
        self.events[job] = []

    @property
    def is_done(self) -> bool:
        """Whether all of them have ended, for this watcher."""
        return not self._open_jobs()

    def stop(self) -> None:
        """Let it end."""
        self._has_to_end.set()

    def run(self) -> None:
        while not self._has_to_end.is_set():
            with (
                suppress(OSError, TimeoutError, WebSocketException),
                opened(self._url, is_checked=False) as socket,
            ):
                self.connections += 1
                self._watch(socket)
            self._has_to_end.wait(PAUSE_SECONDS)

    def _open_jobs(self) -> Sequence[str]:
        return [
            job
            for job, events in list(self.events.items())
            if not events or events[-1]["type"] != "complete"
        ]

    def _watch(self, socket: Connection) -> None:
        """Watch until the connection is lost, or left: this one leaves now and then."""
        asked: set[str] = set()
        leaves_at = time.monotonic() + self._chance.uniform(5, 20)
        while not self._has_to_end.is_set() and time.monotonic() < leaves_at:
            for job in self._open_jobs():
                if job not in asked:
                    asked.add(job)
                    events = self.events[job]
                    after = events[-1]["seq"] if events else 0
                    socket.send({"action": "watch", "job": job, "after": after})
            with suppress(TimeoutError):
                frame = socket.receive(QUIET_SECONDS)
                if frame["type"] in {"watching", "error"}:
                    self.answers.append(frame)
                if frame.get("job") in asked and frame["type"] in KEPT:
                    self.events[frame["job"]].append(frame)
