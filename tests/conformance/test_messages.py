"""PROTOCOL 2.2, 2.3 and 2.7: the form of messages, `ping`, `list`, heartbeats, error codes."""

import contextlib
import json
import uuid
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conformance.conftest import Connect
from tests.conformance.connection import Frame, within_the_rate
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]


def error_to(connect: Connect, message: object) -> Frame:
    """Send a message, and return the error; the connection must stay open."""
    connection = connect()
    connection.send(message)
    error = connection.until(lambda frame: frame["type"] == "error", "an error")
    connection.settle()
    return error


def test_ping_is_answered_with_pong(connect: Connect) -> None:
    assert connect().ask("ping")["type"] == "pong"


def test_a_message_without_id_is_answered(connect: Connect) -> None:
    connection = connect()
    connection.send({"action": "ping"})

    pong = connection.until(lambda frame: frame["type"] == "pong", "pong")

    assert pong.get("id") is None


def test_an_id_of_64_characters_comes_back(connect: Connect) -> None:
    connection = connect()
    id_ = "é" * 64
    connection.send({"action": "ping", "id": id_})

    assert connection.until(lambda frame: frame["type"] == "pong", "pong")["id"] == id_


@pytest.mark.parametrize("id_", ["x" * 65, 7, {}, []])
def test_an_id_that_is_too_long_or_no_string_is_a_bad_message(connect: Connect, id_: Any) -> None:
    assert error_to(connect, {"action": "ping", "id": id_})["code"] == "bad_message"


