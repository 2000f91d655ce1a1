"""What PROTOCOL 1 and DESIGN 4 promise of a job holds for any sequence of changes."""

import copy
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    JobError,
    Observation,
    PollFailed,
    Reported,
    Started,
    StartFailed,
)
from progrock.jobs.policy import PollPolicy
from progrock.jobs.reporting import merged
from progrock.jobs.states import TERMINAL, Condition, JobErrorCode, State
from progrock.jobs.transitions import Step, advance, created_event
from progrock.jobs.values import Event, JobValue
from progrock.protocol.codec import decode_json, encode

BEGIN = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
POLICY = PollPolicy(min=1, max=8, failures=3, unreachable_for=30, stall_after=60)
ORDER = ["pending", "queued", "running", "cancelling", "terminal"]
KEPT_KEYS = set("type job seq at state condition progress message eta complete".split())
KINDS = {"state", "progress", "log", "complete"}


def a_job(**values: Any) -> JobValue:
    job = JobValue(
        id=UUID("0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"),
        backend="render",
        seq=1,
        state=State.PENDING,
        created=BEGIN,
        updated=BEGIN,
        moved_at=BEGIN,
    )
    return replace(job, **values)


def running(**values: Any) -> JobValue:
    return a_job(**({"state": State.RUNNING, "started": BEGIN, "seq": 3} | values))


def seen(job: JobValue, at: float = 1.0, **values: Any) -> Step:
    return advance(job, Observation(look=job.look, **values), POLICY, after(at))


def reported(job: JobValue, at: float = 1.0, **values: Any) -> JobValue:
    return advance(job, Reported(observation=Observation(look=0, **values)), POLICY, after(at)).job


def failed(job: JobValue, at: float, message: str = "no answer") -> Step:
    error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message=message)
    return advance(job, PollFailed(look=job.look, error=error), POLICY, after(at))


def cancelled(job: JobValue, at: float = 1.0) -> Step:
    return advance(job, CancelRequested(), POLICY, after(at))


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def kinds(step: Step) -> list[str]:
    return [event.type for event in step.events]


def rank(state: str) -> int:
    return ORDER.index("terminal" if State(state) in TERMINAL else state)


# --- any sequence of changes ---------------------------------------------------------------------

ODD = [math.nan, math.inf, -math.inf, -1.0, 1e308, 5e-324, 100.0, 101.0]
NUMBERS = st.none() | st.floats() | st.floats(0, 100) | st.sampled_from(ODD)
TEXTS = st.none() | st.text(max_size=5) | st.just("m" * 5_000)
STATES = st.none() | st.sampled_from(State)
ERRORS = st.builds(JobError, code=st.sampled_from(JobErrorCode), message=st.text("ab", min_size=1))
STEPS = st.none() | st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text(max_size=3),
            "state": TEXTS | st.just("succeeded"),
            "progress": st.none() | st.floats(0, 100),
        },
        optional={"weight": st.floats(0, exclude_min=True, allow_infinity=False)},
    ),
    max_size=3,
)
OBSERVATIONS = st.builds(
    Observation,
    look=st.just(0),
    state=STATES,
    progress=NUMBERS,
    current=NUMBERS,
    total=NUMBERS,
    unit=st.none() | st.just("rows"),
    message=TEXTS,
    steps=STEPS,
    result=st.none() | st.just({"url": "/x"}),
    error=TEXTS,
    gone=st.sampled_from([False] * 9 + [True]),
    log=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    status_url=st.none() | st.just("http://b/status"),
)
GOING_ON = OBSERVATIONS.map(
    lambda seen: replace(seen, gone=False, state=None if seen.state in TERMINAL else seen.state)
)
POLLS = GOING_ON | st.builds(PollFailed, look=st.just(0), error=ERRORS)
CHANGES = st.one_of(  # most of them do not end the job, so that it has a life
    POLLS,
    POLLS,
    POLLS,
    st.just(CancelRequested()),
    st.builds(Reported, observation=GOING_ON),
    st.builds(StartFailed, look=st.just(0), error=ERRORS, try_again=st.booleans()),
    st.builds(
        Started,
        look=st.just(0),
        operation=st.none() | st.just("op"),
        start=st.just({"status": 202}),
        observation=OBSERVATIONS | GOING_ON,
    ),
    OBSERVATIONS,
    st.builds(Ended, state=st.sampled_from(sorted(TERMINAL - {State.SUCCEEDED})), error=ERRORS),
)


