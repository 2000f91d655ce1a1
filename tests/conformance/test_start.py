"""PROTOCOL 2.2 and 2.3: `start`, and the idempotency key of 2.7."""

import uuid
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.connection import holes_in
from tests.conformance.target import Target


def test_started_has_all_its_fields(target: Target, connect: Connect) -> None:
    connection = connect()
    connection.send({"action": "start", "id": "mine", **target.quick.request()})
    started = connection.until(lambda frame: frame["type"] == "started", "started")

    assert set(started) >= {"id", "job", "seq", "snapshot", "recovered"}
    assert started["id"] == "mine"
    assert started["recovered"] is False
    assert started["job"] == started["snapshot"]["job"]
    assert started["seq"] == started["snapshot"]["seq"]


def test_a_job_id_is_a_uuid_of_version_7(target: Target, connect: Connect) -> None:
    job = connect().start(**target.quick.request())["job"]

    assert uuid.UUID(job).version == 7
    assert str(uuid.UUID(job)) == job


def test_a_start_is_answered_before_the_backend_is_asked(target: Target, connect: Connect) -> None:
    """What the backend says of it comes as events, also when it is quick."""
    connection = connect()

    started = [connection.start(**target.quick.request()) for _ in range(10)]

    assert [(snapshot["state"], snapshot["seq"]) for snapshot in started] == [("pending", 1)] * 10


def test_the_connection_watches_the_job_from_then_on(target: Target, connect: Connect) -> None:
    connection = connect()
    job = connection.start(**target.quick.request())["job"]

    assert connection.until_complete(job)["state"] == "succeeded"
    assert connection.events(job)[0]["type"] == "state"


def test_between_started_and_the_events_there_is_no_hole(target: Target, connect: Connect) -> None:
    """Also when others are told of the job at the same moment."""
    connection, other = connect(), connect()
    other.ask("watch", feed="jobs")

    started = [connection.start(**target.quick.request()) for _ in range(20)]

    for snapshot in started:
        connection.until_complete(snapshot["job"])
        assert holes_in(connection.events(snapshot["job"]), after=snapshot["seq"]) == []


def test_a_start_without_a_backend_takes_the_default_one(
    connect: Connect, http: httpx.Client
) -> None:
    backends = http.get("backends").json()["backends"]
    default = [backend["name"] for backend in backends if backend["default"]]

    assert [connect().start()["backend"]] == default


def test_the_params_that_are_left_out_take_the_defaults_of_the_schema(connect: Connect) -> None:
    assert connect().start()["params"] != {}


def test_title_and_labels_stand_in_the_snapshot(target: Target, connect: Connect) -> None:
    fields = {"title": "Sales of «May» ✓", "labels": ["sales", "may"]}

    snapshot = connect().start(**target.quick.request(**fields))

    assert snapshot["title"] == "Sales of «May» ✓"
    assert snapshot["labels"] == ["sales", "may"]
    assert snapshot["params"].items() >= target.quick.params.items()


def test_the_same_key_gives_the_same_job(target: Target, connect: Connect) -> None:
    key = uuid.uuid4().hex

    first = connect().start(**target.quick.request(key=key))
    second = connect().start(**target.quick.request(key=key))

    assert second["job"] == first["job"]


def test_a_repeated_start_of_a_job_that_has_ended_gives_its_end(
    target: Target, connect: Connect
) -> None:
    key = uuid.uuid4().hex
    connection = connect()
    first = connection.start(**target.quick.request(key=key))
    connection.until_complete(first["job"])

    again = connect().start(**target.quick.request(key=key))

    assert again["state"] == "succeeded"
    assert again["complete"] is True


def test_repeated_starts_join_a_running_job_without_a_hole(
    target: Target, connect: Connect
) -> None:
    first, *late = [connect() for _ in range(41)]
    for _ in range(5):
        request = target.slow.request(key=uuid.uuid4().hex)
        job = first.start(**request)["job"]
        first.until_seq(job, 4)
        for connection in late:
            connection.send({"action": "start", "id": job, **request})

        for connection in late:
            started = connection.until(lambda frame, id_=job: frame.get("id") == id_, "started")
            connection.until_seq(job, started["seq"] + 2)
            assert holes_in(connection.events(job), after=started["seq"]) == []
        first.ask("cancel", job=job)


def test_another_key_gives_another_job(target: Target, connect: Connect) -> None:
    connection = connect()

    first = connection.start(**target.quick.request(key=uuid.uuid4().hex))
    second = connection.start(**target.quick.request(key=uuid.uuid4().hex))

    assert first["job"] != second["job"]


def test_without_a_key_each_start_gives_another_job(target: Target, connect: Connect) -> None:
    connection = connect()

    first = connection.start(**target.quick.request())

    assert connection.start(**target.quick.request())["job"] != first["job"]


def test_the_same_key_with_other_params_is_a_conflict(target: Target, connect: Connect) -> None:
    key = uuid.uuid4().hex
    connection = connect()
    connection.start(**target.quick.request(key=key))

    error = connection.ask("start", **target.failing.request(key=key))

    assert error["code"] == "conflict"


def test_the_same_key_with_another_backend_is_a_conflict(target: Target, connect: Connect) -> None:
    key = uuid.uuid4().hex
    connection = connect()
    connection.start(**target.quick.request(key=key))

    error = connection.ask("start", **target.other.request(key=key))

    assert error["code"] == "conflict"


def test_the_key_is_one_space_for_websocket_and_http(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    connection = connect()

    here = connection.start(**target.quick.request(key=first))["job"]
    there = http.post(
        "jobs", json=target.quick.request(), headers={"Idempotency-Key": second}
    ).json()["job"]

    again = http.post("jobs", json=target.quick.request(), headers={"Idempotency-Key": first})
    assert again.status_code == 202
    assert again.json()["job"] == here
    assert connection.start(**target.quick.request(key=second))["job"] == there


def test_starts_with_one_key_at_once_give_one_job(target: Target, connect: Connect) -> None:
    key = uuid.uuid4().hex
    connections = [connect() for _ in range(5)]
    for connection in connections:
        connection.send({"action": "start", **target.quick.request(key=key)})

    jobs = {
        connection.until(lambda frame: frame["type"] == "started", "started")["job"]
        for connection in connections
    }

    assert len(jobs) == 1


def test_an_unknown_backend_is_refused(connect: Connect) -> None:
    assert connect().ask("start", backend="nowhere")["code"] == "unknown_backend"


def test_params_against_the_schema_are_refused_with_details(
    target: Target, connect: Connect
) -> None:
    error = connect().ask("start", **target.wrong.request())

    assert error["code"] == "bad_params"
    assert error["details"]


@pytest.mark.parametrize(
    "fields",
    [
        {"params": []},
        {"params": "text"},
        {"backend": 7},
        {"title": 7},
        {"labels": "sales"},
        {"labels": [7]},
        {"key": 7},
        {"title": "\x00"},
        {"title": "x" * 60_000},
    ],
)
def test_a_start_of_the_wrong_form_is_a_bad_message(
    target: Target, connect: Connect, fields: dict[str, Any]
) -> None:
    error = connect().ask("start", **{**target.quick.request(), **fields})

    assert (error["type"], error["code"]) == ("error", "bad_message")
