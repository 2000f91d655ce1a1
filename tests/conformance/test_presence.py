"""PROTOCOL 2.4 and 2.5: who watches a job."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.conformance.conftest import Connect
from tests.conformance.connection import DEADLINE_SECONDS, KEPT, Connection, Frame, opened
from tests.conformance.streams import streamed
from tests.conformance.target import ClosedTarget, Target

GONE_SECONDS = 30.0


@dataclass(frozen=True)
class SilentTab:
    """A tab on a machine that was cut off: it answers nothing, and never closes."""

    job: str
    beside: Connection
    """Another tab, that is well."""
    since: float


@pytest.fixture(scope="module", autouse=True)
def silent_tab(target: Target, http: httpx.Client) -> Iterator[SilentTab]:
    """A tab that falls silent, while the other tests run."""
    job = http.post("jobs", json=target.quick.request()).json()["job"]
    with opened(target.url) as beside, ExitStack() as stack:
        beside.ask("watch", job=job)
        silent = stack.enter_context(raw_socket(target.url))
        say(silent, target.url, {"action": "watch", "job": job})
        shown(beside, job, 2)
        yield SilentTab(job, beside, time.monotonic())


def raw_socket(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80))


def say(silent: socket.socket, url: str, message: Frame) -> None:
    """Open a WebSocket and send a message on it; answer nothing of what comes."""
    protocol = ClientProtocol(parse_uri(url.replace("http", "ws", 1) + "/prog/"))
    protocol.send_request(protocol.connect())
    silent.sendall(b"".join(protocol.data_to_send()))
    while protocol.state.name != "OPEN":
        protocol.receive_data(silent.recv(4096))
    protocol.send_text(json.dumps(message).encode())
    silent.sendall(b"".join(protocol.data_to_send()))


@pytest.fixture
def job(target: Target, http: httpx.Client) -> str:
    """A job of this test alone."""
    return http.post("jobs", json=target.quick.request()).json()["job"]


def presence_of(connection: Connection, job: str) -> list[Frame]:
    return [
        frame for frame in connection.frames if frame["type"] == "presence" and frame["job"] == job
    ]


def shown(connection: Connection, job: str, count: int, seconds: float = DEADLINE_SECONDS) -> Frame:
    """Return the last presence event of a job as soon as it has this count."""
    deadline = time.monotonic() + seconds
    while not (told := presence_of(connection, job)) or told[-1]["watchers"]["count"] != count:
        try:
            connection.receive(deadline - time.monotonic())
        except TimeoutError as error:
            raise AssertionError(f"{count} watchers were never told: {told}") from error
    return told[-1]


def counted(http: httpx.Client, job: str, count: int) -> None:
    """Wait until HTTP tells this count."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (present := http.get(f"jobs/{job}").json()["watchers"]) != count:
        assert time.monotonic() < deadline, f"{present} watchers in place of {count}"
        time.sleep(0.05)


def test_watchers_are_told_when_somebody_comes_and_goes(connect: Connect, job: str) -> None:
    connection, other = connect(), connect()
    connection.ask("watch", job=job)
    shown(connection, job, 1)

    other.ask("watch", job=job)
    for each in (connection, other):
        assert shown(each, job, 2)["watchers"] == {"count": 2, "names": []}
    other.socket.close()

    shown(connection, job, 1)


def test_who_ends_the_watch_is_no_longer_counted_and_told(connect: Connect, job: str) -> None:
    connection, other = connect(), connect()
    for each in (connection, other):
        each.ask("watch", job=job)
    shown(connection, job, 2)

    other.ask("unwatch", job=job)
    shown(connection, job, 1)
    other.settle()

    assert presence_of(other, job)[-1]["watchers"]["count"] == 2


def test_a_connection_that_breaks_off_without_a_goodbye_is_gone(connect: Connect, job: str) -> None:
    connection, other = connect(), connect()
    for each in (connection, other):
        each.ask("watch", job=job)
    shown(connection, job, 2)

    other.socket.socket.shutdown(socket.SHUT_RDWR)

    shown(connection, job, 1)


def test_presence_has_no_seq_and_is_not_kept(connect: Connect, job: str) -> None:
    connection = connect()
    connection.ask("watch", job=job)
    frame = shown(connection, job, 1)
    connection.until_complete(job)

    assert "seq" not in frame
    late = connect()
    late.ask("watch", job=job, after=0)
    late.settle()
    assert {event["type"] for event in late.events(job)} <= KEPT
    shown(late, job, 2)


def test_a_watch_that_is_repeated_counts_once(connect: Connect, job: str) -> None:
    connection = connect()
    for _ in range(3):
        connection.ask("watch", job=job)
    shown(connection, job, 1)
    connection.settle()

    assert len(presence_of(connection, job)) == 1


def test_who_started_a_job_is_its_first_watcher(target: Target, connect: Connect) -> None:
    connection = connect()
    started = connection.ask("start", **target.quick.request())

    assert started["snapshot"]["watchers"] == 1
    shown(connection, started["job"], 1)


def test_a_watcher_of_the_feed_is_no_watcher_of_a_job(
    connect: Connect, http: httpx.Client, target: Target
) -> None:
    label = uuid.uuid4().hex
    feed, connection = connect(), connect()
    feed.ask("watch", feed="jobs", filter={"label": label})

    job = connection.start(**target.quick.request(labels=[label]))["job"]
    shown(connection, job, 1)
    connection.until_complete(job)
    feed.until_complete(job)

    assert presence_of(feed, job) == []
    assert len(presence_of(connection, job)) == 1


def test_the_snapshot_tells_how_many_watch(connect: Connect, http: httpx.Client, job: str) -> None:
    connection, other = connect(), connect()
    assert http.get(f"jobs/{job}").json()["watchers"] == 0
    assert connection.ask("watch", job=job)["snapshot"]["watchers"] == 1
    assert other.ask("watch", job=job)["snapshot"]["watchers"] == 2

    counted(http, job, 2)
    listed = http.get("jobs", params={"limit": 200}).json()["jobs"]
    assert [each["watchers"] for each in listed if each["job"] == job] == [2]
    listed = other.ask("list", limit=200)["jobs"]
    assert [each["watchers"] for each in listed if each["job"] == job] == [2]

    for each in (connection, other):
        each.socket.close()
    counted(http, job, 0)


def test_an_event_stream_is_a_watcher_too(
    connect: Connect, http: httpx.Client, target: Target
) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]
    shown(connection, job, 1)

    with streamed(http, f"jobs/{job}/events") as stream:
        stream.next()
        shown(connection, job, 2)

    shown(connection, job, 1)
    connection.ask("cancel", job=job)


def test_users_are_named_each_once(closed: ClosedTarget) -> None:
    def headers(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    with ExitStack() as stack:
        staff, one, again = (
            stack.enter_context(opened(closed.url, additional_headers=headers(visitor.token)))
            for visitor in (closed.staff, closed.one, closed.one)
        )
        job = one.start(**closed.work.request())["job"]
        for each in (staff, again):
            each.ask("watch", job=job)

        names = shown(staff, job, 3)["watchers"]["names"]

    assert names == sorted([closed.staff.name, closed.one.name])


def test_a_tab_that_was_cut_off_is_gone_in_30_s(silent_tab: SilentTab) -> None:
    """The last test of this module, for while the others ran it fell silent."""
    left = silent_tab.since + GONE_SECONDS - time.monotonic()

    shown(silent_tab.beside, silent_tab.job, 1, max(left, 0.1))