@dataclass(frozen=True)
class Deed:
    """One change that comes `seconds` after the one before, by a look that is old or not."""

    change: Change
    seconds: float
    is_stale: bool


DEEDS = st.lists(
    st.builds(
        Deed,
        change=CHANGES,
        seconds=st.sampled_from([0.0, 0.5, 1.0, 20.0, 100.0, 5_000.0, -3.0]),
        is_stale=st.sampled_from([False] * 4 + [True]),
    ),
    max_size=25,
)


def live_through(deeds: list[Deed]) -> tuple[JobValue, list[Event]]:
    """Let a new job live through the deeds, each with a look of its own; check each step."""
    job, at = a_job(), BEGIN
    events = [created_event(job)]
    for deed in deeds:
        at += timedelta(seconds=deed.seconds)
        job = replace(job, look=job.look + 1)
        change = deed.change
        if change.look is not None:
            change = replace(change, look=job.look - (1 if deed.is_stale else 0))
        before = copy.deepcopy((job, change))
        step = advance(job, change, POLICY, at)
        assert (job, change) == before, "advance changed what it was given"
        is_dropped = job.state in TERMINAL or change.look not in {None, job.look}
        assert step.accepted is not is_dropped
        if is_dropped:
            assert (step.job, step.events) == (job, ())
        assert step.changed is bool(step.events)
        job = step.job
        events += step.events
        assert job.seq == events[-1].seq
    return job, events


def on_the_wire(events: list[Event]) -> list[dict[str, Any]]:
    return [decode_json(encode(event.frame)) for event in events]


@given(DEEDS)
def test_seq_has_no_holes_and_each_event_is_whole(deeds: list[Deed]) -> None:
    job, events = live_through(deeds)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for event, frame in zip(events, on_the_wire(events), strict=True):
        assert frame.keys() >= KEPT_KEYS
        assert (frame["seq"], frame["type"], frame["job"]) == (event.seq, event.type, str(job.id))
        assert frame["type"] in KINDS
        assert (frame["complete"] is True) == (State(frame["state"]) in TERMINAL)


@given(DEEDS)
def test_there_is_one_complete_and_it_is_the_last(deeds: list[Deed]) -> None:
    job, events = live_through(deeds)
    ends = [event.seq for event in events if event.type == "complete"]
    assert ends == ([job.seq] if job.state in TERMINAL else [])
    if ends:
        frame = on_the_wire(events)[-1]
        assert frame.keys() >= {"result", "error"}
        assert (frame["error"] is None) == (job.state is State.SUCCEEDED)
        assert job.finished is not None
        assert (job.eta, job.eta_low, job.eta_high) == (None, None, None)


@given(DEEDS)
def test_states_go_forwards_only(deeds: list[Deed]) -> None:
    _, events = live_through(deeds)
    ranks = [rank(event.frame["state"]) for event in events]
    assert ranks == sorted(ranks)


@given(DEEDS)
def test_progress_goes_up_only_and_100_is_for_success(deeds: list[Deed]) -> None:
    job, events = live_through(deeds)
    frames = on_the_wire(events)
    shown = [frame["progress"] for frame in frames]
    known = [value for value in shown if value is not None]
    assert known == sorted(known)
    assert all(0 <= value <= 100 for value in known)
    assert all((frame["progress"] == 100) == (frame["state"] == "succeeded") for frame in frames)
    first = shown.index(known[0]) if known else len(shown)
    assert None not in shown[first:], "what was known was forgotten"
    assert shown[-1] == job.progress


@given(DEEDS)
def test_an_estimate_is_a_number_and_never_negative(deeds: list[Deed]) -> None:
    job, events = live_through(deeds)
    for number in (job.progress, job.eta, job.eta_low, job.eta_high):
        assert number is None or math.isfinite(number)
    for frame in on_the_wire(events):
        assert frame["eta"] is None or frame["eta"] >= 0