def test_an_error_has_all_its_fields(connect: Connect) -> None:
    error = error_to(connect, {"action": "dance", "id": "d-1"})

    assert error["type"] == "error"
    assert error["id"] == "d-1"
    assert error["code"] == "unknown_action"
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["retryable"] is False


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{", '{"action":"ping"', "{'action':'ping'}", '{"action":NaN}', "[" * 5000],
)
def test_what_is_not_json_is_bad_json(connect: Connect, text: str) -> None:
    assert error_to(connect, text)["code"] == "bad_json"


@pytest.mark.parametrize("text", ["[]", "7", "null", '"ping"', "{}", '{"id":"x"}', '{"action":7}'])
def test_what_is_no_object_with_an_action_is_a_bad_message(connect: Connect, text: str) -> None:
    assert error_to(connect, text)["code"] == "bad_message"


def test_a_bad_message_that_has_an_id_gets_it_back(connect: Connect) -> None:
    assert error_to(connect, {"id": "b-1"})["id"] == "b-1"


def test_a_binary_frame_is_a_bad_message(connect: Connect) -> None:
    assert error_to(connect, b'{"action":"ping"}')["code"] == "bad_message"


@pytest.mark.parametrize("action", ["dance", "", "PING", "__init__", "x" * 1000])
def test_an_action_that_does_not_exist_is_unknown(connect: Connect, action: str) -> None:
    assert error_to(connect, {"action": action})["code"] == "unknown_action"


def test_every_frame_is_one_json_object_with_a_type(target: Target, connect: Connect) -> None:
    connection = connect()
    job = connection.start(**target.quick.request())["job"]
    connection.until_complete(job)

    assert all(isinstance(frame["type"], str) for frame in connection.frames)


def test_a_silent_connection_gets_heartbeats(connect: Connect) -> None:
    connection = connect()
    seconds = connection.hello["heartbeat"]

    heartbeat = connection.until(
        lambda frame: frame["type"] == "heartbeat", "a heartbeat", 2 * seconds + 5
    )

    assert heartbeat["at"].endswith("Z")


# --- list ---


def test_list_gives_a_page_of_snapshots(connect: Connect, finished: Finished) -> None:
    jobs = connect().ask("list", filter={"label": "conformance"})

    assert jobs["type"] == "jobs"
    assert "next" in jobs
    found = next(snapshot for snapshot in jobs["jobs"] if snapshot["job"] == finished[0])
    assert found["state"] == "succeeded"
    assert found["title"] == "Finished"


def test_list_gives_at_most_limit_jobs_and_a_cursor_to_the_next(
    target: Target, connect: Connect
) -> None:
    label = uuid.uuid4().hex
    connection = connect()
    started = {connection.start(**target.quick.request(labels=[label]))["job"] for _ in range(5)}

    seen: list[str] = []
    cursor = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = connection.ask("list", filter={"label": label}, limit=2, **more)
        assert len(page["jobs"]) <= 2
        seen += [snapshot["job"] for snapshot in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(seen) == 5
    assert set(seen) == started


@pytest.mark.parametrize("limit", [0, -1, 201, "many", 1.5, None, True])
def test_a_limit_other_than_1_to_200_is_a_bad_message(connect: Connect, limit: Any) -> None:
    assert connect().ask("list", limit=limit)["code"] == "bad_message"


@pytest.mark.parametrize("limit", [1, 200])
def test_a_limit_of_1_and_of_200_is_taken(connect: Connect, limit: int) -> None:
    answer = connect().ask("list", limit=limit)

    assert answer["type"] == "jobs", answer


@pytest.mark.parametrize("cursor", ["", "nonsense", "AAAA", 7, "ä"])
def test_a_cursor_that_is_none_is_a_bad_message(connect: Connect, cursor: Any) -> None:
    assert connect().ask("list", cursor=cursor)["code"] == "bad_message"


def test_list_filters_by_backend(target: Target, connect: Connect, finished: Finished) -> None:
    connection = connect()

    same = connection.ask("list", filter={"backend": target.quick.backend}, limit=200)
    other = connection.ask("list", filter={"backend": "nowhere"}, limit=200)

    assert {snapshot["backend"] for snapshot in same["jobs"]} == {target.quick.backend}
    assert other["jobs"] == []


def test_list_filters_by_state(connect: Connect, finished: Finished) -> None:
    connection = connect()
    label = {"label": "conformance"}

    ended = connection.ask("list", filter={"state": "succeeded", **label})
    failed = connection.ask("list", filter={"state": "failed", **label})

    assert finished[0] in [snapshot["job"] for snapshot in ended["jobs"]]
    assert failed["jobs"] == []


@pytest.mark.parametrize("state", ["asleep", "", "RUNNING", ["running", "asleep"], "x" * 1_000])
def test_a_filter_by_an_unknown_state_is_a_bad_message(connect: Connect, state: Any) -> None:
    assert connect().ask("list", filter={"state": state})["code"] == "bad_message"


# --- limits ---


def test_a_frame_of_64_kib_is_read(connect: Connect) -> None:
    connection = connect()
    text = json.dumps({"action": "ping", "id": "big", "pad": ""})
    connection.send(text.replace('""', f'"{"x" * (65536 - len(text))}"'))

    assert connection.until(lambda frame: frame.get("id") == "big", "pong")["type"] == "pong"


@pytest.mark.parametrize("text", ["x" * 65537, "é" * 40_000, "x" * 1_000_000])
def test_a_frame_of_more_than_64_kib_closes_with_1009(connect: Connect, text: str) -> None:
    connection = connect()
    connection.send(text)

    assert connection.until_close() == 1009


@pytest.mark.parametrize(
    "bad",
    ["no json", "[]", b"binary", '{"action":"dance"}', '{"action":"watch"}'],
    ids=["no json", "no object", "binary", "unknown action", "bad message"],
)
def test_ten_bad_frames_in_a_row_close_with_4400(connect: Connect, bad: str | bytes) -> None:
    connection = connect()
    for _ in range(10):
        connection.send(bad)

    assert connection.until_close() == 4400
    assert len([frame for frame in connection.frames if frame["type"] == "error"]) == 10


def test_what_was_sent_behind_the_frame_that_closed_is_not_done(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    title = uuid.uuid4().hex
    connection = connect()
    for _ in range(10):
        connection.send("no json")
    with contextlib.suppress(ConnectionClosed):  # a quick server was quicker
        for _ in range(3):
            connection.send({"action": "start", **target.quick.request(title=title)})

    assert connection.until_close() == 4400
    assert http.get("jobs", params={"q": title}).json()["jobs"] == []


def test_nine_bad_frames_and_a_good_one_close_nothing(connect: Connect) -> None:
    connection = connect()
    for _ in range(3):
        for _ in range(9):
            connection.send("no json")
        connection.ask("ping")

    connection.settle()


def test_other_errors_are_no_bad_frames(connect: Connect) -> None:
    connection = connect()
    for _ in range(12):
        assert connection.ask("watch", job=str(uuid.uuid4()))["code"] == "unknown_job"
        assert connection.ask("start", backend="nowhere")["code"] == "unknown_backend"


def test_messages_over_the_rate_are_answered_rate_limited(connect: Connect) -> None:
    connection = connect()
    for number in range(300):
        connection.send({"action": "ping", "id": str(number)})

    answers = {
        str(number): connection.until(
            lambda frame, id_=str(number): frame.get("id") == id_, f"an answer to {number}"
        )
        for number in range(300)
    }

    pongs = [frame for frame in answers.values() if frame["type"] == "pong"]
    errors = [frame for frame in answers.values() if frame["type"] == "error"]
    assert len(pongs) >= 100
    assert errors
    assert {error["code"] for error in errors} == {"rate_limited"}
    assert all(error["retryable"] and error["retry_after"] >= 0 for error in errors)


def test_the_burst_is_100_messages(connect: Connect) -> None:
    connection = connect()
    for number in range(100):
        connection.send({"action": "ping", "id": str(number)})
    last = connection.until(lambda frame: frame.get("id") == "99", "the last answer")

    assert last["type"] == "pong"
    assert [frame for frame in connection.frames if frame["type"] == "error"] == []


def test_after_a_pause_messages_are_within_the_rate_again(connect: Connect) -> None:
    connection = connect()
    for _ in range(150):
        connection.send({"action": "ping", "id": "many"})
    connection.until(lambda frame: frame.get("code") == "rate_limited", "rate_limited")

    assert within_the_rate(connection, "ping")["type"] == "pong"


def test_flooding_closes_with_4429(connect: Connect) -> None:
    connection = connect()
    for _ in range(1500):
        connection.send('{"action":"ping"}')

    assert connection.until_close() == 4429


def test_a_connection_watches_at_most_100_jobs(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    jobs = [job["job"] for job in http.get("jobs", params={"limit": 101}).json()["jobs"]]
    while len(jobs) < 101:
        jobs.append(http.post("jobs", json=target.quick.request()).json()["job"])
    connection = connect()
    for job in jobs[:100]:
        connection.send({"action": "watch", "job": job, "id": job})
    for job in jobs[:100]:
        answer = connection.until(lambda frame, id_=job: frame.get("id") == id_, "an answer")
        assert answer["type"] == "watching"

    one_more = within_the_rate(connection, "watch", job=jobs[100])
    new = within_the_rate(connection, "start", **target.quick.request())
    same = within_the_rate(connection, "watch", job=jobs[0])
    within_the_rate(connection, "unwatch", job=jobs[0])
    instead = within_the_rate(connection, "watch", job=jobs[100])

    assert one_more["code"] == "too_many_watches"
    assert new["code"] == "too_many_watches"
    assert same["type"] == "watching"
    assert instead["type"] == "watching"
