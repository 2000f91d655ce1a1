"""PROTOCOL 2.2: `cancel`, over the WebSocket and over HTTP."""

import uuid

import httpx

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Frame
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]


def test_a_cancelled_job_turns_cancelling_first_and_cancelled_then(
    target: Target, connect: Connect
) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]
    connection.until(lambda frame: frame.get("state") == "running", "running")

    ack = connection.ask("cancel", job=job)
    complete = connection.until_complete(job)

    assert (ack["type"], ack["job"]) == ("ack", job)
    states = list(dict.fromkeys(event["state"] for event in connection.events(job)))
    assert states[-2:] == ["cancelling", "cancelled"]
    turned = next(event for event in connection.events(job) if event["state"] == "cancelling")
    assert turned["type"] == "state"
    assert complete["state"] == "cancelled"
    assert complete["progress"] is None or complete["progress"] < 100


def test_a_job_can_be_cancelled_right_after_its_start(target: Target, connect: Connect) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]

    assert connection.ask("cancel", job=job)["type"] == "ack"
    assert connection.until_complete(job)["state"] == "cancelled"


def test_who_does_not_watch_a_job_may_cancel_it(
    target: Target, connect: Connect, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    connection, watcher = connect(), connect()
    watcher.ask("watch", job=job)

    connection.ask("cancel", job=job)
    watcher.until_complete(job)

    connection.settle()
    assert connection.events(job) == []


def test_a_second_cancel_is_accepted_as_long_as_the_job_has_not_ended(
    target: Target, connect: Connect
) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]
    first = connection.ask("cancel", job=job)
    second = connection.ask("cancel", job=job)
    connection.until_complete(job)

    assert first["type"] == "ack"
    # Either it came in time, or the first one was quicker.
    assert second["type"] == "ack" or second["code"] == "not_cancellable"
    turned = [event for event in connection.events(job) if event["state"] == "cancelling"]
    assert len([event for event in turned if event["type"] == "state"]) <= 1


def test_a_job_that_has_ended_is_not_cancellable(connect: Connect, finished: Finished) -> None:
    error = connect().ask("cancel", job=finished[0])

    assert error["code"] == "not_cancellable"
    assert error["job"] == finished[0]


def test_a_job_that_does_not_exist_cannot_be_cancelled(connect: Connect) -> None:
    assert connect().ask("cancel", job=str(uuid.uuid4()))["code"] == "unknown_job"


def test_cancel_over_http_is_202_and_comes_to_the_watchers(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]

    answer = http.post(f"jobs/{job}/cancel", json={})

    assert answer.status_code == 202
    assert connection.until_complete(job)["state"] == "cancelled"


def test_cancel_over_http_of_a_job_that_has_ended_is_409(
    http: httpx.Client, finished: Finished
) -> None:
    answer = http.post(f"jobs/{finished[0]}/cancel", json={})

    assert answer.status_code == 409
    assert answer.json()["code"] == "not_cancellable"


def test_cancel_over_http_of_an_unknown_job_is_404(http: httpx.Client) -> None:
    answer = http.post(f"jobs/{uuid.uuid4()}/cancel", json={})

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_job"


def test_the_snapshot_of_a_cancelled_job_says_why_it_ended(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    connection = connect()
    job = connection.start(**target.slow.request())["job"]
    connection.ask("cancel", job=job)
    connection.until_complete(job)

    snapshot = http.get(f"jobs/{job}").json()

    assert snapshot["state"] == "cancelled"
    assert snapshot["complete"] is True
    assert snapshot["finished"] is not None