@given(NUMBERS, NUMBERS, NUMBERS)
def test_what_is_not_a_number_is_not_kept(
    progress: float | None, current: float | None, total: float | None
) -> None:
    job = seen(running(), progress=progress, current=current, total=total).job
    for number in (job.progress, job.current, job.total):
        assert number is None or math.isfinite(number)


@given(DEEDS)
def test_a_message_is_bounded_and_an_error_has_words(deeds: list[Deed]) -> None:
    job, _ = live_through(deeds)
    assert len(job.message or "") <= 4_000
    if job.error is not None:
        assert job.error.message


@given(OBSERVATIONS)
def test_the_last_log_lines_come_before_the_end(observation: Observation) -> None:
    job = running(seq=7)
    end = replace(observation, state=State.SUCCEEDED, gone=False, log=("one", "two"))
    step = advance(job, end, POLICY, after(1))
    assert kinds(step) == ["log", "complete"]
    log, complete = (event.frame for event in step.events)
    assert (log["seq"], log["lines"], log["complete"]) == (8, ["one", "two"], False)
    assert log["progress"] != 100
    assert (complete["seq"], complete["complete"]) == (9, True)


# --- what a change does --------------------------------------------------------------------------


def test_event_1_says_that_the_job_exists() -> None:
    event = created_event(a_job())
    assert (event.seq, event.type, event.frame["state"]) == (1, "state", "pending")
    assert event.frame.keys() >= KEPT_KEYS


def test_a_started_job_is_no_longer_pending() -> None:
    change = Started(look=0, operation="op", start={"status": 202}, observation=Observation(look=0))
    step = advance(a_job(), change, POLICY, after(1))
    assert (step.job.state, step.job.operation, step.job.started) == (State.QUEUED, "op", after(1))
    assert kinds(step) == ["state"]


def test_a_start_may_be_answered_with_the_finished_job() -> None:
    done = Observation(look=0, state=State.SUCCEEDED, result={"sum": 7})
    step = advance(
        a_job(), Started(look=0, operation=None, start={}, observation=done), POLICY, BEGIN
    )
    assert kinds(step) == ["complete"]
    frame = step.events[0].frame
    assert (frame["state"], frame["progress"], frame["result"]) == ("succeeded", 100, {"sum": 7})


def test_states_may_be_skipped() -> None:
    assert seen(a_job(), state=State.RUNNING).job.state is State.RUNNING
    assert seen(a_job(), state=State.FAILED).job.state is State.FAILED


@pytest.mark.parametrize("word", [State.PENDING, State.QUEUED])
def test_a_state_that_lies_behind_is_not_taken(word: State) -> None:
    step = seen(running(), state=word, message="again")
    assert (step.job.state, step.job.message) == (State.RUNNING, "again")


def test_a_change_of_state_is_told_as_such() -> None:
    step = seen(a_job(state=State.QUEUED), state=State.RUNNING, progress=3.0)
    assert kinds(step) == ["state"]
    assert (step.events[0].frame["state"], step.events[0].frame["progress"]) == ("running", 3)


@pytest.mark.parametrize(
    "told",
    [
        {"progress": 2.0},
        {"message": "reading"},
        {"steps": [{"name": "a", "state": "running", "progress": 5.0}]},
        {"current": 7.0},
        {"current": 7.0, "unit": "rows"},
    ],
)
def test_what_moves_is_told_as_progress(told: dict[str, Any]) -> None:
    step = seen(running(), **told)
    assert kinds(step) == ["progress"]
    assert step.events[0].frame.items() >= told.items()


def test_log_lines_that_come_with_another_state_leave_it_to_the_event_that_tells_of_it() -> None:
    before = running(state=State.QUEUED, condition=Condition.STALLED)
    step = seen(before, state=State.RUNNING, progress=5.0, log=("one",))
    assert [(event.type, event.frame["state"]) for event in step.events] == [
        ("log", "queued"),
        ("state", "running"),
    ]
    assert [event.frame["condition"] for event in step.events] == ["stalled", "ok"]


