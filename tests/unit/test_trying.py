"""A trial: what it says to a backend, what it tells of it, and that a recording brings it back."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends.backend import Backend
from progrock.backends.errors import Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.loading import load
from progrock.backends.trying import recording, shaping
from progrock.backends.trying.auditing import likely_state
from progrock.backends.trying.concluding import comparison
from progrock.backends.trying.explaining import explanations
from progrock.backends.trying.happenings import Answer, Happening, LineEnds, Role
from progrock.backends.trying.lines import Page
from progrock.backends.trying.recording import BadRecording, Body, Recorder
from progrock.backends.trying.replaying import Player
from progrock.backends.trying.reporting import Reporter
from progrock.backends.trying.trial import Trial
from progrock.jobs.states import JobErrorCode, State
from progrock.jobs.values import JobValue

ID = UUID("01a1fd88-879a-750f-a3bc-9bf52030de29")
BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BASE = """
[backends.mill]
base_url = "http://mill.test"
start  = { path = "/start", json = "{params}" }
status = { path = "/jobs/{operation}" }
map    = { operation = ".body.id", state = ".body.state", progress = ".body.progress" }
"""
CANCEL = 'cancel = { method = "DELETE", path = "/jobs/{operation}" }\n'
STARTED = {"id": "j1", "state": "queued"}


@dataclass
class Interrupt:
    """An answer that never comes: the person presses Ctrl-C."""


@dataclass
class Say:
    """A reply to one request."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    set_cookie: tuple[str, ...] = ()
    seconds: float = 0.01


@dataclass
class FakeLine:
    """Answers each role by its own list, the last answer for ever; keeps its own time."""

    answers: dict[Role, Sequence[Any]]
    interrupted_waits: tuple[int, ...] = ()
    sent: list[tuple[Role, HttpRequest]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    clock: float = 0.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.clock)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) in self.interrupted_waits:
            self.clock += seconds / 2
            raise KeyboardInterrupt
        self.clock += seconds

    def send(self, role: Role, request: HttpRequest, masked: HttpRequest) -> Answer:
        before = sum(1 for each, _ in self.sent if each is role)
        self.sent.append((role, request))
        answers = self.answers.get(role, ())
        if not answers:
            raise LineEnds(f"nothing to say to {role}")
        answer = answers[min(before, len(answers) - 1)]
        if isinstance(answer, Interrupt):
            raise KeyboardInterrupt
        if isinstance(answer, Exception):
            return Answer(error=answer, seconds=0.5)  # type: ignore[arg-type]
        said = answer if isinstance(answer, Say) else Say(answer)
        self.clock += said.seconds
        content = said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)
        if said.body is None:
            content = b""
        headers = {"content-type": "application/json"} | said.headers
        reply = HttpReply(
            status=said.status, headers=headers, content=content, set_cookie=said.set_cookie
        )
        return Answer(reply=reply, seconds=said.seconds)

    def roles(self) -> str:
        return " ".join(role.value for role, _ in self.sent)


@dataclass
class Tried:
    """A trial that is over: the job, the lines that told it, and its recording."""

    job: JobValue
    lines: list[str]
    recording: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def flat(self) -> str:
        """The lines without their breaks and marks."""
        return " ".join(line.lstrip("*<>=! ") for line in self.lines)

    @property
    def warnings(self) -> str:
        return "\n".join(line for line in self.lines if line.startswith("!"))


