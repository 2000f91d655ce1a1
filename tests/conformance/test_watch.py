"""PROTOCOL 2.2 and 2.3: `watch` with and without `after`, `unwatch`, and the feed."""

import uuid

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Frame, events_of, holes_in
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]


NO_JOB = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"


def test_a_watch_without_after_begins_from_a_snapshot(connect: Connect, finished: Finished) -> None:
    job, _ = finished

    watching = connect().ask("watch", job=job)

    assert watching["type"] == "watching"
    assert watching["job"] == job
    assert watching["recovered"] is False
    assert watching["snapshot"]["state"] == "succeeded"
    assert watching["seq"] == watching["snapshot"]["seq"]


def test_a_watch_without_after_replays_nothing(connect: Connect, finished: Finished) -> None:
    job, _ = finished
    connection = connect()

    connection.ask("watch", job=job)
    connection.settle()

    assert connection.events(job) == []


def test_after_0_asks_for_the_whole_log(connect: Connect, finished: Finished) -> None:
    job, _ = finished
    connection = connect()

    watching = connection.ask("watch", job=job, after=0)
    connection.settle()

    assert watching["recovered"] is True
    assert "snapshot" not in watching
    events = connection.events(job)
    assert holes_in(events) == []
    assert events[-1]["seq"] == watching["seq"]
    assert events[-1]["type"] == "complete"


def test_a_replay_holds_the_same_frames_as_were_sent_live(
    connect: Connect, finished: Finished
) -> None:
    job, live = finished
    connection = connect()

    connection.ask("watch", job=job, after=0)
    connection.settle()

    kept = {event["seq"]: event for event in connection.events(job)}
    for event in events_of(live, job):
        if "skipped" not in event:
            assert kept[event["seq"]] == event


def test_after_n_gives_all_events_after_n_and_none_other(
    connect: Connect, finished: Finished
) -> None:
    job, _ = finished
    connection = connect()

    watching = connection.ask("watch", job=job, after=2)
    connection.settle()

    assert watching["recovered"] is True
    seqs = [event["seq"] for event in connection.events(job)]
    assert seqs == list(range(3, watching["seq"] + 1))


def test_after_the_present_seq_is_recovered_and_nothing_follows(
    connect: Connect, finished: Finished
) -> None:
    job, _ = finished
    connection = connect()
    seq = connection.ask("watch", job=job)["seq"]

    watching = connection.ask("watch", job=job, after=seq)
    connection.settle()

    assert watching["recovered"] is True
    assert "snapshot" not in watching
    assert connection.events(job) == []


@pytest.mark.parametrize("beyond", [1, 10**6, 2**50])
def test_after_beyond_the_log_begins_again_from_a_snapshot(
    connect: Connect, finished: Finished, beyond: int
) -> None:
    job, live = finished
    connection = connect()

    watching = connection.ask("watch", job=job, after=events_of(live, job)[-1]["seq"] + beyond)

    assert watching["recovered"] is False
    assert watching["snapshot"]["job"] == job


def test_the_answer_to_a_watch_comes_before_its_events(
    connect: Connect, finished: Finished
) -> None:
    job, _ = finished
    connection = connect()

    connection.ask("watch", job=job, after=0)
    connection.settle()

    assert [frame["type"] for frame in connection.frames[:2]] == ["hello", "watching"]


