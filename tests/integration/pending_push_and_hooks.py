"""Programs that report their own jobs, backends that call, and descriptions taken up anew."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.conformance.connection import (
    DEADLINE_SECONDS,
    Connection,
    Frame,
    events_of,
    holes_in,
    opened,
)
from tests.conformance.stack import Stack, launch
from tests.launcher_process import wait_until
from tests.scripted_backend import Script, ScriptedBackend

SECRET = "whsec_bm90IGEgc2VjcmV0LCBidXQgbG9uZyBlbm91Z2g="
OLD_SECRET = "whsec_dGhlIG9uZSBiZWZvcmUgaXQsIHN0aWxsIHZhbGlk"
OTHER_SECRET = "whsec_bmVpdGhlciBvZiB0aGUgdHdvIG9mIHRoZSBmaWxl"
TOML = """
[backends.calls]  # looked at once, and then when it calls
preset = "progrock"
base_url = "{url}/calls"
hook_secrets = ["{new}", "{old}"]
poll = {{ min = 600, max = 600 }}

[backends.silent]  # takes no calls
preset = "progrock"
base_url = "{url}/silent"
poll = {{ min = 0.05, max = 0.1 }}

[backends.changing]
preset = "progrock"
title = "Before"
base_url = "{url}/changing"
poll = {{ min = 0.05, max = 0.1 }}
"""
REPORTS_OF_A_BURST = 100
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description, which tests change; made by the stack, when it knows its backend."""
    return tmp_path_factory.mktemp("push") / "backends.toml"


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    with ScriptedBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def stack(file: Path, backend: ScriptedBackend) -> Iterator[Stack]:
    file.write_text(TOML.format(url=backend.url, new=SECRET, old=OLD_SECRET))
    with ExitStack() as running:
        yield launch(running, {"PROGROCK_BACKENDS": str(file)})


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


@pytest.fixture
def watcher(stack: Stack) -> Iterator[Connection]:
    with opened(stack.url) as connection:
        yield connection


class Program:
    """A program that does its own work; `told` is the answer to its last report."""

    def __init__(self, client: httpx.Client, job: str, token: str) -> None:
        self.client = client
        self.job = job
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}
        self.told: dict[str, Any] = {}

    def try_to_report(self, **what: Any) -> httpx.Response:
        """Send one report, whatever comes of it."""
        return self.client.post(f"jobs/{self.job}/report", json=what, headers=self.headers)

    def report(self, **what: Any) -> dict[str, Any]:
        """Send one report, which must be taken, and return the job after it."""
        answer = self.try_to_report(**what)
        assert answer.status_code == 200, answer.text
        self.told = answer.json()
        return self.told

    def log_of(self, watcher: Connection) -> list[Frame]:
        """Return all events of the job so far, from its log."""
        watching = watcher.ask("watch", job=self.job, after=0)
        watcher.until_seq(self.job, watching["seq"])
        watcher.settle()
        events = events_of(watcher.frames[watcher.frames.index(watching) :], self.job)
        assert holes_in(events) == []
        return events


NewProgram = Callable[..., Program]


@pytest.fixture
def new_program(api: httpx.Client) -> Iterator[NewProgram]:
    """Start reported jobs; those that have not ended are told to."""
    programs: list[Program] = []

    def start(**params: Any) -> Program:
        programs.append(started_program(api, **params))
        return programs[-1]

    yield start
    for program in programs:
        program.try_to_report(state="cancelled")


def started_program(api: httpx.Client, **params: Any) -> Program:
    answer = api.post("jobs", json={"backend": "push", "params": params})
    assert answer.status_code == 202, answer.text
    return Program(api, answer.json()["job"], answer.json()["report_token"])


