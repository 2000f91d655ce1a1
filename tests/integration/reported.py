"""A program that does its own work and reports it, for tests."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.conformance.connection import Connection, Frame, events_of, holes_in


class Program:
    """A program that does its own work; `told` is the answer to its last report."""

    def __init__(self, client: httpx.Client, job: str, token: str) -> None:
        self.client = client
        self.job = job
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}
        self.told: dict[str, Any] = {}

    def try_to_report(self, **what: Any) -> httpx.Response:
        """Send one report, whatever comes of it."""
        return self.client.post(f"jobs/{self.job}/report", json=what, headers=self.headers)

    def report(self, **what: Any) -> dict[str, Any]:
        """Send one report, which must be taken, and return the job after it."""
        answer = self.try_to_report(**what)
        assert answer.status_code == 200, answer.text
        self.told = answer.json()
        return self.told

    def log_of(self, watcher: Connection) -> list[Frame]:
        """Return all events of the job so far, from its log."""
        watching = watcher.ask("watch", job=self.job, after=0)
        watcher.until_seq(self.job, watching["seq"])
        watcher.settle()
        events = events_of(watcher.frames[watcher.frames.index(watching) :], self.job)
        assert holes_in(events) == []
        return events


NewProgram = Callable[..., Program]


def started_program(api: httpx.Client, **params: Any) -> Program:
    answer = api.post("jobs", json={"backend": "push", "params": params})
    assert answer.status_code == 202, answer.text
    return Program(api, answer.json()["job"], answer.json()["report_token"])
