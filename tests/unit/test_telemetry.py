"""What is counted of a backend, how it is read back, and the text that Prometheus gets."""

import random
from datetime import UTC, datetime
from statistics import quantiles
from uuid import UUID

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from progrock.backends.errors import BadReply
from progrock.backends.http import HttpReply
from progrock.backends.masking import STARS, Mask
from progrock.jobs.changes import JobError, PollFailed, StartFailed, Unchanged
from progrock.jobs.states import JobErrorCode, State
from progrock.telemetry import board
from progrock.telemetry.exposition import Family, text_of
from progrock.telemetry.figures import window_of
from progrock.telemetry.scale import LATENCY_BOUNDS, quantile
from progrock.telemetry.tally import BODY_CHARACTERS, MASKED_BYTES, Failure, Tally

JOB = UUID("01a1b2c3-0000-7000-8000-000000000000")
AT = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def failed(message: str = "no answer") -> PollFailed:
    error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message=message)
    return PollFailed(look=1, error=error)


def reply(content: bytes, **headers: str) -> HttpReply:
    return HttpReply(status=500, headers=headers, content=content)


@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_quantile_is_off_by_a_fifth_at_most(part: float) -> None:
    chance = random.Random(7)
    times = [chance.lognormvariate(-3, 1) for _ in range(5_000)]
    tally = Tally(lambda: None)
    for seconds in times:
        tally.note_answer(seconds)
    tally.note_poll(Unchanged(look=1), None, JOB)
    taken = tally.take()
    counts = [taken.get(f"latency:{place}", 0) for place in range(len(LATENCY_BOUNDS) + 1)]
    exact = quantiles(times, n=100)[round(100 * part) - 1]
    assert quantile(LATENCY_BOUNDS, counts, part) == pytest.approx(exact, rel=0.2)
    assert taken["requests"] == len(times)
    assert taken["micros"] == pytest.approx(sum(times) * 1e6, rel=1e-6)


def test_a_quantile_of_nothing_is_unknown_and_one_beyond_all_bounds_the_last() -> None:
    assert quantile((1.0, 2.0), (0, 0, 0), 0.5) is None
    assert quantile((1.0, 2.0), (0, 0, 3), 0.5) == 2.0
    assert quantile((1.0, 2.0), (0, 4, 0), 0.5) == 1.5


def test_a_tally_counts_by_outcome_and_begins_anew_when_it_is_taken() -> None:
    woken: list[bool] = []
    tally = Tally(lambda: woken.append(True))
    tally.note_poll(Unchanged(look=1), None, JOB)
    tally.note_poll(failed(), None, JOB)
    tally.note_poll(BadReply("not a list"), reply(b"{}"), None)
    error = JobError(code=JobErrorCode.BACKEND_REFUSED, message="no room")
    tally.note_call(StartFailed(look=1, error=error), reply(b"{}"), JOB)
    tally.note_call(True, reply(b"{}"), JOB)
    tally.note_end(State.SUCCEEDED, 2.5)
    tally.note_end(State.FAILED, 9.0)
    assert woken == [True]
    assert tally.failure is not None
    assert (tally.failure.asked, tally.failure.code) == ("call", "backend_refused")
    assert tally.take() == {
        "polls": 3,
        "polls_failed": 2,
        "calls": 2,
        "calls_failed": 1,
        "ended:succeeded": 1,
        "ended:failed": 1,
        "duration:1": 1,
        "ended_millis": 2500,
    }
    assert tally.take() == {}
    tally.note_poll(Unchanged(look=2), None, JOB)
    assert woken == [True, True]


def test_a_failing_reply_is_told_without_secrets_also_where_it_is_cut() -> None:
    body = b"x" * (BODY_CHARACTERS - 5) + SECRET.encode() + b"y" * MASKED_BYTES
    kept = Failure(
        asked="poll",
        code="bad_reply",
        message=f"it said {SECRET}",
        job=JOB,
        reply=reply(body, **{"set-cookie": "session=1", "server": f"nginx {SECRET}"}),
    )
    told = kept.as_json(Mask.of([SECRET]), AT)
    text = orjson.dumps(told).decode()
    assert all(SECRET[:size] not in text for size in range(4, len(SECRET)))
    assert told["body"].endswith("x" + STARS + "yy")
    assert told["is_cut"] is True
    assert told["headers"] == {"server": f"nginx {STARS}"}


def test_a_failing_reply_of_stray_bytes_can_be_kept() -> None:
    kept = Failure(
        asked="poll", code="bad_reply", message="?", job=None, reply=reply(b"\xff\x00ok")
    )
    told = kept.as_json(Mask(), AT)
    assert told["body"] == "��ok"
    assert orjson.loads(orjson.dumps(told)) == told


def test_rates_are_those_of_the_last_minute() -> None:
    busy = {"polls": 50, "polls_failed": 5}
    slots = [busy] * (board.SLOTS + 1)
    window = window_of(slots, AT)  # five seconds into the present slot
    assert (window.seconds, window.polls, window.failed) == (65, 350, 35)
    assert window.error_rate == 0.1
    assert window.p50 is None


def test_a_backend_that_is_polled_since_a_moment_has_the_rate_of_that_moment() -> None:
    slots: list[dict[str, int]] = [{} for _ in range(board.SLOTS + 1)]
    slots[-2] = {"polls": 20}
    window = window_of(slots, AT)
    assert (window.seconds, window.per_second) == (15, 20 / 15)
    slots[0] = {"polls": 1}  # it was polled before: the pause counts
    assert window_of(slots, AT).seconds == 65
    assert window_of([{} for _ in slots], AT).error_rate is None


def test_the_text_is_what_the_official_parser_reads() -> None:
    odd = 'a "quoted" \\ name\nin two lines'
    gauge = Family(name="a_gauge", kind="gauge", help="Back\\slash\nand line.")
    gauge.add(0.25, backend=odd)
    times = Family(name="a_histogram", kind="histogram", help="Times.")
    times.add_histogram((0.5, 1.0), (3, 0, 2), 7.5, backend="x")
    empty = Family(name="nothing", kind="counter", help="Not there.")
    text = text_of([gauge, times, empty])
    first, second = text_string_to_metric_families(text)
    assert first.documentation == "Back\\slash\nand line."
    assert [(each.labels, each.value) for each in first.samples] == [({"backend": odd}, 0.25)]
    found = {(each.name, each.labels.get("le")): each.value for each in second.samples}
    assert found == {
        ("a_histogram_bucket", "0.5"): 3,
        ("a_histogram_bucket", "1"): 3,
        ("a_histogram_bucket", "+Inf"): 5,
        ("a_histogram_count", None): 5,
        ("a_histogram_sum", None): 7.5,
    }
