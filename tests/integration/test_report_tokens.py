"""A report token is good for the reports of its own job, and for nothing else."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.conformance.connection import Connection, events_of, opened
from tests.conformance.stack import Stack
from tests.integration.reported import NewProgram, Program
from tests.scripted_backend import ScriptedBackend


def test_a_report_token_comes_with_the_start_over_the_socket_too(
    api: httpx.Client, watcher: Connection
) -> None:
    started = watcher.ask("start", backend="push")

    told = Program(api, started["job"], started["report_token"]).report(state="succeeded")

    assert told["state"] == "succeeded"


def test_only_reported_jobs_have_a_report_token(
    api: httpx.Client, watcher: Connection, backend: ScriptedBackend
) -> None:
    params = backend.script({"state": "succeeded"}).params

    by_http = api.post("jobs", json={"backend": "other", "params": params}).json()
    by_socket = watcher.ask("start", backend="other", params=params)

    assert "report_token" not in by_http
    assert by_socket.get("report_token") is None


def test_a_report_token_is_told_once_and_is_no_part_of_the_job(
    new_program: NewProgram, api: httpx.Client, watcher: Connection
) -> None:
    program = new_program()

    shown = [
        api.get(f"jobs/{program.job}").text,
        api.get("jobs").text,
        json.dumps(program.report()),
    ]
    shown.append(json.dumps(program.log_of(watcher)))

    assert not any(program.token in text for text in shown)


def test_a_report_token_is_good_for_no_other_job(
    new_program: NewProgram, api: httpx.Client
) -> None:
    program, other = new_program(), new_program()

    answers = [
        api.post(f"jobs/{other.job}/report", json={"progress": 5}, headers=program.headers),
        api.get(f"jobs/{other.job}", headers=program.headers),
        api.post(f"jobs/{other.job}/cancel", json={}, headers=program.headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "unknown_job")
    ] * 3
    assert api.get(f"jobs/{other.job}").json()["seq"] == 1


def test_a_report_token_starts_nothing(new_program: NewProgram, api: httpx.Client) -> None:
    headers = new_program().headers

    answers = [
        api.post("jobs", json={"backend": name, "params": {}}, headers=headers)
        for name in ("push", "other")
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "not_permitted")
    ] * 2


def test_a_report_token_neither_cancels_nor_edits_its_own_job(
    new_program: NewProgram, api: httpx.Client
) -> None:
    program = new_program()

    cancel = api.post(f"jobs/{program.job}/cancel", json={}, headers=program.headers)

    assert (cancel.status_code, cancel.json()["code"]) == (403, "not_permitted")
    assert api.get(f"jobs/{program.job}", headers=program.headers).json()["can"] == []


def test_a_report_token_lists_its_own_job_alone(new_program: NewProgram, api: httpx.Client) -> None:
    program, _ = new_program(), new_program()

    listed = api.get("jobs", headers=program.headers).json()["jobs"]

    assert [job["job"] for job in listed] == [program.job]


def test_over_the_socket_a_report_token_follows_its_own_job_alone(
    stack: Stack, new_program: NewProgram
) -> None:
    program, other = new_program(), new_program()
    with opened(stack.url, additional_headers=program.headers) as connection:
        assert connection.ask("watch", job=other.job)["code"] == "unknown_job"
        assert connection.ask("cancel", job=other.job)["code"] == "unknown_job"
        assert connection.ask("start", backend="push")["code"] == "not_permitted"
        listed = connection.ask("watch", feed="jobs")["jobs"]
        other.report(progress=10)
        program.report(progress=20)
        connection.until(
            lambda frame: frame.get("progress") == 20 and "seq" in frame, "the own report"
        )
        other.report(state="succeeded")
        program.report(state="succeeded")
        connection.until_complete(program.job)

        assert [job["job"] for job in listed] == [program.job]
        assert events_of(connection.frames, other.job) == []


@pytest.mark.parametrize(
    "change", [lambda token: token[:-1] + "x", lambda token: "prr_" + "x" * 40]
)
def test_a_report_token_that_was_changed_is_refused(
    new_program: NewProgram, change: Callable[[str], str]
) -> None:
    program = new_program()
    program.headers = {"Authorization": f"Bearer {change(program.token)}"}

    answer = program.try_to_report(progress=10)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_token_of_one_job_is_not_made_into_that_of_another(new_program: NewProgram) -> None:
    program, other = new_program(), new_program()
    other.headers = {"Authorization": f"Bearer {program.token.replace(program.job, other.job)}"}

    assert other.try_to_report(progress=10).status_code in {401, 404}


def test_a_polled_job_takes_no_reports(api: httpx.Client, backend: ScriptedBackend) -> None:
    script = backend.script({"state": "running"})
    job = api.post("jobs", json={"backend": "other", "params": script.params}).json()["job"]

    answer = api.post(f"jobs/{job}/report", json={"state": "succeeded"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    api.post(f"jobs/{job}/cancel", json={})