def test_a_running_job_is_replayed_and_then_goes_on_without_a_hole(
    connect: Connect, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    connection = connect()
    connection.ask("watch", job=job)
    connection.until_seq(job, 5)

    late = connect()
    watching = late.ask("watch", job=job, after=1)
    late.until_seq(job, watching["seq"] + 5)

    assert watching["recovered"] is True
    assert holes_in(late.events(job), after=1) == []


def test_between_a_snapshot_and_the_events_there_is_no_hole(
    connect: Connect, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    for _ in range(5):
        connection = connect()
        watching = connection.ask("watch", job=job)
        connection.until_seq(job, watching["seq"] + 2)

        assert holes_in(connection.events(job), after=watching["seq"]) == []


def test_many_watchers_of_a_job_see_the_same_events(
    target: Target, connect: Connect, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    connections = [connect() for _ in range(5)]
    for connection in connections:
        connection.ask("watch", job=job, after=0)
    for connection in connections:
        connection.until_seq(job, 6)

    seen = [connection.events(job)[:6] for connection in connections]
    assert all(events == seen[0] for events in seen)


def test_one_connection_watches_several_jobs(target: Target, connect: Connect) -> None:
    connection = connect()
    started = [connection.start(**target.quick.request()) for _ in range(3)]

    for snapshot in started:
        connection.until_complete(snapshot["job"])
        assert holes_in(connection.events(snapshot["job"]), after=snapshot["seq"]) == []


def test_unwatched_names_the_job(connect: Connect, finished: Finished) -> None:
    job, _ = finished
    connection = connect()
    connection.ask("watch", job=job)

    unwatched = connection.ask("unwatch", job=job)

    assert unwatched["type"] == "unwatched"
    assert unwatched["job"] == job


def test_after_unwatch_no_event_of_the_job_comes(connect: Connect, start_slow: StartJob) -> None:
    job = start_slow()["job"]
    connection, other = connect(), connect()
    connection.ask("watch", job=job)
    connection.ask("unwatch", job=job)
    seq = other.ask("watch", job=job)["seq"]
    other.until_seq(job, seq + 3)

    connection.settle()

    assert [event for event in connection.events(job) if event["seq"] > seq] == []


def test_a_job_can_be_watched_again(connect: Connect, start_slow: StartJob) -> None:
    job = start_slow()["job"]
    connection = connect()
    connection.ask("watch", job=job)
    connection.ask("unwatch", job=job)

    watching = connection.ask("watch", job=job, after=0)
    connection.until_seq(job, watching["seq"] + 1)

    begin = connection.frames.index(watching)
    assert holes_in(events_of(connection.frames[begin:], job)) == []


@pytest.mark.parametrize(
    "job", ["", "nothing", "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11", "0" * 32, "x" * 1000]
)
def test_a_job_that_does_not_exist_is_unknown(connect: Connect, job: str) -> None:
    assert connect().ask("watch", job=job)["code"] == "unknown_job"


@pytest.mark.parametrize(
    "fields",
    [{}, {"job": 7}, {"job": "x", "after": -1}, {"job": "x", "after": "1"}, {"feed": "everything"}],
)
def test_a_watch_of_the_wrong_form_is_a_bad_message(
    connect: Connect, fields: dict[str, object]
) -> None:
    assert connect().ask("watch", **fields)["code"] == "bad_message"


# --- the feed ---


def test_a_watch_of_the_feed_is_answered_with_the_jobs(
    connect: Connect, finished: Finished
) -> None:
    job, _ = finished

    watching = connect().ask("watch", feed="jobs", filter={"label": "conformance"})

    assert watching["type"] == "watching"
    assert "next" in watching
    assert job in [snapshot["job"] for snapshot in watching["jobs"]]


def test_the_feed_brings_the_events_of_every_job_that_matches(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    label = uuid.uuid4().hex
    watcher = connect()
    watcher.ask("watch", feed="jobs", filter={"label": label})

    jobs = [
        http.post("jobs", json=work.request(labels=[label])).json()["job"]
        for work in (target.quick, target.other)
    ]

    for job in jobs:
        watcher.until_complete(job)
        assert holes_in(watcher.events(job)) == []


def test_the_feed_leaves_out_what_does_not_match(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    label = uuid.uuid4().hex
    watcher = connect()
    watcher.ask("watch", feed="jobs", filter={"backend": target.other.backend, "label": label})

    without = http.post("jobs", json=target.other.request()).json()["job"]
    elsewhere = http.post("jobs", json=target.quick.request(labels=[label])).json()["job"]
    wanted = http.post("jobs", json=target.other.request(labels=[label])).json()["job"]
    watcher.until_complete(wanted)

    assert watcher.events(without) == []
    assert watcher.events(elsewhere) == []


def test_a_feed_of_a_state_brings_the_events_of_that_state(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    label = uuid.uuid4().hex
    watcher = connect()
    watcher.ask("watch", feed="jobs", filter={"state": "succeeded", "label": label})

    job = http.post("jobs", json=target.quick.request(labels=[label])).json()["job"]
    watcher.until_complete(job)

    assert [event["type"] for event in watcher.events(job)] == ["complete"]


def test_a_job_in_the_feed_that_is_also_watched_comes_once(
    target: Target, connect: Connect
) -> None:
    connection = connect()
    connection.ask("watch", feed="jobs")

    job = connection.start(**target.quick.request())["job"]
    connection.until_complete(job)
    connection.settle()

    seqs = [event["seq"] for event in connection.events(job)]
    assert len(seqs) == len(set(seqs))
    assert seqs[-1] == max(seqs)


def test_after_unwatch_of_the_feed_nothing_comes(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    watcher, other = connect(), connect()
    watcher.ask("watch", feed="jobs")

    unwatched = watcher.ask("unwatch", feed="jobs")
    job = other.start(**target.quick.request())["job"]
    other.until_complete(job)
    watcher.settle()

    assert unwatched["feed"] == "jobs"
    assert watcher.events(job) == []


def test_the_feed_of_an_unknown_state_is_a_bad_message(connect: Connect) -> None:
    error = connect().ask("watch", feed="jobs", filter={"state": "sleeping"})

    assert error["code"] == "bad_message"
