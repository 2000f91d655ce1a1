"""PROTOCOL 3: jobs and backends over HTTP."""

import threading
import time
import uuid
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import Frame
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]


def test_a_start_is_202_with_the_snapshot_and_its_location(
    target: Target, http: httpx.Client
) -> None:
    answer = http.post("jobs", json=target.quick.request(title="By HTTP", labels=["http"]))

    assert answer.status_code == 202
    snapshot = answer.json()
    assert snapshot["state"] == "pending"
    assert snapshot["title"] == "By HTTP"
    assert snapshot["labels"] == ["http"]
    found = http.get(urljoin(str(answer.url), answer.headers["Location"]))
    assert found.json()["job"] == snapshot["job"]


def test_a_start_without_a_backend_takes_the_default_one(http: httpx.Client) -> None:
    backends = http.get("backends").json()["backends"]
    default = [backend["name"] for backend in backends if backend["default"]]

    assert [http.post("jobs", json={}).json()["backend"]] == default


def test_the_same_idempotency_key_gives_the_same_job(target: Target, http: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    first = http.post("jobs", json=target.quick.request(), headers=headers)
    second = http.post("jobs", json=target.quick.request(), headers=headers)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["job"] == second.json()["job"]


def test_the_same_idempotency_key_with_other_params_is_409(
    target: Target, http: httpx.Client
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    http.post("jobs", json=target.quick.request(), headers=headers)

    answer = http.post("jobs", json=target.failing.request(), headers=headers)

    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"


def test_a_job_that_was_started_by_http_runs_to_its_end(target: Target, http: httpx.Client) -> None:
    snapshot = http.post("jobs", json=target.quick.request()).json()
    while not snapshot["complete"]:
        after = {"after": snapshot["seq"], "wait": 20}
        snapshot = http.get(f"jobs/{snapshot['job']}", params=after).json()

    assert snapshot["state"] == "succeeded"
    assert snapshot["progress"] == 100


# --- lists ---


def test_the_list_has_jobs_and_next(http: httpx.Client, finished: Finished) -> None:
    answer = http.get("jobs", params={"label": "conformance"})

    assert answer.status_code == 200
    assert set(answer.json()) >= {"jobs", "next"}
    assert finished[0] in [job["job"] for job in answer.json()["jobs"]]


@pytest.mark.parametrize(
    ("filter_", "is_found"),
    [
        ({"state": "succeeded"}, True),
        ({"state": "failed"}, False),
        ({"backend": "nowhere"}, False),
        ({"label": "elsewhere"}, False),
        ({"q": "Finished"}, True),
        ({"q": "finish"}, True),
        ({"q": "No such title"}, False),
        ({"mine": "false"}, True),
    ],
    ids=lambda value: (
        "&".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_the_list_is_filtered(
    http: httpx.Client, finished: Finished, filter_: dict[str, str], is_found: bool
) -> None:
    answer = http.get("jobs", params={"label": "conformance", **filter_, "limit": 200})

    assert answer.status_code == 200
    assert (finished[0] in [job["job"] for job in answer.json()["jobs"]]) is is_found


def test_the_list_is_given_page_by_page(target: Target, http: httpx.Client) -> None:
    label = uuid.uuid4().hex
    started = [
        http.post("jobs", json=target.quick.request(labels=[label])).json()["job"] for _ in range(5)
    ]

    seen: list[str] = []
    params: dict[str, Any] = {"label": label, "limit": 2}
    while True:
        page = http.get("jobs", params=params).json()
        seen += [job["job"] for job in page["jobs"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]

    assert sorted(seen) == sorted(started)


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"cursor": "nonsense"}, {"state": "asleep"}],
    ids=str,
)
def test_a_list_that_cannot_be_had_is_a_bad_message(
    http: httpx.Client, params: dict[str, Any]
) -> None:
    answer = http.get("jobs", params=params)

    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_message"


@pytest.mark.parametrize("field", ["q", "label", "backend", "state", "cursor"])
@pytest.mark.parametrize("odd", ["\x00", "%", "_", "\N{PILE OF POO}", "zq" * 75], ids=ascii)
def test_a_filter_with_odd_characters_is_no_fault_of_the_server(
    http: httpx.Client, field: str, odd: str
) -> None:
    answer = http.get("jobs", params={field: odd})

    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 200:
        assert answer.json()["jobs"] == []


# --- short and long polling ---


def test_the_etag_is_the_seq(http: httpx.Client, finished: Finished) -> None:
    answer = http.get(f"jobs/{finished[0]}")

    assert answer.headers["ETag"] == f'W/"{answer.json()["seq"]}"'


@pytest.mark.parametrize("form", ["{etag}", '"x", {etag}', '{etag} , W/"0"'])
def test_if_none_match_of_the_present_seq_is_304(
    http: httpx.Client, finished: Finished, form: str
) -> None:
    etag = http.get(f"jobs/{finished[0]}").headers["ETag"]

    answer = http.get(f"jobs/{finished[0]}", headers={"If-None-Match": form.format(etag=etag)})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == etag


def test_if_none_match_of_an_older_seq_is_200(http: httpx.Client, finished: Finished) -> None:
    answer = http.get(f"jobs/{finished[0]}", headers={"If-None-Match": 'W/"1"'})

    assert answer.status_code == 200
    assert answer.json()["job"] == finished[0]


def test_a_long_poll_that_is_behind_is_answered_at_once(
    http: httpx.Client, finished: Finished
) -> None:
    answer = http.get(f"jobs/{finished[0]}", params={"after": 1, "wait": 60}, timeout=20)

    assert answer.json()["seq"] > 1


def test_without_wait_the_answer_comes_at_once_as_it_is(
    http: httpx.Client, start_slow: StartJob
) -> None:
    job = start_slow()["job"]

    answer = http.get(f"jobs/{job}", params={"after": 10**6})

    assert answer.status_code == 200
    assert answer.json()["seq"] < 10**6


def test_a_long_poll_is_answered_when_something_changes(
    http: httpx.Client, start_slow: StartJob
) -> None:
    snapshot = start_slow()
    for _ in range(5):
        before = snapshot["seq"]
        snapshot = http.get(
            f"jobs/{snapshot['job']}", params={"after": before, "wait": 60}, timeout=30
        ).json()
        assert snapshot["seq"] > before


def test_a_long_poll_in_which_nothing_changes_ends_with_the_snapshot_as_it_is(
    http: httpx.Client, start_slow: StartJob
) -> None:
    job = start_slow()["job"]

    answer = http.get(f"jobs/{job}", params={"after": 10**6, "wait": 0.5})

    assert answer.status_code == 200
    assert answer.json()["job"] == job


def test_many_long_polls_do_not_hold_up_other_calls(target: Target, http: httpx.Client) -> None:
    job = http.post("jobs", json={"backend": "push"}).json()["job"]  # nothing happens to it
    answers: list[int] = []

    def wait() -> None:
        later = {"after": 1, "wait": 60}
        reply = httpx.get(f"{target.url}/api/v1/jobs/{job}", params=later, timeout=90)
        answers.append(reply.status_code)

    threads = [threading.Thread(target=wait) for _ in range(30)]
    for thread in threads:
        thread.start()
    while_they_wait = http.get(f"{target.url}/healthz").status_code, len(answers)
    http.post(f"jobs/{job}/cancel", json={})
    for thread in threads:
        thread.join()

    assert while_they_wait == (200, 0)
    assert answers == [200] * 30


def test_short_polling_websocket_and_long_polling_tell_the_same(
    connect: Connect, http: httpx.Client, start_slow: StartJob
) -> None:
    """PROTOCOL 4: the same seq, whichever way it is read."""
    job = start_slow()["job"]
    seen: list[tuple[int, str, float | None]] = []
    after = 0
    for _ in range(3):
        snapshot = http.get(f"jobs/{job}", params={"after": after, "wait": 20}).json()
        seen.append((snapshot["seq"], snapshot["state"], snapshot["progress"]))
        after = snapshot["seq"]
    connection = connect()
    connection.ask("watch", job=job, after=0)
    connection.settle()

    log = {event["seq"]: event for event in connection.events(job)}
    assert seen == [(seq, log[seq]["state"], log[seq]["progress"]) for seq, _, _ in seen]


@pytest.mark.parametrize("params", [{"after": -1}, {"after": "x"}, {"after": 0, "wait": "x"}])
def test_a_poll_of_the_wrong_form_is_a_bad_message(
    http: httpx.Client, finished: Finished, params: dict[str, Any]
) -> None:
    answer = http.get(f"jobs/{finished[0]}", params=params)

    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_message"


# --- backends ---


def test_backends_have_all_their_fields(target: Target, http: httpx.Client) -> None:
    backends = http.get("backends").json()["backends"]

    for backend in backends:
        described = {"name", "title", "description", "default", "condition", "params"}
        assert described <= set(backend)
    assert target.quick.backend in [backend["name"] for backend in backends]


def test_the_params_of_a_backend_are_a_json_schema(target: Target, http: httpx.Client) -> None:
    backend = http.get(f"backends/{target.wrong.backend}").json()

    assert backend["params"]["type"] == "object"
    assert set(target.wrong.params) <= set(backend["params"]["properties"])


def test_one_backend_is_the_same_as_in_the_list(target: Target, http: httpx.Client) -> None:
    backends = http.get("backends").json()["backends"]
    listed = next(backend for backend in backends if backend["name"] == target.quick.backend)

    assert http.get(f"backends/{target.quick.backend}").json() == listed


def test_a_backends_address_is_nowhere_to_be_seen(http: httpx.Client) -> None:
    assert "base_url" not in http.get("backends").text
    assert "http://" not in http.get("backends").text


def test_an_unknown_backend_is_404(http: httpx.Client) -> None:
    answer = http.get("backends/nowhere")

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_backend"


# --- outside the prefix ---


def test_healthz_says_that_the_process_lives(target: Target, http: httpx.Client) -> None:
    assert http.get(f"{target.url}/healthz").status_code == 200


def test_readyz_says_that_all_parts_work(target: Target, http: httpx.Client) -> None:
    assert http.get(f"{target.url}/readyz").status_code == 200


def test_the_page_is_there(target: Target, http: httpx.Client) -> None:
    answer = http.get(target.url)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_job_has_a_page_of_its_own(
    target: Target, http: httpx.Client, finished: Finished
) -> None:
    answer = http.get(f"{target.url}/jobs/{finished[0]}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_admin_asks_who_is_there(target: Target, http: httpx.Client) -> None:
    answer = http.get(f"{target.url}/admin/", follow_redirects=True)

    assert answer.status_code == 200
    assert 'name="password"' in answer.text


def test_a_new_job_is_in_the_list_at_once(target: Target, http: httpx.Client) -> None:
    before = time.time_ns()

    job = http.post("jobs", json=target.quick.request(title=f"At {before}")).json()["job"]

    found = http.get("jobs", params={"q": f"At {before}"}).json()["jobs"]
    assert [snapshot["job"] for snapshot in found] == [job]
