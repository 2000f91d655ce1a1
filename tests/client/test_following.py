"""Following a job by each kind of client, on each way, over bad networks: nothing lost or twice."""

import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from progrock.client import (
    Client,
    CommentEvent,
    CompleteEvent,
    Condition,
    EditedEvent,
    Event,
    JobCancelled,
    LogEvent,
    ProgressEvent,
    Refused,
    ServerAway,
    SnapshotEvent,
    State,
    StateEvent,
)
from progrock.client.route import Transport
from tests.client.kinds import Clients
from tests.client.proxy import Proxy
from tests.conformance.stack import open_stack
from tests.conformance.target import Target
from tests.launcher_process import wait_until

WAYS = pytest.mark.parametrize("way", list(Transport))


def whole(events: Iterable[Event], after: int = 0) -> list[Event]:
    """Return events once it is sure that none is missing and none comes twice, up to the end."""
    told = list(events)
    for event in told:
        assert event.seq == after + 1 + event.skipped, f"{event} after {after}"
        after = event.seq
    assert [event.complete for event in told] == [False] * (len(told) - 1) + [True]
    assert isinstance(told[-1], CompleteEvent)
    return told


@WAYS
def test_all_events_come_up_to_the_end(clients: Clients, target: Target, way: str) -> None:
    job = clients(target.url, transports=[way]).start("steps", title="Followed")

    events = whole(job, after=1)

    assert isinstance(events[0], StateEvent)
    assert {event.job for event in events} == {job.id}
    assert [event.progress for event in events if isinstance(event, ProgressEvent)][-1] == 90
    assert events[-1].state is State.SUCCEEDED
    assert events[-1].condition is Condition.OK
    assert events[-1].result == {"pictures": 3}
    assert job.snapshot.complete
    assert job.snapshot.progress == 100
    assert job.snapshot.finished == events[-1].at
    assert job.snapshot.raw | {"can": [], "watchers": None} == (
        clients(target.url).job(job.id).snapshot.raw | {"can": [], "watchers": None}
    )


@WAYS
def test_an_iteration_that_was_left_is_gone_on_with(
    clients: Clients, target: Target, way: str
) -> None:
    job = clients(target.url, transports=[way]).start("steps")
    first = list(itertools.islice(job, 3))
    assert [event.seq for event in first] == [2, 3, 4]
    whole(job, after=4)
    (last,) = list(job)
    assert isinstance(last, SnapshotEvent)
    assert last.complete


@WAYS
def test_all_events_are_given_again_from_any_seq(
    clients: Clients, target: Target, way: str
) -> None:
    job = clients(target.url, transports=[way]).start("steps", script="quick")
    job.result()
    last = job.snapshot.seq
    for after in (0, 2, last - 1):
        whole(job.events(after=after), after=after)
    for after in (last, last + 5):
        (event,) = job.events(after=after)
        assert isinstance(event, SnapshotEvent)


def test_one_who_joins_later_goes_on_from_the_snapshot(client: Any) -> None:
    job = client.start("steps")
    next(iter(job))
    joined = client.job(job.id)
    whole(joined, after=joined.snapshot.seq)


def test_comments_edits_and_log_lines_are_events_of_their_own(client: Any) -> None:
    job = client.start("push", title="Talked about")
    job.edit(note="look here")
    job.comment("seen")
    job.report(log=["line one", "line two"], progress=3)
    job.report(state="succeeded", result=[1])
    events = whole(job, after=1)
    (edited,) = (event for event in events if isinstance(event, EditedEvent))
    assert edited.changes == {"note": "look here"}
    (comment,) = (event for event in events if isinstance(event, CommentEvent))
    assert comment.comment.text == "seen"
    (log,) = (event for event in events if isinstance(event, LogEvent))
    assert log.lines == ("line one", "line two")


@pytest.mark.parametrize(
    ("way", "bytes_"),
    [(Transport.WEBSOCKET, 1_500), (Transport.STREAM, 1_500), (Transport.POLLING, 6_000)],
)
def test_over_a_network_that_cuts_each_connection_nothing_is_lost_or_twice(
    clients: Clients, proxy: Proxy, way: str, bytes_: int
) -> None:
    proxy.cut_after = bytes_  # a few frames; of polling, the longest answer
    client = clients(proxy.url, transports=[way])
    job = client.start("steps", script="default")
    whole(job, after=1)
    assert len(proxy.requests) >= 3


def test_a_watcher_that_is_cut_off_in_the_middle_goes_on(clients: Clients, proxy: Proxy) -> None:
    job = clients(proxy.url).start("steps", script="default")
    events = []
    cuts = 0
    for event in job:
        events.append(event)
        if event.seq in {3, 7, 9}:  # what has come already is still told
            cuts += proxy.cut()
    whole(events, after=1)
    assert cuts >= 1


def test_the_server_may_go_away_and_come_back(clients: Clients, proxy: Proxy) -> None:
    job = clients(proxy.url).start("steps", script="default")
    events = []
    for event in job:
        events.append(event)
        if event.seq == 3:
            proxy.is_away = True
            back = threading.Timer(0.7, setattr, (proxy, "is_away", False))
            back.start()
    whole(events, after=1)
    back.join()