# --- what a report says -------------------------------------------------------------------------


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
    assert {key: told[key] for key in told if key != "can"} == {
        key: present[key] for key in present if key != "can"
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


@pytest.fixture(scope="module")
def flood(api: httpx.Client) -> tuple[Program, list[httpx.Response]]:
    """A program that sends 500 reports as fast as it can, and then its end."""
    program = started_program(api)

    def report(step: int) -> httpx.Response:
        return program.try_to_report(current=step, total=500, message=f"row {step}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(report, range(500)))
    answers.append(program.try_to_report(state="succeeded", current=500, total=500, message="all"))
    return program, answers


def test_a_flood_of_reports_is_few_events_and_the_last_figures(
    flood: tuple[Program, list[httpx.Response]], watcher: Connection
) -> None:
    program, answers = flood
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert answers[-1].status_code == 200

    events = program.log_of(watcher)

    assert len(events) < len(answers) / 2
    assert (events[-1]["type"], events[-1]["state"]) == ("complete", "succeeded")
    assert [events[-1][key] for key in ("progress", "current", "message")] == [100, 500, "all"]
    shown = [event["progress"] for event in events if event["progress"] is not None]
    assert shown == sorted(shown)


def test_too_many_reports_are_told_when_to_come_again(
    flood: tuple[Program, list[httpx.Response]],
) -> None:
    _, answers = flood

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.json()["code"] == "rate_limited" for answer in refused)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all(answer.json()["retryable"] for answer in refused)


def test_a_refused_report_says_in_its_body_too_when_to_come_again(
    flood: tuple[Program, list[httpx.Response]],
) -> None:
    _, answers = flood

    refused = [answer.json() for answer in answers if answer.status_code == 429]
    assert all(0 <= problem["retry_after"] <= 60 for problem in refused)


def test_the_rate_of_one_job_is_not_that_of_another(
    flood: tuple[Program, list[httpx.Response]], new_program: NewProgram
) -> None:
    assert new_program().report(progress=1)["progress"] == 1


# --- the token ----------------------------------------------------------------------------------


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

    by_http = api.post("jobs", json={"backend": "silent", "params": params}).json()
    by_socket = watcher.ask("start", backend="silent", params=params)

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
        for name in ("push", "silent")
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
    job = api.post("jobs", json={"backend": "silent", "params": script.params}).json()["job"]

    answer = api.post(f"jobs/{job}/report", json={"state": "succeeded"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    api.post(f"jobs/{job}/cancel", json={})


# --- silence and cancel -------------------------------------------------------------------------


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


# --- hooks --------------------------------------------------------------------------------------


def call(
    api: httpx.Client,
    body: object,
    *,
    secret: str = SECRET,
    name: str = "calls",
    age: timedelta = timedelta(0),
    **changed: str,
) -> httpx.Response:
    """Call as a backend does, signed; `changed` replaces headers, by their last word."""
    text, at = json.dumps(body), datetime.now(UTC) - age
    headers = {
        "webhook-id": changed.get("id", "msg_1"),
        "webhook-timestamp": changed.get("timestamp", str(int(at.timestamp()))),
        "webhook-signature": changed.get("signature", Webhook(secret).sign("msg_1", at, text)),
    }
    return api.post(f"hooks/{name}", content=text, headers=headers | JSON)


@pytest.fixture
def waiting(
    api: httpx.Client, backend: ScriptedBackend
) -> Iterator[Callable[[], tuple[str, Script]]]:
    """Give a function that starts a job which is not looked at soon; each look finds it on."""
    started: list[tuple[str, Script]] = []

    def start() -> tuple[str, Script]:
        script = backend.script(*({"state": "running", "progress": n} for n in range(1, 9)))
        job = api.post("jobs", json={"backend": "calls", "params": script.params}).json()["job"]
        started.append((job, script))
        wait_until(lambda: api.get(f"jobs/{job}").json()["started"], "the start")
        return job, script

    yield start
    for job, script in started:
        script.say({"state": "cancelled"})
        api.post(f"jobs/{job}/cancel", json={})
        call(api, {"job": job})


Waiting = Callable[[], tuple[str, Script]]


def end_of(api: httpx.Client, job: str) -> dict[str, Any]:
    wait_until(lambda: api.get(f"jobs/{job}").json()["complete"], "the end")
    return dict(api.get(f"jobs/{job}").json())


@pytest.mark.parametrize("by", ["operation", "job"])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET], ids=["new secret", "old secret"])
def test_a_hook_brings_the_next_poll_forward(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting, by: str, secret: str
) -> None:
    job, script = waiting()
    before = len(script.polls)
    told = {"job": job} if by == "job" else {"operation": script.operations[0]}

    answer = call(api, told, secret=secret)

    assert answer.status_code == 202
    backend.wait_for(lambda: len(script.polls) == before + 1, "one poll more")


def test_a_hook_brings_the_poll_of_no_other_job_forward(
    api: httpx.Client, waiting: Waiting
) -> None:
    (job, script), (_, other) = waiting(), waiting()

    for number in (1, 2, 3):
        call(api, {"job": job})
        wait_until(lambda number=number: progress_of(api, job) == number, "what the poll says")

    assert (len(script.polls), len(other.polls)) == (3, 0)


def progress_of(api: httpx.Client, job: str) -> float | None:
    return api.get(f"jobs/{job}").json()["progress"]


def test_a_hook_never_says_itself_what_became_of_the_job(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting
) -> None:
    job, script = waiting()
    said = {"state": "succeeded", "status": "failed", "progress": 99, "result": 1, "error": "x"}

    call(api, {"operation": script.operations[0], **said})
    wait_until(lambda: progress_of(api, job) == 1, "what the poll says")

    snapshot = api.get(f"jobs/{job}").json()
    assert (snapshot["state"], snapshot["result"], snapshot["error"]) == ("running", None, None)


def test_what_the_poll_after_a_hook_finds_counts(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting
) -> None:
    job, script = waiting()
    script.say({"state": "succeeded", "result": {"rows": 3}})

    call(api, {"operation": script.operations[0], "state": "failed"})

    snapshot = end_of(api, job)
    assert (snapshot["state"], snapshot["result"]) == ("succeeded", {"rows": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": OTHER_SECRET},
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1,bm90IHRoZSBzaWduYXR1cmU="},
        {"signature": "nonsense"},
        {"signature": "v1,%%%"},
        {"id": "msg_2"},
        {"age": timedelta(minutes=6)},
        {"age": timedelta(minutes=-6)},
        {"timestamp": "0"},
        {"timestamp": "soon"},
        {"timestamp": "9" * 400},
        {"timestamp": "nan"},
        {"timestamp": ""},
    ],
    ids=str,
)
def test_a_hook_that_is_not_rightly_signed_is_refused_and_asks_for_nothing(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting, wrong: dict[str, Any]
) -> None:
    job, script = waiting()
    before = len(script.polls)

    answer = call(api, {"job": job}, **wrong)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    call(api, {"job": job})  # this one counts, and would come after the other
    backend.wait_for(lambda: len(script.polls) > before, "the poll after the right one")
    assert len(script.polls) == before + 1


def test_the_signature_is_of_the_body_as_it_was_sent(api: httpx.Client) -> None:
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", at, '{"job":"a"}'),
    }

    answer = api.post("hooks/calls", content='{"job":"b"}', headers=headers | JSON)

    assert answer.status_code == 401


