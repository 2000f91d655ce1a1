"""What a backend may do beside the ordinary, each by a description of a few lines.

Odd things that a preset's own exchanges show already are listed at the end of this file.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from progrock.backends import conversation
from progrock.jobs.changes import Ended, JobError, Observation, PollFailed, StartFailed
from progrock.jobs.states import Condition, JobErrorCode, State
from tests.contracts.presets.exchanges import Player, all_exchanges, backend_of, drive

BASE = "http://jobs.example"
PLAIN = f"""
    [backends.odd]
    base_url = "{BASE}"
    start    = {{ path = "/jobs" }}
    status   = {{ path = "/jobs/{{operation}}" }}
    cancel   = {{ method = "DELETE", path = "/jobs/{{operation}}" }}
    states   = {{ going = "running", done = "succeeded", broken = "failed" }}
    [backends.odd.map]
    operation = ".body.id"
    state     = ".body.state"
    progress  = ".body.progress"
    result    = ".body.result"
    error     = ".body.error"
"""
STARTED = {"json": {"id": "7", "state": "going"}}

Reply = Mapping[str, Any]


def asked(reply: Reply, path: str = "/jobs/7", method: str = "GET", **more: Any) -> dict[str, Any]:
    """Return an exchange: a request for a path and its reply."""
    return {"request": {"method": method, "url": BASE + path, **more}, "reply": reply}


def started(text: str = PLAIN, reply: Reply = STARTED) -> Player:
    """Return a job of a backend that has just answered the start."""
    player = Player(backend_of(text))
    player.look("start", iter([asked(reply, "/jobs", "POST")]))
    return player


def polled(player: Player, reply: Reply, after: float = 60, **request: Any) -> Any:
    """Poll once; return what the reply was read as."""
    player.at += timedelta(seconds=after)
    return player.look("poll", iter([asked(reply, **request)]))


# --- bodies -------------------------------------------------------------------------------------

CUT = '{"id": "7", "state": "go'
HTML = "<!doctype html><title>Service temporarily</title>"


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        ({}, JobErrorCode.BAD_REPLY, "(empty)"),
        ({"text": CUT, "headers": {"Content-Type": "application/json"}}, "bad_reply", CUT),
        ({"text": HTML, "headers": {"Content-Type": "application/json"}}, "bad_reply", HTML),
        ({"base64": "//4AAQ=="}, JobErrorCode.BAD_REPLY, "says nothing that can be read"),
        ({"too_large": True}, JobErrorCode.BAD_REPLY, "larger than 1,048,576 bytes"),
        ({"lost": "The backend did not answer within 10 s."}, "backend_unreachable", "10 s"),
        ({"status": 302, "headers": {"Location": "/login"}}, "bad_reply", "redirect"),
        ({"status": 400, "json": {"error": "no"}}, JobErrorCode.BAD_REPLY, "HTTP 400: no"),
        ({"status": 503, "text": HTML}, JobErrorCode.BACKEND_UNREACHABLE, "HTTP 503"),
    ],
    ids=["empty", "cut", "html", "bytes", "huge", "lost", "redirect", "400", "503"],
)
def test_a_reply_that_says_nothing_is_a_failed_poll_and_no_more(
    reply: Reply, code: str, words: str
) -> None:
    player = started()
    change = polled(player, reply)
    assert isinstance(change, PollFailed)
    assert change.error.code == code
    assert words in change.error.message
    assert (player.job.state, player.job.condition) == (State.RUNNING, Condition.OK)
    polled(player, {"json": {"state": "done", "result": 7}})
    assert (player.job.state, player.job.failures) == (State.SUCCEEDED, 0)


def test_after_three_silent_polls_it_is_unreachable_until_it_answers() -> None:
    player = started()
    for _ in range(3):
        polled(player, {"lost": "The backend does not answer."})
    assert player.job.condition is Condition.UNREACHABLE
    polled(player, STARTED)
    assert player.job.condition is Condition.OK


@pytest.mark.parametrize("body", [None, [], "done", 3, {"state": None}, {"state": {}}])
def test_json_that_is_not_what_was_expected_moves_nothing(body: Any) -> None:
    player = started()
    change = polled(player, {"json": body})
    assert isinstance(change, Observation)
    assert (player.job.state, player.job.progress) == (State.RUNNING, None)


def test_json_labelled_html_is_read() -> None:
    player = started()
    html = {"Content-Type": "text/html; charset=utf-8"}
    polled(player, {"json": {"state": "done", "result": [1]}, "headers": html})
    assert (player.job.state, player.job.result) == (State.SUCCEEDED, [1])


def test_200_with_an_error_in_it_fails_the_job_by_a_word_of_its_own() -> None:
    player = started(PLAIN.replace("broken =", "error ="))
    polled(player, {"json": {"state": "error", "error": "the disk is full"}})
    assert player.job.error == JobError(
        code=JobErrorCode.BACKEND_FAILED, message="the disk is full"
    )


def test_an_unknown_word_keeps_the_job_running_and_is_reported() -> None:
    player = started()
    change = polled(player, {"json": {"state": "pondering"}})
    assert isinstance(change, Observation)
    assert (change.unknown_word, player.job.state) == ("pondering", State.RUNNING)


# --- Retry-After --------------------------------------------------------------------------------


def test_retry_after_comes_as_seconds_as_a_date_or_as_nonsense() -> None:
    player = started()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    told = {"120": 120, "0.5": 0.5, "-4": 0, soon: 89, "soon": None, "": None, "nan": None}
    for text, seconds in told.items():
        change = polled(player, STARTED | {"headers": {"Retry-After": text}})
        assert isinstance(change, Observation)
        assert change.retry_after == pytest.approx(seconds, abs=2), text


def test_a_past_date_in_retry_after_means_now() -> None:
    change = polled(
        started(), STARTED | {"headers": {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}}
    )
    assert change.retry_after == 0


def test_a_busy_backend_says_when_to_come_again() -> None:
    change = polled(started(), {"status": 429, "headers": {"Retry-After": "7"}})
    assert isinstance(change, PollFailed)
    assert change.retry_after == 7


def test_map_retry_after_wins_over_the_header() -> None:
    text = PLAIN + 'retry_after = ".body.wait_ms / 1000"\n'
    reply = {"json": {"id": "7", "wait_ms": 2500}, "headers": {"Retry-After": "60"}}
    assert polled(started(text), reply).retry_after == 2.5


# --- not found ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_not_found_just_after_the_start_means_not_yet(status: int) -> None:
    player = started()
    polled(player, {"status": status}, after=3)
    assert player.job.state is State.RUNNING
    polled(player, {"json": {"state": "going", "progress": 50}}, after=3)
    assert player.job.progress == 50


def test_not_found_after_the_grace_means_lost() -> None:
    player = started()
    polled(player, {"status": 404}, after=10)
    assert player.job.error is not None
    assert (player.job.state, player.job.error.code) == (State.FAILED, JobErrorCode.LOST)


def test_not_found_right_after_a_cancel_means_cancelled() -> None:
    player = started()
    assert player.cancel(iter([asked({"status": 204}, method="DELETE")]))
    polled(player, {"status": 404}, after=1)
    assert player.job.state is State.CANCELLED


def test_a_cancel_that_the_backend_puts_off_is_sent_again() -> None:
    player = started()
    assert not player.cancel(iter([asked({"status": 503}, method="DELETE")]))
    assert player.cancel(iter([asked({"status": 409}, method="DELETE")]))


# --- cookies and challenges ---------------------------------------------------------------------


def cookie(text: str | None) -> dict[str, Any]:
    return {"headers": {"Cookie": text}}


def test_each_job_has_cookies_of_its_own() -> None:
    one = started(PLAIN.replace("[backends.odd.map]", 'cookies = "job"\n[backends.odd.map]'))
    two = Player(one.backend)
    two.look("start", iter([asked(STARTED, "/jobs", "POST", **cookie(None))]))
    polled(one, STARTED | {"cookies": ["node=a; Path=/; HttpOnly", "x=1"]}, **cookie(None))
    polled(two, STARTED | {"cookies": ["node=b"]}, **cookie(None))
    polled(one, STARTED | {"cookies": ["x=; Max-Age=0"]}, **cookie("node=a; x=1"))
    polled(two, STARTED, **cookie("node=b"))
    polled(one, STARTED, **cookie("node=a"))
    assert one.cancel(iter([asked({"status": 204}, method="DELETE", **cookie("node=a"))]))


def test_jobs_may_share_the_cookies_of_their_backend() -> None:
    text = PLAIN.replace("[backends.odd.map]", 'cookies = "backend"\n[backends.odd.map]')
    one = Player(backend_of(text))
    one.look("start", iter([asked(STARTED | {"cookies": ["session=s"]}, "/jobs", "POST")]))
    two = Player(one.backend)
    two.look("start", iter([asked(STARTED, "/jobs", "POST", **cookie("session=s"))]))


def test_no_cookie_goes_back_unless_the_description_says_so() -> None:
    player = started(reply=STARTED | {"cookies": ["node=a"]})
    polled(player, STARTED, **cookie(None))


def test_a_challenge_is_answered_once_and_remembered_for_all_jobs() -> None:
    text = PLAIN.replace(
        "[backends.odd.map]",
        'challenge = { status = 409, header = "X-Session" }\n[backends.odd.map]',
    )
    one = Player(backend_of(text))
    challenged = {"status": 409, "headers": {"X-Session": "s1"}}
    dressed = {"headers": {"X-Session": "s1"}}
    bare = {"headers": {"X-Session": None}}
    start = asked(challenged, "/jobs", "POST", **bare), asked(STARTED, "/jobs", "POST", **dressed)
    one.look("start", iter(start))
    two = Player(one.backend)
    two.look("start", iter([asked(STARTED, "/jobs", "POST", **dressed)]))
    # one that is challenged again and again gets no third try
    again = asked(challenged, **dressed), asked(challenged, **dressed)
    one.at += timedelta(minutes=1)
    assert isinstance(one.look("poll", iter(again)), PollFailed)


# --- addresses ----------------------------------------------------------------------------------

BY_URL = (
    PLAIN.replace(
        'status   = { path = "/jobs/{operation}" }', 'status = { query = { v = "2", f = "json" } }'
    )
    + 'status_url = ".body.at"\n'
)


def test_a_status_address_moves_and_its_query_is_added_to() -> None:
    player = started(BY_URL, {"json": {"id": "7", "at": "/queue/7?v=1&part=a"}})
    moved = {"json": {"at": "../work/9?v=1"}}
    polled(player, moved, path="/queue/7?part=a&v=2&f=json")
    polled(player, {"json": {}}, path="/work/9?v=2&f=json")
    polled(player, {"json": {"state": "done"}}, path="/work/9?v=2&f=json")
    assert player.job.state is State.SUCCEEDED


@pytest.mark.parametrize(
    "address",
    ["http://elsewhere.example/7", "//elsewhere.example/7", "https://jobs.example/7", "file:///7"],
)
def test_an_address_elsewhere_ends_the_job_and_is_never_asked(address: str) -> None:
    player = started(BY_URL, {"json": {"id": "7", "at": "/queue/7"}})
    change = polled(player, {"json": {"at": address}}, path="/queue/7?v=2&f=json")
    assert isinstance(change, Ended)
    assert (player.job.state, change.error.code) == (State.FAILED, JobErrorCode.BAD_REPLY)


def test_a_start_that_names_an_address_elsewhere_fails() -> None:
    text = BY_URL.replace('cancel   = { method = "DELETE", path = "/jobs/{operation}" }', "")
    player = started(text, {"json": {"id": "7", "at": "http://169.254.169.254/latest"}})
    assert player.job.error is not None
    assert player.job.error.code is JobErrorCode.BAD_REPLY


# --- starts -------------------------------------------------------------------------------------


def test_a_start_that_is_finished_already_is_not_polled() -> None:
    player = started(reply={"json": {"id": "7", "state": "done", "result": {"rows": 3}}})
    assert player.outcome() == {
        "states": ["succeeded"],
        "progress": [100.0],
        "result": {"rows": 3},
        "error": None,
        "log": [],
    }


def test_a_start_without_an_answer_is_not_sent_again() -> None:
    player = started(reply={"lost": "The backend did not answer within 10 s."})
    assert player.job.error is not None
    assert player.job.error.code is JobErrorCode.START_UNKNOWN


def test_an_idempotent_start_waits_for_a_busy_backend() -> None:
    text = PLAIN.replace('path = "/jobs" }', 'path = "/jobs", idempotent = true }')
    player = Player(backend_of(text))
    busy = {"status": 503, "headers": {"Retry-After": "9"}}
    change = player.look("start", iter([asked(busy, "/jobs", "POST")]))
    assert isinstance(change, StartFailed)
    assert (change.try_again, change.retry_after) == (True, 9)
    assert player.job.state is State.PENDING


# --- the further request at the end -------------------------------------------------------------

OUTCOME = (
    PLAIN.replace(
        "[backends.odd.map]", 'outcome = { path = "/jobs/{operation}/end" }\n[backends.odd.map]'
    )
    .replace('state     = ".body.state"', 'state = ".outcome.body.state // .body.state"')
    .replace('result    = ".body.result"', 'result = ".outcome.body.result"')
)
DONE = asked({"json": {"state": "done"}})


def test_the_last_request_may_turn_done_into_failed() -> None:
    player = started(OUTCOME)
    end = asked({"json": {"state": "broken"}}, "/jobs/7/end")
    player.look("poll", iter([DONE, end]))
    assert player.job.state is State.FAILED


def test_a_result_may_be_a_request_of_its_own() -> None:
    player = started(OUTCOME)
    player.look("poll", iter([DONE, asked({"json": {"result": [1, 2]}}, "/jobs/7/end")]))
    assert (player.job.state, player.job.result) == (State.SUCCEEDED, [1, 2])


def test_a_last_request_that_fails_is_sent_again() -> None:
    player = started(OUTCOME)
    busy = asked({"status": 500}, "/jobs/7/end")
    assert isinstance(player.look("poll", iter([DONE, busy])), PollFailed)
    player.look("poll", iter([DONE, asked({"json": {"result": 1}}, "/jobs/7/end")]))
    assert player.job.result == 1


@pytest.mark.parametrize("reply", [{"status": 500}, {"too_large": True}], ids=["500", "huge"])
@pytest.mark.parametrize("word", ["done", "broken"])
def test_a_job_ends_by_its_status_when_the_last_request_goes_on_failing(
    word: str, reply: Reply
) -> None:
    player = started(OUTCOME)
    for _ in range(player.backend.policy.failures):
        player.at += timedelta(minutes=1)
        if not player.job.state.is_terminal:
            ended = asked({"json": {"state": word, "error": "no paper"}})
            player.look("poll", iter([ended, asked(reply, "/jobs/7/end")]))
    message = player.job.error.message if player.job.error else None
    assert (player.job.state, message) == (
        (State.SUCCEEDED, None) if word == "done" else (State.FAILED, "no paper")
    )


def test_a_start_that_is_over_ends_although_it_has_no_id_to_ask_the_outcome_by() -> None:
    player = started(OUTCOME, {"json": {"state": "done"}})
    assert player.job.state is State.SUCCEEDED


# --- batches ------------------------------------------------------------------------------------

BATCH = f"""
    [backends.odd]
    base_url = "{BASE}"
    start    = {{ path = "/jobs" }}
    batch    = {{ path = "/jobs", query = {{ ids = "{{operations}}" }}, each = ".body.jobs[]" }}
    states   = {{ going = "running", done = "succeeded" }}
    [backends.odd.map]
    operation = ".body.id"
    state     = ".body.state"
