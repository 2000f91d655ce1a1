"""Programs that fall silent, and programs that are asked to stop."""

import time
from typing import Any

import httpx
import pytest

from tests.conformance.connection import Connection
from tests.integration.reported import NewProgram


def test_a_program_that_falls_silent_is_stalled_and_then_failed_by_its_own_limits(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program(stall_after=0.3, fail_after=1.2)
    program.report(progress=40)
    watcher.ask("watch", job=program.job, after=0)

    complete = watcher.until_complete(program.job)

    events = program.log_of(watcher)
    assert [(event["state"], event["condition"]) for event in events[-2:]] == [
        ("running", "stalled"), ("failed", "ok"),
    ]  # fmt: skip
    assert events[-2]["type"] == "state"
    assert (complete["error"]["code"], complete["progress"]) == ("stalled", 40)


def test_a_program_that_was_silent_and_reports_again_is_well(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program(stall_after=0.3)
    program.report(progress=40)
    watcher.ask("watch", job=program.job, after=0)
    watcher.until(lambda frame: frame.get("condition") == "stalled", "stalled")

    told = program.report(progress=40)

    assert (told["condition"], told["state"]) == ("ok", "running")


def test_a_program_that_reports_the_same_again_and_again_is_not_silent(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program(stall_after=0.6, fail_after=1.2)

    deadline = time.monotonic() + 1.4
    while time.monotonic() < deadline:
        answer = program.try_to_report(progress=40)
        assert answer.status_code in {200, 429}

    assert {event["condition"] for event in program.log_of(watcher)} == {"ok"}
    assert program.report()["complete"] is False


def test_a_program_that_never_reports_at_all_is_failed_too(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program(stall_after=0.2, fail_after=0.5)
    watcher.ask("watch", job=program.job, after=0)

    assert watcher.until_complete(program.job)["error"]["code"] == "stalled"


@pytest.mark.parametrize(
    "params",
    [{"stall_after": 0}, {"fail_after": -1}, {"stall_after": "soon"}, {"fail_after": 1e9}],
    ids=str,
)
def test_limits_that_are_none_are_refused(api: httpx.Client, params: dict[str, Any]) -> None:
    answer = api.post("jobs", json={"backend": "push", "params": params})

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_params")
    assert [problem["field"] for problem in answer.json()["details"]] == list(params)


def test_a_cancel_is_told_in_the_answer_to_the_next_report(
    new_program: NewProgram, api: httpx.Client, watcher: Connection
) -> None:
    program = new_program()
    program.report(progress=10)

    answer = api.post(f"jobs/{program.job}/cancel", json={})

    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    assert program.report(progress=20)["state"] == "cancelling"
    assert program.report(state="cancelled")["state"] == "cancelled"
    states = [event["state"] for event in program.log_of(watcher)]
    assert list(dict.fromkeys(states)) == ["pending", "running", "cancelling", "cancelled"]


def test_a_program_that_is_cancelled_before_its_first_report_is_told_too(
    new_program: NewProgram, api: httpx.Client
) -> None:
    program = new_program()

    api.post(f"jobs/{program.job}/cancel", json={})

    assert program.report(progress=20)["state"] == "cancelling"


def test_a_program_that_was_quicker_than_the_cancel_has_succeeded(
    new_program: NewProgram, api: httpx.Client
) -> None:
    program = new_program()
    program.report(progress=90)
    api.post(f"jobs/{program.job}/cancel", json={})

    assert program.report(state="succeeded", result=1)["state"] == "succeeded"


def test_a_program_that_is_cancelled_and_says_nothing_more_is_cancelled(
    new_program: NewProgram, api: httpx.Client, watcher: Connection
) -> None:
    program = new_program(stall_after=0.3, fail_after=0.8)
    program.report(progress=10)
    api.post(f"jobs/{program.job}/cancel", json={})
    watcher.ask("watch", job=program.job, after=0)

    assert watcher.until_complete(program.job)["state"] == "cancelled"