def test_without_its_headers_a_hook_is_refused(api: httpx.Client) -> None:
    assert api.post("hooks/calls", json={"job": "x"}).status_code == 401


@pytest.mark.parametrize("name", ["silent", "none", "push", "%2e%2e"])
def test_a_backend_without_secrets_takes_no_hooks(api: httpx.Client, name: str) -> None:
    answer = call(api, {"job": "x"}, name=name)

    assert (answer.status_code, answer.json()["code"]) in {
        (404, "unknown_backend"), (404, "not_found"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [{"operation": "unknown"}, {"job": "01890000-0000-7000-8000-000000000000"}, {"job": "x"}],
    ids=str,
)
def test_a_hook_for_a_job_that_is_none_of_ours_is_taken(api: httpx.Client, body: object) -> None:
    assert call(api, body).status_code == 202


@pytest.mark.parametrize("body", [{}, {"state": "x"}, [], 7, None, {"job": 7}, {"operation": {}}])
def test_a_hook_that_names_nothing_is_a_bad_message(api: httpx.Client, body: object) -> None:
    answer = call(api, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")


def test_a_hook_of_one_backend_does_not_touch_the_jobs_of_another(
    api: httpx.Client, new_program: NewProgram
) -> None:
    program = new_program()

    answer = call(api, {"job": program.job})

    assert answer.status_code == 202
    assert api.get(f"jobs/{program.job}").json()["seq"] == 1


# --- the description, taken up anew -------------------------------------------------------------


@pytest.fixture
def changed(stack: Stack, file: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that changes the file and tells web and worker; undone in the end."""
    good = file.read_text()

    def change(text: str) -> None:
        file.write_text(text)
        for name in ("web", "worker"):
            os.kill(stack.launcher.pid_of(name), signal.SIGHUP)

    yield change
    before = stack.launcher.lines_so_far()
    change(good)
    for name in ("web", "worker"):
        stack.launcher.wait_for_line(rf"^{name} .*taken up", after=before)


Changed = Callable[[str], None]


def described(api: httpx.Client, name: str = "changing") -> dict[str, Any]:
    return dict(api.get(f"backends/{name}").json())


def test_a_changed_description_is_taken_up_on_sighup(
    api: httpx.Client, file: Path, changed: Changed
) -> None:
    more = 'params.properties.size = { type = "integer", maximum = 9 }\n'
    text = file.read_text().replace('title = "Before"', f'title = "After"\n{more}')

    changed(text)

    wait_until(lambda: described(api)["title"] == "After", "the new title")
    assert described(api)["params"]["properties"] == {"size": {"type": "integer", "maximum": 9}}
    wrong = api.post("jobs", json={"backend": "changing", "params": {"size": 10}})
    assert wrong.json()["code"] == "bad_params"


def test_the_worker_takes_a_changed_description_up_too(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    changed(file.read_text().replace("/changing", "/moved"))
    stack.launcher.wait_for_line("^worker .*taken up", after=before)
    script = backend.script({"state": "succeeded"})

    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]

    assert end_of(api, job)["state"] == "succeeded"
    assert [request.path for request in script.starts] == ["/moved/jobs"]


def test_a_bad_change_is_refused_with_its_reason_and_the_old_one_stays(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    text = file.read_text().replace('title = "Before"', 'title = "After"\ntitel = "Wrong"')

    changed(text)

    for name in ("web", "worker"):
        stack.launcher.wait_for_line(rf"^{name} .*refused", after=before)
    wait_until(lambda: stack.launcher.log.count("backends.changing.titel") >= 2, "the reasons")
    assert 'did you mean "title"?' in stack.launcher.log.replace('\\"', '"')
    assert described(api)["title"] == "Before"
    script = backend.script({"state": "succeeded"})
    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]
    assert end_of(api, job)["state"] == "succeeded"


def test_a_file_that_is_gone_is_refused_and_the_old_one_stays(
    stack: Stack, api: httpx.Client, file: Path, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    text = file.read_text()
    file.rename(file.with_suffix(".away"))
    try:
        os.kill(stack.launcher.pid_of("web"), signal.SIGHUP)
        stack.launcher.wait_for_line("^web .*refused", after=before)
    finally:
        file.with_suffix(".away").rename(file)

    assert described(api)["title"] == "Before"
    assert file.read_text() == text


def test_jobs_in_progress_go_on_by_the_changed_description(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    script = backend.script({"state": "running", "progress": 10})
    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]
    backend.wait_for(lambda: bool(script.polls), "a poll")

    before = stack.launcher.lines_so_far()
    changed(file.read_text().replace('title = "Before"', 'title = "B"\nstates.fine = "succeeded"'))
    stack.launcher.wait_for_line("^worker .*taken up", after=before)
    script.say({"state": "fine"})

    assert end_of(api, job)["state"] == "succeeded"
    assert len(script.starts) == 1


def test_a_backend_that_is_taken_out_of_the_file_starts_nothing_more(
    api: httpx.Client, file: Path, changed: Changed
) -> None:
    changed(file.read_text().partition("[backends.changing]")[0])

    wait_until(lambda: api.get("backends/changing").status_code == 404, "it is gone")

    answer = api.post("jobs", json={"backend": "changing"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_backend")


# --- after all that -----------------------------------------------------------------------------


def test_no_log_holds_a_traceback(stack: Stack) -> None:
    assert [line for line in stack.launcher.log.splitlines() if "Traceback" in line] == []
