"""Programs report their own jobs: each report counts once, and a flood of them is few events."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from progrock.jobs.reporting import BURST, PER_SECOND
from tests.conformance.connection import Connection
from tests.integration.reported import NewProgram, Program, started_program

JSON = {"Content-Type": "application/json"}
FLOOD = 250  # reports, of which a burst of 100 may pass at once


def test_a_reported_job_goes_from_its_first_report_to_its_end(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program()

    program.report(current=1, total=4, unit="rows", message="reading")
    program.report(progress=50)
    program.report(state="succeeded", result={"rows": 4})

    events = program.log_of(watcher)
    assert [(event["state"], event["progress"]) for event in events] == [
        ("pending", None), ("running", 25), ("running", 50), ("succeeded", 100),
    ]  # fmt: skip
    assert [events[1][key] for key in ("current", "total", "unit", "message")] == [
        1, 4, "rows", "reading",
    ]  # fmt: skip
    assert (events[-1]["type"], events[-1]["result"]) == ("complete", {"rows": 4})


def test_the_answer_to_a_report_is_the_job_as_it_is_then(
    new_program: NewProgram, api: httpx.Client
) -> None:
    program = new_program()

    told = program.report(progress=30, message="on the way")

    present = api.get(f"jobs/{program.job}").json()
    others = {"can", "watchers"}  # of whoever asks: a program is not told who watches
    assert told.keys() == present.keys()
    assert {key: told[key] for key in told.keys() - others} == {
        key: present[key] for key in present.keys() - others
    }
    assert (told["progress"], told["message"], told["state"]) == (30, "on the way", "running")


def test_what_a_report_leaves_out_stays_as_it_is(new_program: NewProgram) -> None:
    program = new_program()
    program.report(progress=30, message="on the way", unit="rows")

    told = program.report(progress=40)

    assert (told["message"], told["unit"]) == ("on the way", "rows")


def test_a_total_that_was_reported_once_holds(new_program: NewProgram) -> None:
    program = new_program()
    program.report(current=0, total=200)

    told = program.report(current=50)

    assert [told[key] for key in ("current", "total", "progress")] == [50, 200, 25]


def test_reported_progress_does_not_go_back(new_program: NewProgram, watcher: Connection) -> None:
    program = new_program()

    program.report(progress=60)
    told = program.report(progress=20, message="again")

    assert (told["progress"], told["message"]) == (60, "again")


@pytest.mark.parametrize("log", ["one\ntwo", ["one", "two"]], ids=["text", "list"])
def test_reported_log_lines_become_log_events(
    new_program: NewProgram, watcher: Connection, log: Any
) -> None:
    program = new_program()

    program.report(log=log)
    program.report(log="three", state="failed", error="It broke.")

    events = program.log_of(watcher)
    told = [event["lines"] for event in events if event["type"] == "log"]
    assert told == [["one", "two"], ["three"]]
    assert [event["type"] for event in events[-2:]] == ["log", "complete"]


def test_reported_steps_stand_in_the_snapshot(new_program: NewProgram) -> None:
    steps = [
        {"name": "read", "state": "succeeded", "progress": 100, "weight": 3},
        {"name": "write", "state": "running", "progress": 20, "weight": 1},
    ]

    told = new_program().report(steps=steps)

    assert [(step["name"], step["progress"]) for step in told["steps"]] == [
        ("read", 100), ("write", 20),
    ]  # fmt: skip
    assert told["progress"] == 80


@pytest.mark.parametrize(
    "error", ["The disk is full.", {"code": "disk_full", "message": "The disk is full."}], ids=type
)
def test_a_reported_failure_has_its_reason(new_program: NewProgram, error: Any) -> None:
    told = new_program().report(state="failed", error=error)

    assert told["complete"] is True
    assert told["error"]["code"] == "backend_failed"
    assert "The disk is full." in told["error"]["message"]


def test_after_its_end_a_job_takes_no_report(new_program: NewProgram, watcher: Connection) -> None:
    program = new_program()
    program.report(state="succeeded")
    before = program.log_of(watcher)

    answer = program.try_to_report(progress=10, state="failed")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert program.log_of(watcher) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("progress", 101),
        ("progress", -1),
        ("progress", "much"),
        ("current", -1),
        ("total", [1]),
        ("unit", "u" * 61),
        ("message", "m" * 2_001),
        ("message", 7),
        ("message", "a\x00b"),
        ("log", [7]),
        ("log", ["l"] * 1_001),
        ("state", "meditating"),
        ("state", "timed_out"),
        ("error", 7),
        ("number", 0),
        ("number", -1),
        ("steps", "none"),
        ("result", {"a": "\x00"}),
        ("progres", 10),
    ],
)
def test_a_bad_field_is_refused_by_its_name_and_nothing_is_taken(
    new_program: NewProgram, api: httpx.Client, field: str, value: Any
) -> None:
    program = new_program()

    answer = program.try_to_report(**{"message": "taken", field: value})

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")
    assert field in {problem["field"].partition(".")[0] for problem in answer.json()["details"]}
    assert api.get(f"jobs/{program.job}").json()["seq"] == 1


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "1e400", "9" * 400, r'"\ud800"', r'{"\udfff": 1}', "[" * 300 + "]" * 300],
    ids=["nan", "infinity", "1e400", "400 digits", "half a character", "half a key", "deep"],
)
def test_a_result_that_cannot_be_kept_is_refused_and_spoils_no_report_of_another(
    new_program: NewProgram, api: httpx.Client, text: str
) -> None:
    """Reports of one moment are written together; one must not take the others along."""
    odd, other = new_program(), new_program()
    body = f'{{"progress": 10, "result": {text}}}'.encode()

    def report_odd() -> httpx.Response:
        url = f"jobs/{odd.job}/report"
        return api.post(url, content=body, headers={**odd.headers, **JSON})

    with ThreadPoolExecutor(6) as pool:
        odd_answers = [pool.submit(report_odd) for _ in range(3)]
        answers = [pool.submit(other.try_to_report, progress=step) for step in (10, 20, 30)]

    assert {future.result().status_code for future in odd_answers} <= {200, 400, 422}
    assert {future.result().status_code for future in answers} == {200}
    assert odd.report(progress=20)["progress"] == 20
    assert api.get(f"jobs/{odd.job}").status_code == 200


# --- once, and not too often --------------------------------------------------------------------


def test_a_report_that_is_sent_again_is_taken_once(
    new_program: NewProgram, watcher: Connection
) -> None:
    program = new_program()

    first = program.report(number=1, progress=10, log="once")
    again = program.report(number=1, progress=10, log="once")

    assert again["seq"] == first["seq"]
    assert [event.get("lines") for event in program.log_of(watcher) if "lines" in event] == [
        ["once"]
    ]


def test_a_report_that_is_sent_again_at_once_is_taken_once(
    new_program: NewProgram, watcher: Connection
) -> None:
    """A client whose request seems lost does not wait for what becomes of it."""
    program = new_program()

    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(program.try_to_report, number=1, progress=10, log="once") for _ in range(8)
        ]

    assert {future.result().status_code for future in sent} == {200}
    told = [line for event in program.log_of(watcher) for line in event.get("lines", [])]
    assert told == ["once"]


def test_a_late_report_changes_nothing(new_program: NewProgram, watcher: Connection) -> None:
    program = new_program()
    program.report(number=5, message="five")

    told = program.report(number=4, message="four", log="late")

    assert told["message"] == "five"
    assert all(event["type"] != "log" for event in program.log_of(watcher))


def test_the_end_may_be_reported_again(new_program: NewProgram) -> None:
    program = new_program()
    program.report(number=1, progress=10)
    end = program.report(number=2, state="succeeded", result=1)

    assert program.report(number=2, state="succeeded", result=1)["seq"] == end["seq"]


@dataclass(frozen=True)
class Flood:
    """What a program sent as fast as it could, and then its end; `answers` are to all of it."""

    program: Program
    answers: list[httpx.Response]
    seconds: float


@pytest.fixture(scope="module")
def flood(api: httpx.Client) -> Flood:
    program = started_program(api)

    def report(step: int) -> httpx.Response:
        return program.try_to_report(current=step, total=FLOOD, message=f"row {step}")

    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(report, range(FLOOD)))
    seconds = time.monotonic() - begin
    end = {"state": "succeeded", "current": FLOOD, "total": FLOOD, "message": "all"}
    answers.append(program.try_to_report(**end))
    return Flood(program, answers, seconds)


def test_a_flood_of_reports_is_few_events_and_the_last_figures(
    flood: Flood, watcher: Connection
) -> None:
    program, answers = flood.program, flood.answers
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert answers[-1].status_code == 200

    events = program.log_of(watcher)

    assert len(events) < len(answers) / 2
    assert (events[-1]["type"], events[-1]["state"]) == ("complete", "succeeded")
    assert [events[-1][key] for key in ("progress", "current", "message")] == [100, FLOOD, "all"]
    shown = [event["progress"] for event in events if event["progress"] is not None]
    assert shown == sorted(shown)


def test_no_more_reports_are_taken_than_the_rate_allows(flood: Flood) -> None:
    taken = [answer for answer in flood.answers[:-1] if answer.status_code == 200]

    assert BURST <= len(taken) <= BURST + PER_SECOND * flood.seconds + 1


def test_too_many_reports_are_told_when_to_come_again(flood: Flood) -> None:
    refused = [answer for answer in flood.answers if answer.status_code == 429]

    # A machine too slow to send so many in the time has none refused, and its rate holds above.
    assert refused or flood.seconds > (FLOOD - BURST) / PER_SECOND
    assert all(answer.json()["code"] == "rate_limited" for answer in refused)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all(answer.json()["retryable"] for answer in refused)


def test_a_refused_report_says_in_its_body_too_when_to_come_again(flood: Flood) -> None:
    refused = [answer.json() for answer in flood.answers if answer.status_code == 429]
    assert all(0 <= problem["retry_after"] <= 60 for problem in refused)


def test_the_rate_of_one_job_is_not_that_of_another(flood: Flood, new_program: NewProgram) -> None:
    assert new_program().report(progress=1)["progress"] == 1