class Mill:
    """Backends by description, tried without a network."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "backends.toml"

    def backend(self, text: str, env: dict[str, str] | None = None) -> Backend:
        self.file.write_text(text, encoding="utf-8")
        return load(self.file, env or {}).by_name["mill"]

    def attempt(
        self,
        line: Any,
        text: str = BASE,
        *,
        params: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Tried:
        backend = self.backend(text, env)
        given = params or {}
        recorder = Recorder(backend, given, id_=ID, began=BEGAN)
        reporter = Reporter(backend)
        lines: list[str] = []

        def tell(happening: Happening) -> None:
            recorder.hear(happening)
            lines.extend(line.text for line in reporter.hear(happening))

        why = explanations(self.file, "mill", env or {})
        trial = Trial(backend, given, line, tell, id_=ID, timeout=timeout, explanations=why)
        job = trial.run()
        lines.extend(line.text for line in reporter.end(job))
        return Tried(job, lines, recorder.text())


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    return Mill(tmp_path)


def polls(*answers: Any, start: Any = STARTED, **more: Sequence[Any]) -> FakeLine:
    return FakeLine(
        {Role.START: [start], Role.STATUS: answers} | {Role(k): v for k, v in more.items()}
    )


# --- the way of the job -----------------------------------------------------------------------


def test_a_job_is_started_and_polled_to_its_end(mill: Mill) -> None:
    line = polls({"state": "running", "progress": 40}, {"state": "succeeded"})
    tried = mill.attempt(line, params={"n": 1})
    assert tried.job.state is State.SUCCEEDED
    assert line.roles() == "start status status"
    assert [round(wait, 2) for wait in line.waits] == [0, 0, 0.99]
    for told in (
        "> POST http://mill.test/start",
        '>   {"n": 1}',
        "< 200 OK, 28 bytes, 10 ms",
        '= operation: "j1"',
        '= state: "running" -> running',
        "= progress: 40",
        "* running · 40 %",
        "poll 2, after 1.01 s",
        "* succeeded · 100 %",
        "succeeded after 1.02 s: 2 polls, 3 requests",
    ):
        assert told in tried.lines


def test_a_start_that_is_refused_ends_the_trial(mill: Mill) -> None:
    tried = mill.attempt(polls(start=Say({"detail": "no such mill"}, status=422)))
    assert tried.job.error is not None
    assert tried.job.error.code is JobErrorCode.BACKEND_REFUSED
    assert "no such mill" in tried.text


def test_a_start_is_not_tried_for_minutes(mill: Mill) -> None:
    away = Unreachable("Connection refused", was_sent=False)
    line = FakeLine({Role.START: [away]})
    tried = mill.attempt(line)
    assert line.roles() == "start start start"
    assert "* Not tried again here; the worker would go on." in tried.lines


def test_retry_after_is_waited_for_and_told(mill: Mill) -> None:
    line = polls(Say({"state": "running"}, headers={"retry-after": "7"}), {"state": "succeeded"})
    tried = mill.attempt(line)
    assert line.waits[-1] == pytest.approx(7)
    assert "* the backend asks to be left alone for 7 s" in tried.lines


def test_also_outcome_and_log_are_asked_and_told(mill: Mill) -> None:
    text = (
        BASE.replace(".body.progress", ".also.body.percent").replace(
            ".body.state", ".outcome.body.verdict // .body.state"
        )
        + """