def test_log_lines_are_an_event_of_their_own() -> None:
    step = seen(running(), log=("one", "two"), progress=5.0)
    assert sorted(kinds(step)) == ["log", "progress"]
    lines = [event.frame["lines"] for event in step.events if event.type == "log"]
    assert lines == [["one", "two"]]


def test_a_reply_that_says_nothing_new_is_no_event() -> None:
    job = seen(running(), 1, progress=5.0, message="reading").job
    step = seen(job, 2, progress=5.0, message="reading")
    assert (step.accepted, step.events, step.job.seq) == (True, (), job.seq)


def test_a_lower_figure_is_not_shown_but_its_message_is() -> None:
    job = seen(running(), 1, progress=50.0, current=5.0, total=10.0, message="far").job
    step = seen(job, 2, progress=20.0, current=2.0, total=10.0, message="a second pass")
    assert (step.job.progress, step.job.current) == (50, 5)
    assert step.events[0].frame["message"] == "a second pass"


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        ({"current": 1.0, "total": 4.0}, 25),
        ({"current": 0.0, "total": 4.0}, 0),
        ({"current": 1.0, "total": 0.0}, None),
        ({"current": 1.0}, None),
        ({"total": 4.0}, None),
        ({"progress": 10.0, "current": 1.0, "total": 4.0}, 10),
        ({"progress": -7.0}, 0),
        ({}, None),
    ],
)
def test_progress_is_told_or_made_from_current_and_total(
    told: dict[str, float], progress: float | None
) -> None:
    assert seen(running(), **told).job.progress == progress


@pytest.mark.parametrize(
    "told", [{"progress": 100.0}, {"progress": 1e9}, {"current": 9, "total": 9}]
)
def test_a_job_that_still_runs_is_short_of_100(told: dict[str, float]) -> None:
    progress = seen(running(), **told).job.progress
    assert progress is not None
    assert 99 <= progress < 100


@pytest.mark.parametrize("state", sorted(TERMINAL - {State.SUCCEEDED}))
def test_an_end_without_success_keeps_the_progress(state: State) -> None:
    job = seen(running(), 1, progress=40.0).job
    assert seen(job, 2, state=state).job.progress == 40
    assert seen(job, 2, state=state, progress=100.0).job.progress != 100


def test_success_is_100_though_nothing_was_ever_told() -> None:
    assert seen(running(), state=State.SUCCEEDED).job.progress == 100


def test_a_failure_gives_the_backends_own_reason() -> None:
    error = seen(running(), state=State.FAILED, error="row 7 is broken").job.error
    assert error == JobError(code=JobErrorCode.BACKEND_FAILED, message="row 7 is broken")


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.FAILED, JobErrorCode.BACKEND_FAILED),
        (State.CANCELLED, JobErrorCode.CANCELLED),
        (State.TIMED_OUT, JobErrorCode.TIMED_OUT),
    ],
)
def test_each_end_without_success_has_its_code(state: State, code: JobErrorCode) -> None:
    error = seen(running(), state=state).job.error
    assert error is not None
    assert (error.code, bool(error.message)) == (code, True)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_changes_a_job_that_has_ended(state: State) -> None:
    job = seen(running(), state=state).job
    error = JobError(code=JobErrorCode.LOST, message="x")
    for step in (
        seen(job, 2, state=State.RUNNING, progress=100.0, log=("late",)),
        seen(job, 2, state=State.SUCCEEDED),
        cancelled(job, 2),
        failed(job, 2),
        advance(job, Ended(state=State.FAILED, error=error), POLICY, after(2)),
    ):
        assert (step.accepted, step.job, step.events) == (False, job, ())


def test_a_stale_look_changes_nothing() -> None:
    job = running(look=5)
    for look in (4, 6, 0):
        change = Observation(look=look, state=State.SUCCEEDED, log=("x",))
        step = advance(job, change, POLICY, after(1))
        assert (step.accepted, step.job, step.events) == (False, job, ())


@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1.0, 1e300, 1.7e308])
def test_steps_of_any_weight_are_no_harm(weight: float) -> None:
    step = {"name": "a", "state": "running", "progress": 50.0, "weight": weight}
    assert seen(running(), steps=[step, step, step]).job.progress == pytest.approx(50)


# --- reports -------------------------------------------------------------------------------------


