"""Any frame gives a message or a BadFrame that says what is wrong; nothing else (PROTOCOL 2)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.protocol import codec, frames
from progrock.protocol.codec import MAX_FRAME_BYTES, BadFrame
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import (
    Auth,
    Cancel,
    ListJobs,
    Ping,
    Start,
    Unwatch,
    Watch,
    as_job_id,
)

JOB = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"
ACTIONS = [
    "auth",
    "start",
    "watch",
    "unwatch",
    "cancel",
    "retry",
    "edit",
    "comment",
    "list",
    "ping",
]
FIELDS = (
    "id token backend params title labels key job after feed filter limit cursor state label mine "
    "set version note pinned text"
).split()
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates and NUL too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | ANY_TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)


def code_of(frame: str | bytes) -> ErrorCode | None:
    try:
        codec.decode(frame)
    except BadFrame as exc:
        codec.encode(frames.error(exc, exc.frame_id))  # every refusal can be answered
        return exc.code
    return None


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(ANY_TEXT)
def test_any_text_gives_a_message_or_a_bad_frame(text: str) -> None:
    code_of(text)


@given(st.binary())
def test_binary_is_a_bad_frame(data: bytes) -> None:
    assert code_of(data) is not None


@given(JSON)
def test_any_json_gives_a_message_or_a_bad_frame(value: Any) -> None:
    code_of(json.dumps(value))


@given(st.sampled_from(ACTIONS), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_fields_of_an_action_give_a_message_or_a_bad_frame(
    action: str, fields: dict[str, Any]
) -> None:
    assert code_of(json.dumps(fields | {"action": action})) in {
        None,
        ErrorCode.BAD_MESSAGE,
        ErrorCode.BAD_JSON,  # NaN and lone surrogates are not JSON
    }


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", ErrorCode.BAD_JSON),
        ("{", ErrorCode.BAD_JSON),
        ("hello", ErrorCode.BAD_JSON),
        ('{"action": NaN}', ErrorCode.BAD_JSON),
        ("{'action': 'ping'}", ErrorCode.BAD_JSON),
        ('{"action":"ping"} {"action":"ping"}', ErrorCode.BAD_JSON),
        ("null", ErrorCode.BAD_MESSAGE),
        ('["ping"]', ErrorCode.BAD_MESSAGE),
        ("{}", ErrorCode.BAD_MESSAGE),
        ('{"action": 7}', ErrorCode.BAD_MESSAGE),
        ('{"action": "fly"}', ErrorCode.UNKNOWN_ACTION),
        ('{"action": "PING"}', ErrorCode.UNKNOWN_ACTION),
        ('{"action": "cancel"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "job": "a", "feed": "jobs"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "feed": "tides"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "job": "a", "after": -1}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "job": "a", "after": 1.5}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "job": "a", "after": "1"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "watch", "job": "a", "after": true}', ErrorCode.BAD_MESSAGE),
        ('{"action": "list", "limit": 0}', ErrorCode.BAD_MESSAGE),
        ('{"action": "list", "limit": 201}', ErrorCode.BAD_MESSAGE),
        ('{"action": "list", "filter": {"colour": "red"}}', ErrorCode.BAD_MESSAGE),
        ('{"action": "start", "params": []}', ErrorCode.BAD_MESSAGE),
        ('{"action": "start", "labels": "a"}', ErrorCode.BAD_MESSAGE),
        ('{"action": "auth"}', ErrorCode.BAD_MESSAGE),
    ],
)
def test_a_frame_that_makes_no_sense_is_refused_with_its_code(frame: str, code: ErrorCode) -> None:
    assert code_of(frame) is code


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"action": "auth", "token": "prk_x"}, Auth),
        ({"action": "start"}, Start),
        ({"action": "start", "backend": "render", "params": {"width": 5}}, Start),
        ({"action": "watch", "job": JOB}, Watch),
        ({"action": "watch", "job": JOB, "after": 0}, Watch),
        ({"action": "watch", "feed": "jobs", "filter": {"state": ["running"]}}, Watch),
        ({"action": "unwatch", "job": JOB}, Unwatch),
        ({"action": "unwatch", "feed": "jobs"}, Unwatch),
        ({"action": "cancel", "job": JOB}, Cancel),
        ({"action": "list", "limit": 200}, ListJobs),
        ({"action": "ping"}, Ping),
    ],
)
def test_each_action_is_read_with_and_without_an_id(frame: dict[str, Any], kind: type) -> None:
    assert isinstance(codec.decode(json.dumps(frame)), kind)
    assert codec.decode(json.dumps(frame | {"id": "q" * 64})).id == "q" * 64


def test_what_was_sent_is_what_is_read() -> None:
    sent = {
        "action": "start",
        "id": "1",
        "backend": "render",
        "params": {"width": 5, "deep": {"list": [1, 2.5, None, True, "ü"]}},
        "title": "Ein Bild",
        "labels": ["a", "b"],
        "key": "order-7",
    }
    message = codec.decode(json.dumps(sent))
    assert isinstance(message, Start)
    assert message.model_dump() == sent


def test_fields_of_a_newer_client_are_ignored() -> None:
    assert isinstance(codec.decode('{"action": "ping", "mood": "good"}'), Ping)


@pytest.mark.parametrize(
    "frame",
    [
        '{"id": "7", "action": "fly"}',
        '{"id": "7"}',
        '{"id": "7", "action": 1}',
        '{"id": "7", "action": "cancel"}',
        '{"id": "7", "action": "list", "limit": 0}',
    ],
)
def test_a_refused_message_gives_its_id_back(frame: str) -> None:
    with pytest.raises(BadFrame) as caught:
        codec.decode(frame)
    assert caught.value.frame_id == "7"
    assert codec.id_of(frame) == "7"


@pytest.mark.parametrize("id_", ["q" * 65, 7, None, ["7"], {"a": 1}, True])
def test_an_id_that_cannot_be_one_is_not_given_back(id_: object) -> None:
    frame = json.dumps({"action": "fly", "id": id_})
    with pytest.raises(BadFrame) as caught:
        codec.decode(frame)
    assert caught.value.frame_id is None
    assert codec.id_of(frame) is None


@pytest.mark.parametrize("id_", ["q" * 65, 7, ["7"]])
def test_an_id_that_cannot_be_one_is_refused(id_: object) -> None:
    assert code_of(json.dumps({"action": "ping", "id": id_})) is ErrorCode.BAD_MESSAGE


@given(ANY_TEXT | st.binary())
def test_looking_for_the_id_of_any_frame_fails_never(frame: str | bytes) -> None:
    codec.id_of(frame)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "a\0b"},
        {"labels": ["a\0b"]},
        {"key": "a\0b"},
        {"id": "a\0b"},
        {"backend": "a\0b"},
        {"params": {"a\0b": 1}},
        {"params": {"a": {"b": ["c", {"d": "e\0"}]}}},
    ],
)
def test_nul_is_refused_wherever_it_stands(fields: dict[str, Any]) -> None:
    assert code_of(json.dumps({"action": "start"} | fields)) is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "t" * 201},
        {"labels": ["l" * 61]},
        {"labels": [""]},
        {"labels": ["l"] * 21},
        {"key": ""},
        {"key": "k" * 256},
    ],
)
def test_texts_are_bounded(fields: dict[str, Any]) -> None:
    assert code_of(json.dumps({"action": "start"} | fields)) is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize("depth", [1, 250, 500, 980, 1000, 1020, 1100, 32_000])
def test_deep_nesting_gives_a_message_or_a_bad_frame(depth: int) -> None:
    frame = f'{{"action": "start", "params": {{"a": {nested(depth)}}}}}'
    assert len(frame) <= MAX_FRAME_BYTES
    code_of(frame)
    code_of(nested(depth))
    codec.id_of(nested(depth))


def sent_back(params: str) -> str | None:
    """Return the params within the deepest frame that shows them, or None where refused."""
    try:
        message = codec.decode(f'{{"action": "start", "params": {params}}}')
    except BadFrame:
        return None
    assert isinstance(message, Start)
    return codec.encode(frames.jobs(None, [{"job": JOB, "params": message.params}], None))


@pytest.mark.parametrize("depth", [100, 200, 248, 252, 300, 900])
def test_params_that_are_accepted_can_be_shown_however_deep(depth: int) -> None:
    # Else one client's job would break every list that holds it.
    sent_back(f'{{"a": {nested(depth)}}}')


@pytest.mark.parametrize(
    "number", ["9" * 30, "-" + "9" * 30, "1e308", "1e999", "9" * 400, "1e-400"]
)
def test_params_that_are_accepted_can_be_shown_however_large(number: str) -> None:
    sent_back(f'{{"a": {number}}}')


@given(st.dictionaries(ANY_TEXT, JSON))
def test_params_that_are_accepted_can_be_shown(params: dict[str, Any]) -> None:
    sent_back(json.dumps(params))


def test_a_refusal_names_the_field_and_not_what_was_sent() -> None:
    with pytest.raises(BadFrame) as caught:
        codec.decode('{"action": "auth", "token": ["prk_hunter2"]}')
    exc = caught.value
    assert [item["field"] for item in exc.details] == ["token"]
    assert "token" in exc.message
    assert "hunter2" not in json.dumps(frames.error(exc))


def test_what_is_encoded_is_one_line() -> None:
    text = codec.encode({"a": "x\ny\r", "b": [1, 2.5, None, True]})
    assert len(text.splitlines()) == 1
    assert codec.decode_json(text) == {"a": "x\ny\r", "b": [1, 2.5, None, True]}


@pytest.mark.parametrize("text", [JOB, JOB.upper()])
def test_a_job_id_is_read_in_either_case(text: str) -> None:
    assert str(as_job_id(text)) == JOB


@pytest.mark.parametrize(
    "text", ["", "7", JOB[:-1], "{" + JOB + "}", "urn:uuid:" + JOB, JOB.replace("-", ""), JOB + " "]
)
def test_what_is_not_in_the_text_form_is_no_job_id(text: str) -> None:
    assert as_job_id(text) is None


@given(ANY_TEXT)
def test_any_text_is_a_job_id_or_none(text: str) -> None:
    as_job_id(text)