"""


def test_a_batch_is_read_job_by_job_and_leaves_out_what_it_does_not_know() -> None:
    player = started(BATCH)
    jobs = [
        {"operation": 7, "body": {"state": "done"}},
        {"operation": "8", "body": {"state": "going"}},
        {"operation": None, "body": {}},
        "nonsense",
    ]
    talk = conversation.batch(player.backend, ["7", "8", "9"])
    parts = drive(talk, iter([asked({"json": {"jobs": jobs}}, "/jobs?ids=7%2C8%2C9")]))
    assert sorted(parts) == ["7", "8"]
    change = drive(
        conversation.poll(player.backend, player.job, {}, player.at, answered=parts["7"]), iter([])
    )
    player.take(change)
    assert player.job.state is State.SUCCEEDED


# --- logs ---------------------------------------------------------------------------------------

LOG = PLAIN.replace(
    "[backends.odd.map]",
    'log = { path = "/jobs/{operation}/log", query = { from = "{offset}" } }\n[backends.odd.map]',
)


def lines_of(player: Player) -> list[str]:
    return player.outcome()["log"]


def test_a_log_goes_on_where_it_stopped_and_no_line_is_told_in_halves() -> None:
    player = started(LOG)
    player.look("poll", iter([asked(STARTED), log_at(0, "one\ntwo\nthr")]))
    assert lines_of(player) == ["one", "two"]
    player.look("poll", iter([asked(STARTED), log_at(8, "three\n")]))
    player.look("poll", iter([asked(STARTED), log_at(14, "")]))
    player.look("poll", iter([DONE, log_at(14, "last words"), log_at(24, "")]))
    assert lines_of(player) == ["one", "two", "three", "last words"]


def test_a_log_that_cannot_be_had_holds_nothing_up() -> None:
    player = started(LOG)
    player.look("poll", iter([asked(STARTED), asked({"status": 404}, "/jobs/7/log?from=0")]))
    lost = asked({"lost": "The backend does not answer."}, "/jobs/7/log?from=0")
    player.look("poll", iter([DONE, lost]))
    assert player.job.state is State.SUCCEEDED


def log_at(offset: int, text: str) -> dict[str, Any]:
    return asked({"text": text}, f"/jobs/7/log?from={offset}")


# --- what a reply told -------------------------------------------------------------------------


def test_a_job_is_cancelled_beside_the_address_that_its_last_reply_told() -> None:
    text = BY_URL.replace('path = "/jobs/{operation}" }', 'url = "{status_url}/stop" }')
    player = started(text, {"json": {"id": "7", "at": "/queue/7"}})
    polled(player, {"json": {"at": "/work/a/9"}}, path="/queue/7?v=2&f=json")
    assert player.cancel(iter([asked({"status": 204}, "/work/a/9/stop", "DELETE")]))


def test_a_log_that_comes_as_a_whole_is_told_once() -> None:
    text = LOG.replace(', query = { from = "{offset}" }', "") + (
        'log = ".body.log[.offset:]"\nlog_offset = ".body.log | length"\n'
    )
    player = started(text)
    player.look("poll", iter([asked(STARTED), whole("one\n")]))
    player.look("poll", iter([DONE, whole("one\ntwo\n"), whole("one\ntwo\n")]))
    assert lines_of(player) == ["one", "two"]


def whole(log: str) -> dict[str, Any]:
    return asked({"json": {"log": log}}, "/jobs/7/log")


# --- shown by the presets -----------------------------------------------------------------------

SHOWN = {
    "200 with an error in it": "transmission/refused scrapyd/refused",
    "null as unknown": "scrapyd/unknown",
    "an empty list as unknown": "transmission/unknown",
    "a Location that is relative and moves": "http-202/success",
    "a status address whose query is added": "azure/status_query jenkins/success",
    "two hops": "jenkins/success",
    "a result that is a further request": "ogc-processes/success",
    "an end that only the last request tells": "scrapyd/success scrapyd/failure scrapyd/cancel",
    "a challenge, and a new one after a restart": "transmission/success transmission/cancel",
    "a start that is already finished": "azure/success_at_once aip-151/success_at_once",
    "404 just after the start": "jenkins/failure",
    "404 right after a cancel": "ogc-processes/cancel http-202/cancel",
    "a cancel that is accepted and changes nothing": "flower/success_unheard_cancel",
    "JSON labelled HTML": "ogc-processes/cancel",
}


@pytest.mark.parametrize("what", SHOWN)
def test_an_odd_thing_is_shown_by_a_preset(what: str) -> None:
    known = {str(exchange) for exchange in all_exchanges()}
    assert set(SHOWN[what].split()) <= known