def test_what_a_report_leaves_out_stays_as_it_was_told() -> None:
    job = reported(running(), current=10, total=200, unit="rows")
    job = reported(job, current=50)
    assert (job.current, job.total, job.unit, job.progress) == (50, 200, "rows", 25)
    job = reported(job, message="on the way")
    assert (job.current, job.total, job.unit, job.progress) == (50, 200, "rows", 25)
    job = reported(job, total=100)
    assert (job.current, job.total, job.progress) == (50, 100, 50)


def test_a_count_holds_until_its_total_is_told() -> None:
    job = reported(reported(running(), current=5), message="counting")
    assert (job.current, job.progress) == (5, None)
    assert reported(job, total=20).progress == 25


def test_a_total_that_is_told_beside_a_bare_progress_holds() -> None:
    job = reported(reported(running(), progress=10), total=200, unit="rows")
    assert (job.progress, job.total, job.unit) == (10, 200, "rows")
    assert reported(job, current=50).progress == 25


def test_reports_that_are_written_as_one_leave_nothing_out() -> None:
    told = [{"current": 0, "total": 200}, {"unit": "rows"}, {"current": 50}, {"total": 100}]
    one = Observation(look=0)
    for values in told:
        one = merged(one, Observation(look=0, **values))
    assert (one.current, one.total, one.unit) == (50, 100, "rows")


# --- cancelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RUNNING])
def test_a_cancel_turns_the_job_cancelling_first(state: State) -> None:
    step = cancelled(a_job(state=state))
    assert (step.job.state, kinds(step)) == (State.CANCELLING, ["state"])
    assert step.job.cancel_requested == after(1)


def test_a_second_cancel_changes_nothing() -> None:
    job = cancelled(running(), 1).job
    step = cancelled(job, 2)
    assert (step.job, step.events) == (job, ())


def test_a_cancelling_job_goes_on_until_the_backend_says_that_it_stopped() -> None:
    job = cancelled(running()).job
    job = seen(job, 2, state=State.RUNNING, progress=30.0).job
    assert (job.state, job.progress) == (State.CANCELLING, 30)
    assert seen(job, 3, state=State.CANCELLED).job.state is State.CANCELLED


def test_a_cancel_that_was_too_late_ends_in_success() -> None:
    step = seen(cancelled(running()).job, 2, state=State.SUCCEEDED, result=1)
    assert (step.job.state, step.job.progress, step.job.error) == (State.SUCCEEDED, 100, None)


def test_a_job_that_is_gone_is_lost_or_cancelled_after_our_cancel() -> None:
    lost = seen(running(), gone=True).job
    assert (lost.state, lost.error and lost.error.code) == (State.FAILED, JobErrorCode.LOST)
    assert seen(cancelled(running()).job, 2, gone=True).job.state is State.CANCELLED


def test_a_job_whose_start_failed_after_a_cancel_is_cancelled() -> None:
    error = JobError(code=JobErrorCode.BACKEND_REFUSED, message="no")
    for again in (True, False):
        change = StartFailed(look=0, error=error, try_again=again)
        assert (
            advance(cancelled(a_job()).job, change, POLICY, after(2)).job.state is State.CANCELLED
        )


# --- conditions ----------------------------------------------------------------------------------


def test_a_single_failed_poll_is_no_outage() -> None:
    job = running()
    assert (failed(job, 1).job.condition, failed(job, 1).events) == (Condition.OK, ())


def test_a_backend_that_does_not_answer_is_unreachable_until_it_answers() -> None:
    job = running()
    for second in range(1, 11):
        job = failed(job, second).job
    assert (job.state, job.condition) == (State.RUNNING, Condition.UNREACHABLE)
    step = seen(job, 11)
    assert (step.job.condition, kinds(step)) == (Condition.OK, ["state"])
    assert step.job.failures == 0


def test_failed_polls_end_a_job_only_when_there_were_enough_over_long_enough() -> None:
    quick = running()
    for second in range(1, 30):  # many, but within unreachable_for
        quick = failed(quick, second).job
    assert quick.state is State.RUNNING
    assert failed(quick, 31).job.state is State.FAILED
    slow = failed(failed(running(), 0).job, 500).job  # over long enough, but only two
    assert slow.state is State.RUNNING
    end = failed(slow, 501, "connection refused")
    assert end.job.error == JobError(
        code=JobErrorCode.BACKEND_UNREACHABLE, message="connection refused"
    )
    assert kinds(end) == ["complete"]


