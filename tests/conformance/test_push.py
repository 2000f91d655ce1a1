"""PROTOCOL 3: a program outside reports its own progress; 1 and 2.4, as its reports show them."""

from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.connection import Connection, Frame


class Program:
    """A program outside that reports a job of its own."""

    def __init__(self, http: httpx.Client, started: Frame) -> None:
        self.job: str = started["job"]
        self.token: str = started["report_token"]
        self._http = http

    def report(self, **said: Any) -> Frame:
        """Report, and return the snapshot that is the answer."""
        answer = self.try_to_report(self.job, said)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def try_to_report(self, job: str, said: Frame) -> httpx.Response:
        """Report some job by this one's token."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        return self._http.post(f"jobs/{job}/report", json=said, headers=bearer)


@pytest.fixture
def program(http: httpx.Client) -> Program:
    return Program(http, http.post("jobs", json={"backend": "push"}).json())


@pytest.fixture
def watcher(connect: Connect, program: Program) -> Connection:
    """Somebody who watches the program's job from its beginning."""
    connection = connect()
    connection.ask("watch", job=program.job, after=0)
    return connection


def test_started_carries_a_report_token_over_the_socket_too(connect: Connect) -> None:
    started = connect().ask("start", backend="push")

    assert started["type"] == "started"
    assert started["report_token"]


def test_a_job_that_is_polled_has_no_report_token(http: httpx.Client, target: Any) -> None:
    assert "report_token" not in http.post("jobs", json=target.quick.request()).json()


def test_reports_come_to_the_watchers(program: Program, watcher: Connection) -> None:
    program.report(progress=25, message="a quarter")
    program.report(current=30, total=60, unit="rows")
    program.report(state="succeeded", result={"rows": 60})

    end = watcher.until_complete(program.job)
    told = watcher.events(program.job)
    assert [event["progress"] for event in told][-1] == 100
    assert {25, 50} <= {event["progress"] for event in told}
    assert "a quarter" in [event["message"] for event in told]
    assert (30, 60, "rows") in [(each["current"], each["total"], each["unit"]) for each in told]
    assert (end["state"], end["result"]) == ("succeeded", {"rows": 60})


def test_progress_is_null_until_something_is_known(program: Program, watcher: Connection) -> None:
    program.report(message="looking")
    watcher.until(lambda frame: frame.get("message") == "looking", "the message")

    assert [event["progress"] for event in watcher.events(program.job)] == [None] * len(
        watcher.events(program.job)
    )


def test_a_lower_figure_is_not_shown_but_its_message_is(
    program: Program, watcher: Connection
) -> None:
    program.report(progress=60)
    program.report(progress=40, message="once more from the middle")

    event = watcher.until(
        lambda frame: frame.get("message") == "once more from the middle", "the message"
    )
    assert event["progress"] == 60


def test_100_is_not_shown_before_the_end(program: Program) -> None:
    assert program.report(progress=100)["progress"] < 100
    assert program.report(state="succeeded")["progress"] == 100


def test_log_lines_are_events_and_the_last_ones_come_before_the_end(
    program: Program, watcher: Connection
) -> None:
    program.report(log="one\ntwo")
    program.report(log=["three"], state="failed", error="out of paper")

    end = watcher.until_complete(program.job)
    logs = [event for event in watcher.events(program.job) if event["type"] == "log"]
    assert [line for event in logs for line in event["lines"]] == ["one", "two", "three"]
    assert all(event["seq"] < end["seq"] and not event["complete"] for event in logs)
    assert end["error"]["message"] == "out of paper"


def test_the_token_is_good_for_its_job_alone(program: Program, http: httpx.Client) -> None:
    other = http.post("jobs", json={"backend": "push"}).json()["job"]

    assert program.try_to_report(other, {"progress": 1}).status_code == 404
    bearer = {"Authorization": f"Bearer {program.token}"}
    assert http.get(f"jobs/{program.job}", headers=bearer).json()["job"] == program.job
    assert http.get(f"jobs/{other}", headers=bearer).status_code == 404
    assert http.post("jobs", json={"backend": "push"}, headers=bearer).status_code == 403


def test_a_cancel_is_told_to_the_program_and_ends_by_its_report(
    program: Program, http: httpx.Client
) -> None:
    http.post(f"jobs/{program.job}/cancel", json={})

    assert program.report(message="about to stop")["state"] == "cancelling"
    assert program.report(state="cancelled")["state"] == "cancelled"


def test_after_the_end_a_report_changes_nothing(program: Program) -> None:
    end = program.report(state="succeeded", result=1)

    answer = program.try_to_report(program.job, {"progress": 3, "state": "failed"})

    assert answer.status_code in {200, 409}
    after = program._http.get(f"jobs/{program.job}").json()
    assert (after["state"], after["seq"], after["result"]) == ("succeeded", end["seq"], 1)


@pytest.mark.parametrize(
    "said", [{"progress": 101}, {"progress": -1}, {"progress": "half"}, {"state": "pending"}]
)
def test_a_report_of_the_wrong_form_is_a_bad_message(program: Program, said: Frame) -> None:
    answer = program.try_to_report(program.job, said)

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")


def test_a_job_that_a_backend_runs_takes_no_reports(
    http: httpx.Client, finished: tuple[str, list[Frame]]
) -> None:
    assert http.post(f"jobs/{finished[0]}/report", json={"progress": 1}).status_code == 409
