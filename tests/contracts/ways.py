"""The four ways to read one log (PROTOCOL 4), each from a seq on: generators of event frames.

They go on for as long as somebody takes; whoever has enough closes them.
"""

import time
from collections.abc import Callable, Iterator

import httpx

from tests.conformance.connection import Frame, opened
from tests.conformance.published import client_of
from tests.conformance.streams import streamed

WAIT_SECONDS = 20
POLL_SECONDS = 0.1
Way = Callable[[str, str, int], Iterator[Frame]]


def by_websocket(url: str, job: str, after: int) -> Iterator[Frame]:
    """Watch a job over a WebSocket."""
    with opened(url) as connection:
        assert connection.ask("watch", job=job, after=after)["recovered"]
        given = 0
        while True:
            for frame in connection.events(job)[given:]:
                given += 1
                yield frame
            connection.receive()


def by_event_stream(url: str, job: str, after: int) -> Iterator[Frame]:
    """Read a job's event stream, as a browser does that comes back."""
    came_back = {"headers": {"Last-Event-ID": str(after)}} if after else {"params": {"after": 0}}
    with (
        client_of(url, "/api/v1/", verify=False) as client,
        streamed(client, f"jobs/{job}/events", **came_back) as stream,
    ):
        while True:
            event = stream.next()
            assert (event.id, event.type) == (str(event.frame["seq"]), event.frame["type"])
            yield event.frame


def by_long_polling(url: str, job: str, after: int) -> Iterator[Frame]:
    """Wait for a job's next event, and then read what has come."""
    with client_of(url, "/api/v1/", verify=False) as client:
        while True:
            later = {"after": after, "wait": WAIT_SECONDS}
            snapshot = client.get(f"jobs/{job}", params=later).json()
            for frame in _events(client, job, after) if snapshot["seq"] > after else ():
                after = frame["seq"]
                yield frame


def by_short_polling(url: str, job: str, after: int) -> Iterator[Frame]:
    """Ask again and again whether a job has changed, and then read what has come."""
    with client_of(url, "/api/v1/", verify=False) as client:
        while True:
            answer = client.get(f"jobs/{job}", headers={"If-None-Match": f'W/"{after}"'})
            for frame in _events(client, job, after) if answer.status_code == 200 else ():
                after = frame["seq"]
                yield frame
            time.sleep(POLL_SECONDS)


def _events(client: httpx.Client, job: str, after: int) -> list[Frame]:
    page = client.get(f"jobs/{job}/events", params={"after": after, "limit": 3}).json()
    assert page["recovered"]
    return page["events"]


WAYS: dict[str, Way] = {
    "WebSocket": by_websocket,
    "event stream": by_event_stream,
    "long polling": by_long_polling,
    "short polling": by_short_polling,
}