def test_a_good_reply_begins_the_count_anew() -> None:
    job = failed(failed(running(), 0).job, 500).job
    job = failed(seen(job, 501).job, 502).job
    assert (job.state, job.failures, job.failing_since) == (State.RUNNING, 1, after(502))


def test_a_start_that_may_be_sent_again_stays_pending() -> None:
    error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message="no answer")
    sent = a_job(start_sent=BEGIN)
    again = advance(sent, StartFailed(look=0, error=error, try_again=True), POLICY, after(1)).job
    assert (again.state, again.start_sent, again.failures) == (State.PENDING, None, 1)
    end = advance(sent, StartFailed(look=0, error=error), POLICY, after(1)).job
    assert (end.state, end.error) == (State.FAILED, error)


def test_a_job_in_which_nothing_moves_is_stalled() -> None:
    job = seen(running(), 1, progress=5.0).job
    assert seen(job, 60, progress=5.0).job.condition is Condition.OK
    step = seen(job, 61, progress=5.0)
    assert (step.job.condition, kinds(step)) == (Condition.STALLED, ["state"])


@pytest.mark.parametrize(
    "told",
    [
        {"progress": 6.0},
        {"progress": 5.0, "message": "still here"},
        {"progress": 5.0, "log": ("still here",)},
        {"progress": 5.0, "steps": [{"name": "a", "state": None, "progress": None}]},
    ],
)
def test_a_stalled_job_that_moves_is_ok_again(told: dict[str, Any]) -> None:
    stalled = seen(running(progress=5.0), 61, progress=5.0).job
    assert stalled.condition is Condition.STALLED
    job = seen(stalled, 62, **told).job
    assert job.condition is Condition.OK
    assert seen(job, 121, progress=5.0).job.condition is Condition.OK


def test_a_job_that_begins_to_run_after_long_queueing_has_moved() -> None:
    queued = a_job(state=State.QUEUED, started=BEGIN)
    job = seen(queued, 300, state=State.RUNNING).job
    assert (job.state, job.condition) == (State.RUNNING, Condition.OK)


def test_an_end_leaves_no_condition_behind() -> None:
    stalled = seen(running(), 61).job
    assert seen(stalled, 62, state=State.SUCCEEDED).job.condition is Condition.OK


# --- the estimate --------------------------------------------------------------------------------


def test_a_steady_job_gets_an_estimate_in_its_frames() -> None:
    job = running()
    for second in range(1, 21):
        step = seen(job, second, progress=2.0 * second)
        job = step.job
    assert step.events[0].frame["eta"] == pytest.approx(30, rel=0.2)


def test_a_job_whose_progress_is_unknown_gets_no_estimate() -> None:
    job = running()
    for second in range(1, 21):
        job = seen(job, second, message=f"row {second}", current=float(second)).job
    assert (job.progress, job.eta) == (None, None)


def test_earlier_runs_give_an_estimate_from_the_start_also_without_progress() -> None:
    earlier = {"h": {"n": 5, "median": 60.0, "sd": 2.0}}
    job = a_job(pace=earlier, start_sent=BEGIN)
    reply = Observation(look=0, state=State.RUNNING)
    begun = Started(look=0, operation="7", start={"status": 202}, observation=reply)
    step = advance(job, begun, POLICY, BEGIN)
    assert step.events[0].frame["eta"] == pytest.approx(60, abs=2)
    later = seen(step.job, 20, message="on the way").job
    assert later.eta == pytest.approx(40, abs=2)


def test_the_work_begins_when_the_job_is_seen_running() -> None:
    job = seen(a_job(state=State.QUEUED, started=BEGIN), 30, state=State.RUNNING).job
    assert (job.pace["t0"], job.pace["p0"]) == (after(30).timestamp(), 0.0)
    job = seen(job, 40, progress=10.0).job
    assert (job.pace["n"], job.pace["rate"]) == (1, 1.0)
