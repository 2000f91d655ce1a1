"""What a reply is read as: BACKENDS, each row of the table of `map`; and replies are hostile."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends import conversation, reading
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError, Refused
from progrock.backends.http import HttpReply
from progrock.jobs.changes import Change, Observation, PollFailed, Started, StartFailed
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.transitions import advance
from progrock.jobs.values import JobValue
from progrock.protocol.codec import encode
from tests.unit.descriptions import BASE, BEGIN, MINIMAL, a_job, backend_of

LATER = BEGIN + timedelta(hours=1)  # beyond every grace
STATES = """
    states = { going = "running", done = "succeeded", "7" = "queued", "true" = "failed" }
"""


def reply_of(
    body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpReply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status=status, headers=dict(headers or {}), content=content)


def mapping(**fields: str) -> Backend:
    lines = "".join(f"map.{name} = '''{text}'''\n" for name, text in fields.items())
    return backend_of(MINIMAL + STATES + lines)


NAMES = (
    "id refused state progress current total unit message steps result error log status_url "
    "retry_after"
).split()
PATHS = {"operation" if name == "id" else name: f".body.{name}" for name in NAMES}
USUAL = mapping(**PATHS)
BY_JQ = mapping(**{name: f"{path} | ." for name, path in PATHS.items()})


def polled(
    reply: HttpReply, backend: Backend = USUAL, job: JobValue | None = None, at: datetime = LATER
) -> Change:
    """Return what a poll gives; a reply that cannot be taken is a failed poll."""
    return reading.read_poll(backend, job or a_job(), {"n": 5}, reply, at)


def seen(
    body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any
) -> Observation:
    change = polled(reply_of(body, status, headers), **more)
    assert isinstance(change, Observation), change
    return change


def failed(reply: HttpReply, **more: Any) -> PollFailed:
    change = polled(reply, **more)
    assert isinstance(change, PollFailed), change
    assert change.error.message
    return change


def begun(reply: HttpReply, backend: Backend = USUAL) -> Change:
    job = a_job(state=State.PENDING, operation=None, started=None)
    return reading.read_start(backend, job, {"n": 5}, reply)


def not_begun(reply: HttpReply, backend: Backend = USUAL) -> StartFailed:
    change = begun(reply, backend)
    assert isinstance(change, StartFailed), change
    assert change.error.message
    return change


# --- the fields of a poll ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("going", State.RUNNING),
        ("done", State.SUCCEEDED),
        (7, State.QUEUED),
        (7.0, State.QUEUED),
        ("7", State.QUEUED),
        (True, State.FAILED),
        ("cancelled", State.CANCELLED),
        ("timed_out", State.TIMED_OUT),
        (None, None),
    ],
)
def test_a_state_is_looked_up_and_our_own_pass_as_they_are(word: Any, state: State | None) -> None:
    assert seen({"state": word}).state is state


@pytest.mark.parametrize("word", ["odd", "", 8, False, ["going"], {"a": 1}, "RUNNING", "x" * 9_000])
def test_an_unknown_word_keeps_the_job_running(word: Any) -> None:
    step = advance(a_job(), seen({"state": word}), USUAL.policy, LATER)
    assert step.job.state is State.RUNNING


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (42, 42),
        (42.5, 42.5),
        ("42.5", 42.5),
        (0, 0),
        (-1, -1),
        (None, None),
        ("n/a", None),
        ("nan", None),
        ("Infinity", None),
        ("1e999", None),
        (True, None),
        ([5], None),
        ({"a": 5}, None),
    ],
)
def test_a_figure_is_a_finite_number_or_nothing(value: Any, number: float | None) -> None:
    observation = seen({"progress": value, "current": value, "total": value, "state": "going"})
    assert observation.progress == observation.current == observation.total == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("reading", "reading"),
        (7, "7"),
        (7.5, "7.5"),
        (True, "true"),
        (None, None),
        ("", None),
        ({"message": "m", "code": "c"}, "m"),
        ({"code": "c"}, "c"),
        ({"message": None, "code": 7}, "7"),
        ({"a": 1}, '{"a":1}'),
        (["a"], '["a"]'),
    ],
)
def test_a_text_is_read_from_whatever_it_is(value: Any, text: str | None) -> None:
    observation = seen({"message": value, "error": value})
    assert (observation.message, observation.error) == (text, text)


@pytest.mark.parametrize("name", ["message", "error", "unit"])
def test_texts_are_bounded(name: str) -> None:
    text = getattr(seen({name: "x" * 100_000}), name)
    assert 1 <= len(text) <= 5_000


@pytest.mark.parametrize("value", [{"url": "/x"}, [1, None, "a"], "text", 0, False, 1.5])
def test_a_result_is_any_json(value: Any) -> None:
    assert seen({"state": "done", "result": value}).result == value


def test_steps_have_name_state_and_progress() -> None:
    steps = [{"name": "read", "state": "done", "progress": 100, "x": 1}, {"name": 2}, "odd", None]
    assert seen({"steps": steps}).steps == [
        {"name": "read", "state": "succeeded", "progress": 100},
        {"name": "2", "state": None, "progress": None},
    ]
    assert seen({"steps": "odd"}).steps is None


def test_steps_are_bounded_in_number_and_size() -> None:
    told = {"name": "n" * 300, "state": "s" * 300, "progress": 1e9}
    steps = seen({"steps": [told] * 1_500}).steps
    assert steps is not None
    assert len(steps) <= 1_000
    assert len(encode(steps[0])) <= 500
    assert all(step["progress"] <= 100 for step in steps)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("one\ntwo\r\nthree", ("one", "two", "three")),
        (["one", "two"], ("one", "two")),
        (["one", 2, None], ("one", "2")),
        ("", ()),
        (None, ()),
        (7, ()),
    ],
)
def test_a_log_is_lines(value: Any, lines: tuple[str, ...]) -> None:
    assert seen({"log": value}).log == lines


def test_the_look_of_the_job_is_that_of_what_was_seen() -> None:
    assert seen({}).look == 3
    assert failed(reply_of({}, 500)).look == 3


def test_expressions_see_the_whole_document() -> None:
    document = {
        "status": ".status",
        "header": '.headers["x-a"]',
        "param": ".params.n",
        "operation": ".operation",
        "start": ".start.body.id",
        "nothing": ".also, .outcome",
        "lookup": ".lookup",
        "cancelled": ".cancelled",
    }
    expression = "{" + ", ".join(f"{name}: ({text})" for name, text in document.items()) + "}"
    job = a_job(start={"status": 202, "headers": {}, "body": {"id": 9}}, lookup=4)
    observation = seen({}, headers={"x-a": "h"}, backend=mapping(result=expression), job=job)
    assert observation.result == {
        "status": 200,
        "header": "h",
        "param": 5,
        "operation": "op-1",
        "start": 9,
        "nothing": None,
        "lookup": 4,
        "cancelled": False,
    }
    cancelled = a_job(cancel_requested=BEGIN)
    assert seen({}, backend=mapping(result=".cancelled"), job=cancelled).result is True


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"7", 7),
        (b"null", None),
        (b"", None),
        (b"  \n", None),
        (b"plain text", "plain text"),
        (b"<html>\xff</html>", "<html>\ufffd</html>"),
        (b'{"a": NaN}', '{"a": NaN}'),
    ],
)
def test_a_body_is_json_where_it_parses_else_text_and_null_when_empty(
    content: bytes, body: Any
) -> None:
    reply = HttpReply(status=200, headers={}, content=content)
    backend = mapping(result="{body: .body}", state='"going"')
    assert seen(content, backend=backend).result == {"body": body}
    assert reply.as_json()["body"] == body


# --- Retry-After ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0", 0),
        ("-5", 0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999", None),
        ("Mon, 32 Foo 2026 25:61:61 GMT", None),
        ("\x00", None),
    ],
)
def test_the_header_retry_after_is_seconds_or_nonsense(text: str, seconds: float | None) -> None:
    headers = {"retry-after": text}
    assert seen({"state": "going"}, headers=headers).retry_after == seconds
    assert failed(reply_of({}, 503, headers)).retry_after == seconds
    assert not_begun(reply_of({}, 503, headers)).retry_after == seconds


def test_the_header_retry_after_may_be_a_date() -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert seen({}, headers={"retry-after": ahead}).retry_after == pytest.approx(3_600, abs=60)
    assert seen({}, headers={"retry-after": past}).retry_after == 0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S+"))
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    found = failed(reply_of({}, 503, {"retry-after": text})).retry_after
    assert found is None or found >= 0


def test_the_mapped_retry_after_comes_before_the_header() -> None:
    headers = {"retry-after": "120"}
    assert seen({"retry_after": 5}, headers=headers).retry_after == 5
    assert seen({"retry_after": "7"}).retry_after == 7
    assert seen({"retry_after": "soon"}, headers=headers).retry_after == 120


# --- gone, failed, unreadable --------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_the_backend_no_longer_knows_is_lost(status: int) -> None:
    assert seen({}, status).gone
    step = advance(a_job(), seen(b"gone", status), USUAL.policy, LATER)
    assert step.job.error is not None
    assert (step.job.state, step.job.error.code) == (State.FAILED, JobErrorCode.LOST)


def test_a_job_that_is_gone_after_our_cancel_is_cancelled() -> None:
    job = a_job(state=State.CANCELLING, cancel_requested=BEGIN)
    change = polled(reply_of({}, 404), job=job, at=BEGIN)
    assert advance(job, change, USUAL.policy, BEGIN).job.state is State.CANCELLED


@pytest.mark.parametrize(("seconds", "is_over"), [(0, False), (9, False), (11, True)])
def test_within_the_grace_after_the_start_gone_means_not_yet(seconds: float, is_over: bool) -> None:
    at = BEGIN + timedelta(seconds=seconds)
    change = polled(reply_of({}, 404), at=at)
    step = advance(a_job(), change, USUAL.policy, at)
    assert step.job.state.is_terminal is is_over
    if not is_over:
        assert (step.job.condition, step.job.failures) == (Condition.OK, 0)


def test_the_grace_is_that_of_the_description() -> None:
    backend = backend_of(MINIMAL + "not_found_grace = 0")
    assert seen({}, 404, backend=backend, at=BEGIN).gone


def test_where_gone_is_mapped_it_alone_decides() -> None:
    backend = mapping(gone=".status == 400", state=".body.state")
    assert seen({}, 400, backend=backend).gone
    assert failed(reply_of({}, 404), backend=backend).error.code is not JobErrorCode.LOST
    for nonsense in ('"yes"', "1", "null", "error"):
        assert not seen({"state": "going"}, backend=mapping(gone=nonsense)).gone


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_server_that_is_out_of_order_or_busy_is_a_failed_poll(status: int) -> None:
    error = failed(reply_of({"state": "done"}, status)).error
    assert error.code is JobErrorCode.BACKEND_UNREACHABLE
    assert str(status) in error.message


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_failed_poll(status: int) -> None:
    failed(reply_of({}, status, {"location": f"{BASE}/elsewhere"}))


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 422])
def test_another_4xx_that_tells_no_state_is_a_failed_poll_with_its_reason(status: int) -> None:
    error = failed(reply_of({"error": "no such thing"}, status)).error
    assert "no such thing" in error.message or str(status) in error.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b"\x00\x01\xff",
        b"{",
        b'"',
        b"OK",
        b"\xef\xbb\xbf",
    ],
)
def test_a_body_that_says_nothing_is_a_failed_poll(content: bytes) -> None:
    assert failed(reply_of(content)).error.code is JobErrorCode.BAD_REPLY


@pytest.mark.parametrize("body", [{}, {"a": 1}, [], [1], 7, "text", True])
def test_json_that_says_nothing_of_the_job_changes_nothing(body: Any) -> None:
    step = advance(a_job(), polled(reply_of(body)), USUAL.policy, BEGIN)
    assert (step.job.state, step.events) == (State.RUNNING, ())


# --- hostile replies -----------------------------------------------------------------------------


def recorded(change: Change) -> None:
    """Check that a change can be written to either database, and shown."""
    text = repr(change)
    assert "\\x00" not in text
    job = a_job(state=State.PENDING if isinstance(change, Started | StartFailed) else State.RUNNING)
    step = advance(job, change, USUAL.policy, LATER)
    for event in step.events:
        encode(event.frame)
    value = step.job
    for item in (value.operation, value.status_url, value.start, value.result, value.steps):
        assert "\\u0000" not in encode(item)


def taken(read: Callable[..., Change], reply: HttpReply, backend: Backend = USUAL) -> Change:
    """Return what a reply gives; one that cannot be taken fails the look with its reason."""
    try:
        return read(reply, backend)
    except BackendError as exc:
        return conversation.failed_look(a_job(), exc)


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from(["going", "done", "\0", "a\0b", "http://evil\0.example/", 2**53 + 1, 1e300])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["name", "state", "\0"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), HOSTILE) | HOSTILE
REPLIES = st.builds(
    HttpReply,
    status=st.sampled_from([200, 202, 204, 302, 400, 404, 409, 429, 500]),
    headers=st.just({}) | st.just({"retry-after": "7", "x-file": "caf\udce9"}),
    content=st.binary(max_size=20) | BODIES.map(lambda body: json.dumps(body).encode()),
)


BACKENDS = st.sampled_from([USUAL, BY_JQ])


@given(REPLIES, BACKENDS)
def test_any_reply_to_a_poll_gives_what_can_be_recorded(reply: HttpReply, backend: Backend) -> None:
    recorded(taken(polled, reply, backend))


@given(REPLIES, BACKENDS)
def test_any_reply_to_a_start_gives_what_can_be_recorded(
    reply: HttpReply, backend: Backend
) -> None:
    recorded(taken(begun, reply, backend))


@pytest.mark.parametrize("backend", [USUAL, BY_JQ])
def test_nul_is_kept_out_of_all_that_is_stored(backend: Backend) -> None:
    body = {
        "id": "a\0b",
        "state": "go\0ing",
        "message": "a\0b",
        "unit": "a\0b",
        "steps": [{"name": "a\0b", "state": "a\0b"}],
        "result": {"a\0b": ["c\0d"]},
        "error": {"message": "a\0b"},
        "log": ["a\0b"],
        "other": "a\0b",
    }
    for reply in (reply_of(body), reply_of(body, 422), reply_of(b"a\0b"), reply_of(b"a\0b", 400)):
        recorded(taken(polled, reply, backend))
        recorded(taken(begun, reply, backend))
    recorded(taken(begun, reply_of(body | {"refused": True}), backend))


@pytest.mark.parametrize("name", ["result", "message", "error", "unit", "log", "state", "id"])
def test_a_number_beyond_64_bits_is_no_harm(name: str) -> None:
    for number in (2**64, -(2**63) - 1, 10**30, 1e300, -1e300):
        for value in (number, [number], {"a": number}):
            for backend in (USUAL, BY_JQ):
                recorded(polled(reply_of({"state": "done", name: value}), backend))
                recorded(begun(reply_of({"id": "x", name: value}, 202), backend))


@pytest.mark.parametrize("depth", [60, 70, 200, 250, 254, 300, 900])
@pytest.mark.parametrize("name", ["result", "message", "error", "log", "steps", "state", "id"])
def test_a_deep_reply_is_no_harm(name: str, depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for value in (deep, b'{"a": %b}' % deep):
        content = b'{"state": "going", "id": "x", "%b": %b}' % (name.encode(), value)
        for backend in (USUAL, BY_JQ):
            recorded(taken(polled, reply_of(content), backend))
            recorded(taken(begun, reply_of(content, 202), backend))


@pytest.mark.parametrize("value", ["caf\udce9", "\udcff"])
def test_a_header_that_is_not_utf_8_spoils_nothing(value: str) -> None:
    # A header of a poll has its stray bytes as surrogates (PEP 383).
    assert seen({"state": "going"}, headers={"x-file": value}).state is State.RUNNING


# --- the start -----------------------------------------------------------------------------------


def test_a_start_gives_the_operation_and_keeps_its_reply() -> None:
    change = begun(reply_of({"id": "op-9", "state": "going"}, 202, {"x-a": "h"}))
    assert isinstance(change, Started)
    assert change.operation == "op-9"
    assert change.start == {
        "status": 202,
        "headers": {"x-a": "h"},
        "body": {"id": "op-9", "state": "going"},
    }
    assert change.observation.state is State.RUNNING


@pytest.mark.parametrize(
    ("id_", "operation"),
    [
        (7, "7"),
        ("7", "7"),
        (2**53 + 1, str(2**53 + 1)),
        (1541815603606036481, "1541815603606036481"),  # as of services with 64-bit ids
        (2**64 - 1, str(2**64 - 1)),
        ("00012", "00012"),
    ],
)
def test_an_operation_keeps_every_digit(id_: Any, operation: str) -> None:
    change = begun(reply_of({"id": id_}, 202))
    assert isinstance(change, Started)
    assert change.operation == operation


def test_a_start_may_be_answered_with_the_finished_job() -> None:
    change = begun(reply_of({"state": "done", "result": 7}))
    assert isinstance(change, Started)
    assert (change.observation.state, change.observation.result) == (State.SUCCEEDED, 7)


def test_a_start_that_tells_no_id_is_a_bad_reply() -> None:
    for content in (b"{}", b"<html>", b"", b"[]"):
        with pytest.raises(BackendError):
            begun(reply_of(content, 202))


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 409, 410, 422])
def test_a_start_that_is_refused_fails_with_the_backends_reason(status: int) -> None:
    change = not_begun(reply_of({"error": {"message": "width is too small"}, "id": 7}, status))
    assert (change.error.code, change.try_again) == (JobErrorCode.BACKEND_REFUSED, False)
    assert "width is too small" in change.error.message


@pytest.mark.parametrize("key", ["error", "detail", "message", "title"])
def test_a_refusal_finds_the_reason_where_it_usually_stands(key: str) -> None:
    backend = mapping(operation=".body.id")
    assert "too small" in not_begun(reply_of({key: "too small"}, 400), backend).error.message


def test_a_start_is_refused_where_the_map_says_so_though_the_code_is_2xx() -> None:
    change = not_begun(reply_of({"id": 7, "refused": True, "error": "not today"}))
    assert change.error.code is JobErrorCode.BACKEND_REFUSED
    assert "not today" in change.error.message
    for nonsense in ("yes", 1, None, False):
        assert isinstance(begun(reply_of({"id": 7, "refused": nonsense}, 202)), Started)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_start_is_tried_again_only_where_it_is_idempotent(status: int) -> None:
    assert not not_begun(reply_of({}, status)).try_again
    idempotent = backend_of(MINIMAL + "start.idempotent = true\nmap.operation = '.body.id'")
    assert not_begun(reply_of({}, status, {"retry-after": "9"}), idempotent).try_again
    assert not not_begun(reply_of({}, 422), idempotent).try_again


# --- the status_url ------------------------------------------------------------------------------


def test_a_status_url_is_resolved_and_may_be_on_a_named_origin() -> None:
    assert seen({"status_url": "/s/7?a=b"}).status_url == f"{BASE}/s/7?a=b"
    start = begun(reply_of({"id": 7, "status_url": f"{BASE}/s/7"}, 202))
    assert isinstance(start, Started)
    assert start.observation.status_url == f"{BASE}/s/7"
    backend = backend_of(
        MINIMAL + "origins = ['http://files.internal']\nmap.status_url = '.headers.location'"
    )
    headers = {"location": "http://files.internal/s"}
    assert seen({}, headers=headers, backend=backend).status_url == "http://files.internal/s"


@pytest.mark.parametrize(
    "url", ["http://evil.example/", "//evil.example/", "ftp://127.0.0.1:6800/"]
)
def test_a_foreign_status_url_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        polled(reply_of({"status_url": url}))
    with pytest.raises(Refused):
        begun(reply_of({"id": 7, "status_url": url}, 202))


@pytest.mark.parametrize("url", [None, "", 7, True, [], {"href": "/x"}])
def test_what_is_no_text_is_no_status_url(url: Any) -> None:
    assert seen({"status_url": url}).status_url is None


# --- status = "code" -----------------------------------------------------------------------------

BY_CODE = backend_of(
    f"""
    base_url = "{BASE}"
    start.path = "/jobs"
    status = "code"
    map.status_url = ".headers.location"
    map.result = ".body"
    """
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (202, State.RUNNING),
        (200, State.SUCCEEDED),
        (201, State.SUCCEEDED),
        (204, State.SUCCEEDED),
        (400, State.FAILED),
        (409, State.FAILED),
        (422, State.FAILED),
    ],
)
def test_where_the_code_is_the_state(status: int, state: State) -> None:
    content = b"" if status == 204 else b'{"a": 1}'
    assert seen(content, status, backend=BY_CODE).state is state


@pytest.mark.parametrize("status", [301, 302, 303, 307, 408, 425, 429, 500, 503])
def test_where_the_code_is_the_state_others_are_failed_polls(status: int) -> None:
    failed(reply_of({"a": 1}, status), backend=BY_CODE)


@pytest.mark.parametrize("status", [404, 410])
def test_where_the_code_is_the_state_gone_is_gone(status: int) -> None:
    assert seen({"a": 1}, status, backend=BY_CODE).gone


def test_where_the_code_is_the_state_a_start_needs_its_address() -> None:
    change = begun(reply_of({}, 202, {"location": "/s/1"}), BY_CODE)
    assert isinstance(change, Started)
    assert change.observation.status_url == f"{BASE}/s/1"
    with pytest.raises(BackendError):
        begun(reply_of({}, 202), BY_CODE)


# --- batches -------------------------------------------------------------------------------------

IN_BATCHES = backend_of(
    f"""
    base_url = "{BASE}"
    start.path = "/jobs"
    map.operation = ".body.id"
    map.state = ".body.state"
    map.progress = ".body.progress"
    states = {{ going = "running" }}
    [backends.b.batch]
    path = "/states"
    query.ids = "{{operations}}"
    each = ".body[] | {{operation: .id, body: .}}"
    """
)


def parts_of(items: Any, status: int = 200) -> dict[str, HttpReply]:
    assert IN_BATCHES.batch is not None
    return reading.read_batch(IN_BATCHES.batch, reply_of(items, status))


def test_each_job_of_a_batch_gets_its_part() -> None:
    parts = parts_of([{"id": "a", "state": "going", "progress": 5}, {"id": 7, "state": "queued"}])
    assert set(parts) == {"a", "7"}
    job = a_job(operation="a")
    change = reading.read_poll(IN_BATCHES, job, {}, parts["a"], LATER)
    assert isinstance(change, Observation)
    assert (change.state, change.progress) == (State.RUNNING, 5)


@pytest.mark.parametrize("items", [[], [None], [7], ["x"], [{}], [{"id": None}]])
def test_a_batch_leaves_out_what_names_no_job(items: list[Any]) -> None:
    try:
        assert parts_of(items) == {}
    except BackendError as exc:
        str(exc)


@pytest.mark.parametrize("items", [None, 7, "x", {}, b"<html>", b""])
def test_a_batch_that_cannot_be_read_has_failed_or_is_empty(items: Any) -> None:
    try:
        assert parts_of(items) == {}
    except BackendError as exc:
        str(exc)


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_a_batch_that_is_refused_has_failed(status: int) -> None:
    with pytest.raises(BackendError):
        parts_of([{"id": "a"}], status)


def test_an_operation_in_a_batch_keeps_every_digit() -> None:
    assert set(parts_of([{"id": 1541815603606036481, "state": "going"}])) == {"1541815603606036481"}


@pytest.mark.parametrize(
    "odd", [10**30, 1e300, "a\0b", [[[]]], {"a": 2**64}, json.loads("[" * 240 + "]" * 240)]
)
def test_one_odd_job_of_a_batch_spoils_no_other(odd: Any) -> None:
    parts = parts_of([{"id": "a", "state": "going"}, {"id": "b", "state": "going", "x": odd}])
    assert "a" in parts
    for operation, part in parts.items():
        change = reading.read_poll(IN_BATCHES, a_job(operation=operation), {}, part, LATER)
        recorded(change)


@given(HOSTILE | st.lists(st.dictionaries(st.sampled_from(["id", "state", "x"]), HOSTILE)))
def test_any_batch_gives_parts_or_has_failed(items: Any) -> None:
    try:
        parts = parts_of(items)
    except BackendError as exc:
        str(exc)
    else:
        assert all(isinstance(operation, str) for operation in parts)