[backends.mill.also]
path = "/also"
[backends.mill.outcome]
path = "/outcome"
[backends.mill.log]
path = "/log"
query = { offset = "{offset}" }
"""
    )
    line = polls(
        {"state": "running"},
        {"state": "succeeded"},
        also=[{"percent": 12}],
        outcome=[{"verdict": "failed"}],
        log=[Say(b"first\n"), Say(b"second\n"), Say(b"")],
    )
    tried = mill.attempt(line, text)
    assert tried.job.state is State.FAILED
    assert line.roles() == "start status also log status also outcome log log"
    assert "> GET http://mill.test/log?offset=6" in tried.lines
    assert [text for text in tried.lines if text in {"*   first", "*   second"}] == [
        "*   first",
        "*   second",
    ]


def test_a_batch_is_asked_for_the_one_job(mill: Mill) -> None:
    text = BASE.replace('status = { path = "/jobs/{operation}" }\n', "") + (
        "[backends.mill.batch]\n"
        'path = "/jobs"\nquery = { ids = "{operations}" }\n'
        'each = ".body[] | {operation: .id, body: .}"\n'
    )
    rows = [{"id": "other"}, {"id": "j1", "state": "succeeded"}]
    line = FakeLine({Role.START: [STARTED], Role.BATCH: [[{"id": "other"}], rows]})
    tried = mill.attempt(line, text)
    assert tried.job.state is State.SUCCEEDED
    assert "> GET http://mill.test/jobs?ids=j1" in tried.lines
    assert "leaves this job out" in tried.flat


# --- the end that is asked for ----------------------------------------------------------------


def test_the_timeout_ends_the_job_and_tells_the_backend(mill: Mill) -> None:
    line = polls({"state": "running"}, cancel=[{}])
    tried = mill.attempt(line, BASE + CANCEL, timeout=5)
    assert tried.job.state is State.TIMED_OUT
    assert line.clock == pytest.approx(5, abs=0.1)
    assert line.roles().endswith("status cancel")
    assert line.sent[-1][1].method == "DELETE"


def test_an_interrupt_cancels_and_follows_to_the_end(mill: Mill) -> None:
    line = polls({"state": "running"}, {"state": "cancelled"}, cancel=[{}])
    line.interrupted_waits = (3,)
    tried = mill.attempt(line, BASE + CANCEL)
    assert tried.job.state is State.CANCELLED
    assert line.roles() == "start status cancel status"
    assert any(text.startswith("Ctrl-C after") for text in tried.lines)


def test_a_cancel_that_is_put_off_is_sent_again(mill: Mill) -> None:
    line = polls({"state": "running"}, cancel=[Say({}, status=503), {}])
    line.interrupted_waits = (3, 14)
    tried = mill.attempt(line, BASE + CANCEL)
    assert line.roles().split().count("cancel") == 2
    assert tried.job.state is State.CANCELLING


def test_a_job_that_is_given_up_is_cancelled_at_the_backend(mill: Mill) -> None:
    text = BASE.replace("map    = {", 'map    = { status_url = ".body.next",') + CANCEL
    line = polls({"state": "running", "next": "http://evil.test/jobs"}, cancel=[{}])
    tried = mill.attempt(line, text)
    assert tried.job.error is not None
    assert tried.job.error.code is JobErrorCode.BAD_REPLY
    assert line.roles() == "start status cancel"


def test_a_second_interrupt_leaves(mill: Mill) -> None:
    line = polls({"state": "running"}, cancel=[{}])
    line.interrupted_waits = (3, 5)
    tried = mill.attempt(line, BASE + CANCEL)
    assert tried.job.state is State.CANCELLING
    assert "* Left; the job was cancelling when it was last looked at." in tried.lines
    assert any(text.startswith("still cancelling after") for text in tried.lines)


def test_an_interrupt_without_a_cancel_request_says_how_the_job_stands(mill: Mill) -> None:
    line = polls({"state": "running"})
    line.interrupted_waits = (3,)
    tried = mill.attempt(line)
    assert "the job goes on at the backend" in tried.text
    assert line.roles() == "start status"


def test_an_interrupt_while_the_start_is_under_way_says_that_nothing_is_known(mill: Mill) -> None:
    tried = mill.attempt(FakeLine({Role.START: [Interrupt()]}), BASE + CANCEL)
    assert "whether the job began there is unknown" in tried.flat


def test_a_poll_that_is_interrupted_is_left_for_the_cancel(mill: Mill) -> None:
    line = polls({"state": "running"}, Interrupt(), {"state": "cancelled"}, cancel=[{}])
    assert mill.attempt(line, BASE + CANCEL).job.state is State.CANCELLED


# --- warnings ---------------------------------------------------------------------------------


def test_a_word_that_states_lacks_is_told_once_with_the_line_to_add(mill: Mill) -> None:
    line = polls(*[{"state": "Fetching data"}] * 3, {"state": "succeeded"})
    tried = mill.attempt(line)
    assert tried.warnings.splitlines() == [
        '! states lacks "Fetching data": it counts as running. Add what it means:',
        "!   [backends.mill.states]",
        '!   "Fetching data" = "running"',
    ]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETED", "succeeded"),
        ("COMPLETED_WITH_ERRORS", "failed"),
        ("Unsuccessful", "failed"),
        ("Canceled", "cancelled"),
        ("cancelling", "running"),
        ("PENDING", "queued"),
        ("TIMED_OUT", "timed_out"),
        ("warming", "running"),
        ("7", "running"),
    ],
)
def test_the_line_to_add_guesses_what_a_word_means(word: str, state: str) -> None:
    assert likely_state(word) == state


def test_progress_that_goes_back_is_told_once(mill: Mill) -> None:
    figures = [{"progress": figure, "state": "running"} for figure in (40, 30, 20, 50)]
    tried = mill.attempt(polls(*figures, {"state": "succeeded", "progress": 0}))
    assert tried.warnings == ("! the progress went back from 40 to 30; the bar stays where it is")


def test_a_fraction_is_told_at_the_end(mill: Mill) -> None:
    tried = mill.attempt(
        polls({"state": "running", "progress": 0.5}, {"state": "succeeded", "progress": 1})
    )
    assert "map.progress never gave more than 1" in tried.warnings


def test_a_poll_that_is_answered_slowly_is_told_by_both_bounds(mill: Mill) -> None:
    slow = Say({"state": "running"}, seconds=6)
    tried = mill.attempt(polls(slow, slow, {"state": "succeeded"}))
    assert tried.warnings.splitlines() == [
        "! a poll was answered after 6 s: more than half of poll.timeout, 10 s",
        "! a poll was answered after 6 s: longer than poll.min, 1 s",
    ]


def test_a_reply_that_is_not_json_is_told(mill: Mill) -> None:
    page = Say(b"<p>busy</p>", headers={"content-type": "text/html"})
    tried = mill.attempt(polls(page, page, {"state": "succeeded"}))
    assert tried.warnings == "! the reply to status is not JSON (text/html): .body is its text"


def test_a_field_that_fails_is_told_in_the_words_of_jq(mill: Mill) -> None:
    text = BASE.replace('".body.progress"', '".body.done | tonumber"')
    line = polls({"state": "running"}, {"state": "succeeded"}, start={"id": "j1"})
    tried = mill.attempt(line, text)
    told = "progress: nothing, null (null) cannot be parsed as a number"
    assert tried.lines.count(f"= {told}") == 2  # in the start's reply, and in the first poll's
    assert tried.warnings.replace("\n!   ", " ") == (
        "! map.progress failed, and never gave a value: null (null) cannot be parsed as a number"
    )


def test_a_field_that_fails_until_it_is_there_is_no_fault(mill: Mill) -> None:
    text = BASE.replace('".body.progress"', '".body.done | tonumber"')
    tried = mill.attempt(polls({"state": "running", "done": "3"}, {"state": "succeeded"}), text)
    assert tried.warnings == ""


def test_a_state_that_is_never_told_is_a_warning(mill: Mill) -> None:
    tried = mill.attempt(polls({"phase": "running"}), timeout=5)
    assert "map.state never gave a value in a poll, so the job could not end" in tried.flat
    fine = mill.attempt(polls({}, {"state": "succeeded"}))
    assert "never gave" not in fine.warnings


def test_a_state_that_only_the_outcome_tells_is_a_warning_that_says_why(mill: Mill) -> None:
    text = BASE.replace('".body.state"', '".outcome.body.state"')
    text = text.replace("map    =", 'outcome = { path = "/jobs/{operation}/end" }\nmap    =')
    tried = mill.attempt(polls({"done": True}), text, timeout=5)
    assert tried.job.state is State.TIMED_OUT
    assert "let map.state give one where .outcome is null" in tried.flat


def test_a_description_without_a_state_is_told(mill: Mill) -> None:
    text = BASE.replace('state = ".body.state", ', "")
    assert "map has no state" in mill.attempt(polls({"progress": 5}), text, timeout=5).warnings


def test_an_address_to_stop_at_is_asked_for_before_the_cancel(mill: Mill) -> None:
    text = BASE.replace("progress =", 'cancel_url = ".body.stop", progress =')
    text += 'cancel = { method = "POST", url = "{cancel_url}" }\n'.replace("cancel =", "\ncancel =")
    running = {"state": "running", "stop": "/stop/9"}
    line = polls(running, running, {"state": "cancelled"}, cancel=[Say(status=202)])
    line.interrupted_waits = (3,)
    tried = mill.attempt(line, text)
    assert line.roles() == "start status status cancel status"
    assert "> POST http://mill.test/stop/9" in tried.lines
    assert '= cancel_url: "/stop/9"' in tried.lines
    assert tried.job.state is State.CANCELLED


def test_a_log_is_not_asked_for_at_each_poll(mill: Mill) -> None:
    text = BASE + 'log = { path = "/log", query = { from = "{offset}" } }\n'
    text += "poll = { min = 0.3, max = 0.3 }\n"
    answers = ({"state": "running", "progress": n} for n in range(5))
    pages = [Say(b"one\n"), Say(b"two\n"), Say(b"")]
    line = polls(*answers, {"state": "succeeded"}, log=pages)
    tried = mill.attempt(line, text)
    assert [request.url for role, request in line.sent if role is Role.LOG] == [
        f"http://mill.test/log?from={offset}" for offset in (0, 4, 8)
    ]
    assert tried.text.index("one") < tried.text.index("two")


def test_a_value_that_cannot_be_used_is_told(mill: Mill) -> None:
    tried = mill.attempt(polls({"state": "succeeded", "progress": "n/a"}))
    assert tried.warnings == '! map.progress gave "n/a": no number, not used'


def test_a_refused_cancel_is_told(mill: Mill) -> None:
    line = polls({"state": "running"}, {"state": "succeeded"}, cancel=[Say({}, status=405)])
    line.interrupted_waits = (3,)
    tried = mill.attempt(line, BASE + CANCEL)
    assert "! the cancel was refused with HTTP 405" in tried.lines


def test_what_was_never_needed_is_told_at_the_end(mill: Mill) -> None:
    text = BASE + '[backends.mill.states]\nok = "succeeded"\nbroken = "failed"\n'
    tried = mill.attempt(polls({"state": "ok"}), text)
    assert tried.lines[-2:] == [
        "fields of map that never gave a value: progress",
        "words of states that never came: broken (failed)",
    ]


# --- how it is told ---------------------------------------------------------------------------


def test_a_poll_that_brings_nothing_new_is_one_line(mill: Mill) -> None:
    same = {"state": "running", "progress": 5}
    tried = mill.attempt(polls(same, same, same, {"state": "succeeded"}))
    assert "poll 2, after 1.01 s: 200 OK, 32 bytes, 10 ms, as before" in tried.lines
    assert "poll 2, after 1.01 s" not in tried.lines


def test_polls_that_fail_the_same_way_are_counted(mill: Mill) -> None:
    down = Say(b"", status=502)
    tried = mill.attempt(polls({"state": "running"}, down, down, {"state": "succeeded"}))
    assert "no body, 10 ms, as before; 2 failed in a row" in tried.flat


def test_no_line_is_wider_than_the_page_or_moves_the_terminal(mill: Mill) -> None:
    evil = "\x1b]0;title\x07 \u202e \x9b31m " + "x" * 300
    line = polls(
        {"state": evil, "progress": 3, evil: [evil] * 50},
        Say({"state": "running"}, headers={"x-evil": evil, "location": "/" + "y" * 300}),
        Say(evil.encode() * 9, status=500),
        {"state": "succeeded"},
        start={"id": "j" * 200},
    )
    tried = mill.attempt(line, params={"long": "z" * 500})
    assert max(map(len, tried.lines)) <= 80
    assert all(line.isprintable() for line in tried.lines)


def test_a_deep_body_is_shortened(mill: Mill) -> None:
    line = polls({"state": "succeeded", "rows": [{"n": n} for n in range(500)]})
    tried = mill.attempt(line)
    assert any("characters in all" in text for text in tried.lines)
    assert len(tried.lines) < 60


@pytest.mark.parametrize(
    "body",
    [
        b'{"state":"running","n":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"state":"running","progress":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"state":"running","progress":123456789012345678901234567890}',
        b'{"state":"running","message": "\\u0000"}',
    ],
)
def test_a_hostile_reply_is_told_recorded_and_replayed(mill: Mill, body: bytes) -> None:
    stray = {"x-stray": "\udcff"}
    tried = mill.attempt(polls(Say(body, headers=stray), {"state": "succeeded"}))
    assert tried.job.state is State.SUCCEEDED
    again = mill.attempt(Player(recording.read(tried.recording)))
    sizes = re.compile(r"\d+ bytes")
    assert sizes.sub("", again.text) == sizes.sub("", tried.text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0034, "3 ms"), (1.25, "1.25 s"), (125.2, "2 min 5 s")]
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert shaping.duration(seconds) == text


# --- secrets ----------------------------------------------------------------------------------


def test_secrets_are_neither_shown_nor_recorded(mill: Mill) -> None:
    text = (
        'auth = { basic = "me:${PASSWORD}" }\ncookies = "job"\nheaders = { "X-Api-Key" = "a1" }\n'
    )
    text = BASE.replace('base_url = "http://mill.test"\n', f'base_url = "http://mill.test"\n{text}')
    text = text.replace('"/jobs/{operation}"', '"/jobs/{operation}", query = { k = "${PASSWORD}" }')
    text = text.replace('json = "{params}"', 'json = { key = "${PASSWORD}" }')
    start = Say(
        {"id": "j1", "echo": 'pass"wörd/1'},
        headers={"x-echo": 'pass"wörd/1', "set-cookie": "sid=c00kie; Path=/, b=c11kie"},
        set_cookie=("sid=c00kie; Path=/", "b=c11kie"),
    )
    error = Unreachable('no route to pass"wörd/1')
    tried = mill.attempt(
        polls(error, {"state": "succeeded"}, start=start), text, env={"PASSWORD": 'pass"wörd/1'}
    )
    for told in (tried.text, tried.recording):
        for secret in ("wörd", "w\\u00f6rd", "w%C3%B6rd", "bWU6", "c00kie", "c11kie", "a1\n"):
            assert secret not in told
        for kept in ("Authorization: Basic •••", "X-Api-Key: •••", "Cookie: sid=•••; b=•••"):
            assert kept in told.replace('": "', ": ")
    assert "> GET http://mill.test/jobs/j1?k=•••" in tried.lines
    assert '>   {"key": "•••"}' in tried.lines
    assert "<   set-cookie: sid=•••; Path=/, b=•••" in tried.lines


def test_the_backend_gets_what_is_hidden(mill: Mill) -> None:
    text = BASE.replace("start  =", 'auth = { bearer = "${T}" }\nstart =')
    line = polls({"state": "succeeded"})
    mill.attempt(line, text, env={"T": "t0ken-1"})
    assert line.sent[0][1].headers == {
        "Authorization": "Bearer t0ken-1",
        "Content-Type": "application/json",
    }


# --- recordings -------------------------------------------------------------------------------

SCENES: dict[str, Callable[[], tuple[FakeLine, str]]] = {
    "success": lambda: (
        polls({"state": "running", "progress": 3}, {"state": "succeeded", "result": [1]}),
        BASE,
    ),
    "failures": lambda: (
        polls(
            Say(b"\xff\xfe", status=500),
            Unreachable("no route"),
            Say({"state": "running"}, headers={"retry-after": "3"}),
            {"state": "failed"},
        ),
        BASE,
    ),
    "interrupted": lambda: (
        FakeLine(
            {
                Role.START: [STARTED],
                Role.STATUS: [{"state": "running"}, {"state": "running"}, {"state": "cancelled"}],
                Role.CANCEL: [Say({}, status=202)],
            },
            interrupted_waits=(4,),
        ),
        BASE + CANCEL,
    ),
    "timed out": lambda: (
        polls({"state": "running"}, {"state": "stuck"}, cancel=[{}]),
        BASE + CANCEL + "poll = { deadline = 9 }\n",
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_replay_tells_what_the_trial_told(mill: Mill, scene: str) -> None:
    line, text = SCENES[scene]()
    tried = mill.attempt(line, text)
    again = mill.attempt(Player(recording.read(tried.recording)), text)
    assert again.lines == tried.lines
    assert again.job.state is tried.job.state
    assert json.loads(again.recording) == json.loads(tried.recording)


def test_a_recording_is_readable_json(mill: Mill) -> None:
    tried = mill.attempt(polls({"state": "succeeded"}), params={"n": 1})
    value = json.loads(tried.recording)
    assert {key: value[key] for key in ("version", "backend", "job", "params", "state")} == {
        "version": 1,
        "backend": "mill",
        "job": str(ID),
        "params": {"n": 1},
        "state": "succeeded",
    }
    assert value["exchanges"][0] == {
        "role": "start",
        "at": 0.0,
        "seconds": 0.01,
        "request": {
            "method": "POST",
            "url": "http://mill.test/start",
            "headers": {"Content-Type": "application/json"},
            "body": {"json": {"n": 1}},
        },
        "reply": {
            "status": 200,
            "headers": {"content-type": "application/json"},
            "body": {"json": {"id": "j1", "state": "queued"}},
        },
    }


def test_a_description_can_be_written_against_a_recording(mill: Mill) -> None:
    line = polls({"status": "Done", "pct": 3})
    raw = mill.attempt(line, BASE, timeout=3).recording
    better = BASE.replace(".body.state", ".body.status // .body.state") + (
        '[backends.mill.states]\nDone = "succeeded"\n'
    )
    player = Player(recording.read(raw))
    again = mill.attempt(player, better)
    assert again.job.state is State.SUCCEEDED
    assert player.unasked() == {Role.STATUS: 2}
    told = comparison(recording.read(raw), player.unasked(), again.job.state, Page())
    assert [line.text for line in told] == [
        "",
        "! the recording's own description read it as timed_out",
        "! recorded, and not asked for now: status (2)",
    ]


def test_a_replay_says_how_the_request_is_another_one_now(mill: Mill) -> None:
    raw = mill.attempt(polls({"state": "succeeded"}), params={"n": 1}).recording
    other = BASE.replace('json = "{params}"', 'form = { n = "{params.n}" }, headers = { A = "b" }')
    other = other.replace('"/jobs/{operation}"', '"/v2/{operation}"')
    again = mill.attempt(Player(recording.read(raw)), other, params={"n": 2})
    assert again.job.state is State.SUCCEEDED
    assert again.warnings.splitlines() == [
        "! the recorded start request was another one:",
        "!   + a: b",
        "!   - content-type: application/json",
        "!   + content-type: application/x-www-form-urlencoded",
        '!   - {"n":1}',
        "!   + n=2",
        "! the recorded status request was another one:",
        "!   - GET http://mill.test/jobs/j1",
        "!   + GET http://mill.test/v2/j1",
    ]


def test_a_replay_ends_where_the_recording_ends(mill: Mill) -> None:
    raw = mill.attempt(polls({"state": "succeeded"})).recording
    again = mill.attempt(Player(recording.read(raw)), BASE.replace(".body.state", ".body.phase"))
    assert again.job.state is State.QUEUED
    assert "* The recording ends here: it has no further reply to status." in again.lines


def test_a_request_that_was_not_recorded_counts_as_unanswered(mill: Mill) -> None:
    raw = mill.attempt(polls({"state": "succeeded"})).recording
    text = BASE + '[backends.mill.also]\npath = "/also"\n'
    again = mill.attempt(Player(recording.read(raw)), text)
    assert again.job.state is State.SUCCEEDED
    assert "< no reply, 0 ms: The recording has no reply to this." in again.lines


def test_a_replay_of_a_request_that_cannot_be_built_comes_to_an_end(mill: Mill) -> None:
    raw = mill.attempt(polls({"state": "succeeded"})).recording
    text = BASE.replace("/jobs/{operation}", "/jobs/{start.body.nothing}")
    again = mill.attempt(Player(recording.read(raw)), text)
    assert again.job.error is not None
    assert "{start.body.nothing}" in again.job.error.message


def test_a_long_trial_keeps_its_first_and_last_exchanges(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "KEPT_FIRST", 3)
    monkeypatch.setattr(recording, "KEPT_LAST", 2)
    line = polls(*[{"state": "running", "progress": n} for n in range(9)], {"state": "succeeded"})
    kept = recording.read(mill.attempt(line).recording)
    assert kept.left_out == 6
    assert [round(each.at) for each in kept.exchanges] == [0, 0, 1, 8, 9]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<html>", "not JSON"),
        ("{}", "it has no version"),
        ("[]", "it has no version"),
        ('{"version": 2}', "This recording has version 2; only version 1 is known here"),
        ('{"version": 1, "exchanges": [{}]}', "exchanges.0.role: Field required"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(BadRecording, match=sentence.replace("(", r"\(")):
        recording.read(text)


@given(st.binary(min_size=1) | st.text(min_size=1).map(str.encode))
def test_a_log_comes_back_byte_by_byte(content: bytes) -> None:
    body = Body.of(content, is_text=True)
    assert body is not None
    assert Body.model_validate_json(body.model_dump_json(by_alias=True)).content == content


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_comes_back_as_the_same_value(value: Any) -> None:
    body = Body.of(json.dumps(value).encode())
    assert body is not None
    assert (
        json.loads(Body.model_validate_json(body.model_dump_json(by_alias=True)).content) == value
    )
