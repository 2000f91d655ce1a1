"""PROTOCOL 3: server-sent events, of one job and of all."""

import itertools
import uuid
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Frame, events_of, holes_in
from tests.conformance.published import client_of
from tests.conformance.streams import StreamedEvent, streamed
from tests.conformance.target import Target
from tests.conformance.test_events import IN_A_SNAPSHOT
from tests.conformance.test_http_errors import problem

Finished = tuple[str, list[Frame]]
NO_JOB = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"


def frames_in(events: list[StreamedEvent]) -> list[Frame]:
    """Return the frames of the events of a job's stream; each must say the same outside."""
    for event in events:
        assert event.type == event.frame["type"]
        assert event.id == str(event.frame["seq"])
    return [event.frame for event in events]


# --- a job ---


def test_a_job_is_streamed_from_its_snapshot_to_its_end(target: Target, http: httpx.Client) -> None:
    job = http.post("jobs", json=target.quick.request()).json()["job"]

    with streamed(http, f"jobs/{job}/events") as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        first, *events = frames_in(stream.rest())

    assert first["type"] == "snapshot"
    assert set(first) >= IN_A_SNAPSHOT
    assert first["job"] == job
    assert holes_in(events, first["seq"]) == []
    assert events[-1]["type"] == "complete"


def test_a_stream_of_an_ended_job_is_its_snapshot_and_the_end(
    http: httpx.Client, finished: Finished
) -> None:
    job, _ = finished

    with streamed(http, f"jobs/{job}/events") as stream:
        (event,) = frames_in(stream.rest())

    assert event["type"] == "snapshot"
    assert event["complete"] is True


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("way", ["query", "header", "both"])
def test_a_stream_resumes_after_a_seq(
    http: httpx.Client, finished: Finished, after: int, way: str
) -> None:
    job, live = finished
    header = {"Last-Event-ID": str(after)}
    options: dict[str, Any] = {
        "query": {"params": {"after": after}},
        "header": {"headers": header},
        # A browser that comes back asks the first address again, and says what it has since.
        "both": {"params": {"after": 0}, "headers": header},
    }[way]

    with streamed(http, f"jobs/{job}/events", **options) as stream:
        events = frames_in(stream.rest())

    assert holes_in(events, after) == []
    assert events[-1]["type"] == "complete"
    told = {event["seq"]: event for event in events_of(live, job)}
    assert [told.get(event["seq"], event) for event in events] == events


@pytest.mark.parametrize(
    "options",
    [
        {"params": {"after": 10**6}},
        {"headers": {"Last-Event-ID": "1000000"}},
        {"headers": {"Last-Event-ID": "9" * 30}},
        {"headers": {"Last-Event-ID": "nonsense"}},
        {"headers": {"Last-Event-ID": "-1"}},
    ],
    ids=str,
)
def test_where_a_replay_is_impossible_the_stream_begins_with_a_snapshot(
    http: httpx.Client, finished: Finished, options: dict[str, Any]
) -> None:
    job, _ = finished

    with streamed(http, f"jobs/{job}/events", **options) as stream:
        (event,) = frames_in(stream.rest())

    assert event["type"] == "snapshot"


def test_a_stream_after_the_last_event_of_an_ended_job_ends_at_once(
    http: httpx.Client, finished: Finished
) -> None:
    job, _ = finished
    seq = http.get(f"jobs/{job}").json()["seq"]

    with streamed(http, f"jobs/{job}/events", params={"after": seq}) as stream:
        assert stream.response.status_code == 200
        assert stream.rest() == []


def test_a_browser_that_has_all_of_an_ended_job_is_told_not_to_come_again(
    http: httpx.Client, finished: Finished
) -> None:
    """HTML 9.2: "a client can be told to stop reconnecting using HTTP 204"."""
    job, _ = finished
    seq = http.get(f"jobs/{job}").json()["seq"]

    answer = http.get(
        f"jobs/{job}/events", headers={"Accept": "text/event-stream", "Last-Event-ID": str(seq)}
    )

    assert answer.status_code == 204


def test_a_stream_tells_when_to_come_back(http: httpx.Client, finished: Finished) -> None:
    with streamed(http, f"jobs/{finished[0]}/events") as stream:
        stream.rest()

    assert stream.retry is not None
    assert 0 < stream.retry <= 60_000


