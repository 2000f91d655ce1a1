"""Frames carry the keys of PROTOCOL 2.3, and times in the one form of PROTOCOL 2.4."""

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from progrock.errors import RequestError, unknown_job
from progrock.protocol import frames
from progrock.protocol.codes import ErrorCode

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001
def test_a_time_is_utc_with_milliseconds(at: datetime) -> None:
    text = frames.timestamp(at)
    assert text is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert abs(datetime.fromisoformat(text) - at) < timedelta(milliseconds=1)


def test_no_time_is_null() -> None:
    assert frames.timestamp(None) is None


def test_the_example_of_the_protocol_is_written_as_there() -> None:
    at = datetime(2026, 11, 21, 5, 54, 51, 19_000, tzinfo=UTC)
    assert frames.timestamp(at) == "2026-11-21T05:54:51.019Z"
    assert frames.heartbeat(at) == {"type": "heartbeat", "at": "2026-11-21T05:54:51.019Z"}


def test_hello_says_who_and_what_is_allowed() -> None:
    hello = frames.hello(connection="c", name="ada", anonymous=False, heartbeat=15, limits={"a": 1})
    assert hello == {
        "type": "hello",
        "protocol": "progrock.v1",
        "connection": "c",
        "user": {"name": "ada", "anonymous": False},
        "heartbeat": 15,
        "limits": {"a": 1},
    }


def test_watching_is_recovered_exactly_when_there_is_no_snapshot() -> None:
    replayed = frames.watching("q", "j", 7, None)
    assert (replayed["recovered"], "snapshot" in replayed) == (True, False)
    afresh = frames.watching("q", "j", 7, {"job": "j", "seq": 7})
    assert (afresh["recovered"], afresh["snapshot"]["seq"]) == (False, 7)
    assert replayed["seq"] == afresh["seq"] == 7


def test_started_begins_from_its_snapshot() -> None:
    frame = frames.started("q", {"job": "j", "seq": 2})
    assert frame.items() >= {"type": "started", "id": "q", "job": "j", "seq": 2}.items()
    assert (frame["recovered"], frame["snapshot"]) == (False, {"job": "j", "seq": 2})


def test_answers_carry_the_id_of_their_question() -> None:
    answers = [
        frames.ack("q", "j", version=2),
        frames.jobs("q", [], None),
        frames.pong("q"),
        frames.unwatched("q", {"job": "j"}),
        frames.watching_feed("q", [], None),
        frames.error(RequestError(ErrorCode.CONFLICT, "It was used."), "q"),
    ]
    assert {answer["id"] for answer in answers} == {"q"}


def test_an_error_has_what_it_needs_and_no_more() -> None:
    assert frames.error(RequestError(ErrorCode.CONFLICT, "It was used."), None) == {
        "type": "error",
        "id": None,
        "code": "conflict",
        "message": "It was used.",
        "retryable": False,
    }
    limited = RequestError(ErrorCode.RATE_LIMITED, "Slower.", details=[1], job="j", retry_after=2)
    frame = frames.error(limited, "q")
    assert (frame["retryable"], frame["retry_after"], frame["details"], frame["job"]) == (
        True,
        2,
        [1],
        "j",
    )


def test_an_unknown_job_is_named_and_cut() -> None:
    frame = frames.error(unknown_job("x" * 10_000))
    assert frame["code"] == "unknown_job"
    assert len(str(frame)) < 500