def test_a_web_server_that_is_killed_loses_no_event(
    target: Target, pytestconfig: pytest.Config
) -> None:
    stack = open_stack(pytestconfig)
    job = Client(target.url).start("steps", script="default")
    events = []
    for event in job:
        events.append(event)
        if event.seq == 4:
            stack.launcher.kill_child("web")
    whole(events, after=1)


@pytest.mark.parametrize("how", ["forbid", "close"])
def test_where_no_websocket_passes_it_goes_on_by_a_stream(
    clients: Clients, proxy: Proxy, how: str
) -> None:
    proxy.websockets = how
    client = clients(proxy.url)
    whole(client.start("steps", script="quick"), after=1)
    whole(client.start("steps", script="quick"), after=1)
    assert paths(proxy).count("GET /prog/") == 1  # the second job knows the way
    assert any("/events" in path for path in paths(proxy))


@pytest.mark.parametrize("how", ["forbid", "close"])
def test_where_no_stream_passes_either_it_goes_on_by_long_polling(
    clients: Clients, proxy: Proxy, how: str
) -> None:
    proxy.websockets = proxy.streams = how
    client = clients(proxy.url)
    whole(client.start("steps", script="quick"), after=1)
    assert any("wait=" in path for path in paths(proxy))


def test_a_websocket_that_is_held_is_given_up(
    clients: Clients, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("progrock.client.conversation.HELLO_SECONDS", 0.2)
    proxy.websockets = "hold"
    whole(clients(proxy.url).start("steps", script="quick"), after=1)


def test_a_stream_that_is_held_is_given_up(
    clients: Clients, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("progrock.client.following.STREAM_SILENCE_SECONDS", 0.3)
    proxy.websockets, proxy.streams = "close", "hold"
    whole(clients(proxy.url).start("steps", script="quick"), after=1)


def test_a_job_may_be_followed_by_another_way_at_each_seq(clients: Clients, target: Target) -> None:
    client = clients(target.url)
    job = client.start("steps")
    ways = itertools.cycle(Transport)
    told: list[Event] = []
    while not (told and told[-1].complete):
        follower = clients(target.url, transports=[next(ways)])
        told += itertools.islice(follower.job(job.id).events(after=len(told)), 2)
    whole(told)


def test_a_server_that_stays_away_is_given_up_after_the_patience(
    clients: Clients, proxy: Proxy
) -> None:
    job = clients(proxy.url, patience=0.5).start("steps", script="slow")
    events = iter(job)
    next(events)
    proxy.is_away = True
    with pytest.raises(ServerAway, match=proxy.url):
        for _ in events:
            pass
    proxy.is_away = False
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result()


def test_a_job_that_may_not_be_seen_ends_the_iteration(clients: Clients, target: Target) -> None:
    client = clients(target.url, transports=["websocket"])
    job = client.start("steps", script="quick")
    job.known.snapshot = type(job.snapshot).read(
        {**job.snapshot.raw, "job": "0198c0de-0000-7000-8000-000000000001"}
    )
    with pytest.raises(Refused) as refused:
        list(job)
    assert refused.value.code == "unknown_job"


@WAYS
def test_the_feed_tells_what_there_is_and_then_what_happens(
    clients: Clients, target: Target, way: str
) -> None:
    client = clients(target.url, transports=[way])
    label = f"feed-{way}-{id(client)}"
    earlier = client.start("steps", script="quick", labels=[label])
    earlier.result()
    feed = client.feed(label=label)
    first = next(feed)
    assert isinstance(first, SnapshotEvent)
    assert (first.job, first.complete) == (earlier.id, True)
    later = client.start("steps", script="quick", labels=[label])
    last = until(feed, lambda event: event.job == later.id and event.complete)
    assert last.state is State.SUCCEEDED


@WAYS
def test_a_feed_that_was_cut_off_tells_what_was_missed(
    clients: Clients, proxy: Proxy, target: Target, way: str
) -> None:
    label = f"cut-{way}-{id(clients)}"
    job = clients(target.url).start("push", labels=[label])
    feed = clients(proxy.url, transports=[way]).feed(label=label)
    seen = [next(feed)]
    proxy.is_away = True
    job.report(progress=50)
    job.report(state="succeeded")
    threading.Timer(0.3, setattr, (proxy, "is_away", False)).start()
    seen += [until(feed, lambda event: event.complete)]
    assert [event.job for event in seen] == [job.id, job.id]


def until(events: Any, fits: Callable[[Event], bool]) -> Event:
    """Return the first event that fits."""
    return next(event for event in events if fits(event))


def paths(proxy: Proxy) -> list[str]:
    """Return what was asked for through a proxy, without the protocol."""
    return [line.rpartition(" ")[0] for line in proxy.requests]


def test_an_iteration_that_is_left_leaves_no_connection(
    clients: Clients, proxy: Proxy, target: Target
) -> None:
    job = clients(proxy.url, transports=["websocket"]).start("steps", script="slow")
    events = iter(job)
    next(events)
    connected = proxy.connections
    events.close()
    wait_until(lambda: proxy.connections < connected, "the connection is closed")
    job.cancel()