def test_a_stream_that_breaks_off_is_taken_up_without_loss_or_repetition(
    http: httpx.Client, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    events: list[Frame] = []
    for length in (1, 3, 2, 4):
        last = {"Last-Event-ID": str(events[-1]["seq"])} if events else {}
        with streamed(http, f"jobs/{job}/events", params={"after": 0}, headers=last) as stream:
            events += frames_in([stream.next() for _ in range(length)])

    assert holes_in(events) == []


def test_a_silent_stream_gets_comments(
    connect: Connect, http: httpx.Client, start_slow: StartJob
) -> None:
    heartbeat = connect().hello["heartbeat"]
    with streamed(
        http, "events", params={"label": uuid.uuid4().hex}, timeout=heartbeat + 10
    ) as stream:
        assert stream.next().type == "snapshot"
        stream.until_comment()


def test_proxies_are_told_to_hand_each_event_on(http: httpx.Client, finished: Finished) -> None:
    with streamed(http, f"jobs/{finished[0]}/events") as stream:
        stream.rest()

    assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert "no-transform" in stream.response.headers["Cache-Control"]


def test_many_streams_do_not_hold_up_other_calls(
    target: Target, http: httpx.Client, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    limits = httpx.Limits(max_connections=None)
    with client_of(target.url, "/api/v1/", limits=limits) as client:
        opened = [streamed(client, f"jobs/{job}/events") for _ in range(50)]
        streams = [stream.__enter__() for stream in opened]
        seen = [frames_in([stream.next() for _ in range(3)]) for stream in streams]
        answer = http.get(f"{target.url}/healthz").status_code
        for stream in opened:
            stream.__exit__(None, None, None)

    assert answer == 200
    assert all(holes_in(frames[1:], frames[0]["seq"]) == [] for frames in seen)


# --- refusals ---


@pytest.mark.parametrize("job", [NO_JOB, "nothing"])
def test_a_stream_of_an_unknown_job_is_404(http: httpx.Client, job: str) -> None:
    answer = http.get(f"jobs/{job}/events", headers={"Accept": "text/event-stream"})

    problem(answer, 404, "unknown_job")


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("jobs/{job}/events", {"after": "x"}),
        ("jobs/{job}/events", {"after": -1}),
        ("jobs/{job}/events", {"after": 10**20}),
        ("events", {"state": "asleep"}),
        ("events", {"mine": "perhaps"}),
        ("events", {"label": "\x00"}),
    ],
    ids=str,
)
def test_a_stream_that_cannot_be_had_is_a_bad_message(
    http: httpx.Client, finished: Finished, path: str, params: dict[str, Any]
) -> None:
    answer = http.get(
        path.format(job=finished[0]), params=params, headers={"Accept": "text/event-stream"}
    )

    problem(answer, 422, "bad_message")


@pytest.mark.parametrize("path", ["jobs/{job}/events", "events"])
def test_a_stream_is_refused_as_every_call_is(
    http: httpx.Client, finished: Finished, path: str
) -> None:
    full = path.format(job=finished[0])
    accept = {"Accept": "text/event-stream"}

    problem(http.get(full, headers={**accept, "Host": "elsewhere.example"}), 400)
    wrong = {**accept, "Authorization": "Bearer wrong"}
    problem(http.get(full, headers=wrong), 401, "not_authenticated")
    problem(http.post(full, headers=accept, json={}), 405)


# --- the feed ---


def test_the_feed_begins_with_the_list_and_goes_on_with_events(
    target: Target, http: httpx.Client, finished: Finished
) -> None:
    label = uuid.uuid4().hex
    with streamed(http, "events", params={"label": label}) as stream:
        snapshot = stream.next()
        job = http.post("jobs", json=target.quick.request(labels=[label])).json()["job"]
        events = [event.frame for event in stream.until("complete")]

    assert snapshot.type == "snapshot"
    assert snapshot.frame["jobs"] == []
    assert snapshot.frame["next"] is None
    assert {event["job"] for event in events} == {job}
    assert holes_in(events) == []


def test_the_feed_tells_of_the_jobs_that_are_there(http: httpx.Client, finished: Finished) -> None:
    with streamed(http, "events", params={"label": "conformance"}) as stream:
        snapshot = stream.next().frame

    assert finished[0] in [job["job"] for job in snapshot["jobs"]]


@pytest.mark.parametrize("way", ["query", "header"])
def test_the_feed_resumes_where_it_broke_off(target: Target, http: httpx.Client, way: str) -> None:
    """At least once: a frame whose seq is there already is old (PROTOCOL 2.2)."""
    label = uuid.uuid4().hex
    asked = {"label": label}
    with streamed(http, "events", params=asked) as stream:
        stream.next()
        jobs = [
            http.post("jobs", json=target.quick.request(labels=[label])).json()["job"]
            for _ in range(3)
        ]
        before = [stream.next() for _ in range(4)]
    for job in jobs:
        while not http.get(f"jobs/{job}", params={"after": 10**6, "wait": 1}).json()["complete"]:
            pass
    last = before[-1].id
    options: dict[str, Any] = {
        "query": {"params": {**asked, "after": last}},
        "header": {"params": asked, "headers": {"Last-Event-ID": last}},
    }[way]

    told: dict[str, set[int]] = {job: set() for job in jobs}
    with streamed(http, "events", **options) as stream:
        resumed: list[StreamedEvent] = []
        while sum(event.type == "complete" for event in resumed) < len(jobs):
            resumed.append(stream.next())
    for event in itertools.chain(before, resumed):
        assert event.type != "snapshot"
        told[event.frame["job"]].add(event.frame["seq"])

    for job in jobs:
        seq = http.get(f"jobs/{job}").json()["seq"]
        assert told[job] == set(range(1, seq + 1))


@pytest.mark.parametrize("last", ["7", "nonsense", "99999999999999999999", "0"])
def test_a_feed_that_cannot_resume_begins_with_the_list(
    http: httpx.Client, finished: Finished, last: str
) -> None:
    with streamed(http, "events", headers={"Last-Event-ID": last}) as stream:
        first = stream.next()

    assert first.type in {"snapshot", "state"}  # the whole log, where it is a short one


def test_the_feed_is_filtered(target: Target, http: httpx.Client) -> None:
    label = uuid.uuid4().hex
    asked = {"label": label, "state": ["succeeded"]}
    with streamed(http, "events", params=asked) as stream:
        stream.next()
        http.post("jobs", json=target.quick.request(labels=[label]))
        event = stream.next()

    assert event.type == "complete"
    assert event.frame["state"] == "succeeded"


def test_the_feed_is_a_stream_only(http: httpx.Client) -> None:
    problem(http.get("events", headers={"Accept": "application/json"}), 406)
    with streamed(http, "events", headers={"Accept": "*/*"}) as stream:
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
