"""PROTOCOL 2.2: `retry`, over the WebSocket and over HTTP."""

import uuid
from urllib.parse import urljoin

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Frame, holes_in
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]
SAME = ("backend", "params", "title", "labels", "owner")


def test_a_retry_is_a_new_job_that_names_the_first_one(
    connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    started = connect().ask("retry", job=finished[0])

    assert started["type"] == "started"
    snapshot = started["snapshot"]
    assert started["job"] == snapshot["job"] != finished[0]
    assert snapshot["retry_of"] == finished[0]
    assert (snapshot["state"], snapshot["complete"], snapshot["seq"]) == ("pending", False, 1)
    first = http.get(f"jobs/{finished[0]}").json()
    assert {key: snapshot[key] for key in SAME} == {key: first[key] for key in SAME}


def test_the_connection_watches_the_new_job_to_its_end(
    connect: Connect, finished: Finished
) -> None:
    connection = connect()

    job = connection.ask("retry", job=finished[0])["job"]

    assert connection.until_complete(job)["state"] == "succeeded"
    assert holes_in(connection.events(job), after=1) == []


def test_the_first_job_stays_as_it_was(
    connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    before = http.get(f"jobs/{finished[0]}").json()
    connection = connect()
    connection.until_complete(connection.ask("retry", job=finished[0])["job"])

    after = http.get(f"jobs/{finished[0]}").json()
    changing = {"watchers": 0}  # they come and go
    assert after | changing == before | changing


def test_a_failed_job_may_be_retried_too(target: Target, connect: Connect) -> None:
    connection = connect()
    failed = connection.start(**target.failing.request())["job"]
    connection.until_complete(failed)

    again = connection.ask("retry", job=failed)

    assert again["snapshot"]["retry_of"] == failed
    assert connection.until_complete(again["job"])["state"] == "failed"


def test_a_job_that_has_not_ended_cannot_be_retried(
    connect: Connect, http: httpx.Client, start_slow: StartJob
) -> None:
    job = start_slow()["job"]

    error = connect().ask("retry", job=job)
    answer = http.post(f"jobs/{job}/retry", json={})

    assert (error["type"], error["code"], error["job"]) == ("error", "not_finished", job)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")


def test_a_job_that_does_not_exist_cannot_be_retried(connect: Connect, http: httpx.Client) -> None:
    job = str(uuid.uuid4())

    assert connect().ask("retry", job=job)["code"] == "unknown_job"
    answer = http.post(f"jobs/{job}/retry", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_retry_over_http_is_202_with_the_snapshot_and_its_location(
    http: httpx.Client, finished: Finished, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"} if body else {}

    answer = http.post(f"jobs/{finished[0]}/retry", content=body, headers=headers)

    assert answer.status_code == 202
    assert answer.json()["retry_of"] == finished[0]
    found = http.get(urljoin(str(answer.url), answer.headers["Location"]))
    assert found.json()["job"] == answer.json()["job"]


def test_only_an_ended_job_can_be_retried_says_can(
    http: httpx.Client, finished: Finished, start_slow: StartJob
) -> None:
    assert "retry" in http.get(f"jobs/{finished[0]}").json()["can"]
    assert "retry" not in start_slow()["can"]


@pytest.mark.parametrize("fields", [{}, {"job": 7}, {"job": "x", "params": []}])
def test_a_retry_of_the_wrong_form_is_a_bad_message(connect: Connect, fields: Frame) -> None:
    assert connect().ask("retry", **fields)["code"] == "bad_message"


# --- beyond PROTOCOL: docs/protocol.md ---


def test_params_of_a_retry_replace_those_of_the_same_name(
    target: Target, connect: Connect, http: httpx.Client
) -> None:
    connection = connect()
    failed = connection.start(**target.failing.request())["job"]
    connection.until_complete(failed)
    name, value = next(iter(target.quick.params.items()))

    over_http = http.post(f"jobs/{failed}/retry", json={"params": {name: value}}).json()
    over_socket = connection.ask("retry", job=failed, params={name: value})["snapshot"]

    expected = {**http.get(f"jobs/{failed}").json()["params"], name: value}
    assert over_http["params"] == over_socket["params"] == expected


def test_a_retry_with_the_same_key_is_the_same_job(
    connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    key = uuid.uuid4().hex
    headers = {"Idempotency-Key": key}

    first = connect().ask("retry", job=finished[0], key=key)
    second = http.post(f"jobs/{finished[0]}/retry", json={}, headers=headers)

    assert second.json()["job"] == first["job"]


def test_a_key_of_a_start_is_not_good_for_a_retry(
    target: Target, connect: Connect, finished: Finished
) -> None:
    connection, key = connect(), uuid.uuid4().hex
    connection.start(**target.quick.request(key=key))

    assert connection.ask("retry", job=finished[0], key=key)["code"] == "conflict"


def test_a_retry_of_a_reported_job_brings_its_token(connect: Connect, http: httpx.Client) -> None:
    connection = connect()
    first = connection.ask("start", backend="push")
    http.post(
        f"jobs/{first['job']}/report",
        json={"state": "failed"},
        headers={"Authorization": f"Bearer {first['report_token']}"},
    )

    again = connection.ask("retry", job=first["job"])
    answer = http.post(f"jobs/{first['job']}/retry", json={}).json()

    for job, token in (
        (again["job"], again["report_token"]),
        (answer["job"], answer["report_token"]),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        body = {"state": "succeeded"}
        end = http.post(f"jobs/{job}/report", json=body, headers=headers)
        assert end.json()["state"] == "succeeded"
