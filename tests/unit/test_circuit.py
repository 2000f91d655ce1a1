"""The circuit breaker's rules: when it opens, when it probes, and what it means for a job."""

import heapq
import random
import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.jobs.changes import Change, JobError, PollFailed, PutOff
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.transitions import advance
from progrock.jobs.values import JobValue
from progrock.polling import circuit as circuits
from progrock.polling import schedule
from progrock.polling.circuit import JOBS, RUN, Circuit, Outcomes, after, answer, probing

POLICY = PollPolicy(min=1, max=30, timeout=5)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
T0 = EPOCH.timestamp()
ERROR = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message="no answer")


def failures(count: int, jobs: int) -> Outcomes:
    return Outcomes(failures=count, jobs=tuple(f"job {n}" for n in range(jobs)), reason="no answer")


def opened(policy: PollPolicy = POLICY, at: float = T0) -> Circuit:
    return after(Circuit(), failures(RUN, JOBS), policy, at, 0.5)


def a_job(number: int = 0, **values: object) -> JobValue:
    usual = {
        "id": UUID(int=number), "backend": "b", "seq": 2, "state": State.RUNNING, "created": EPOCH,
        "started": EPOCH, "updated": EPOCH, "moved_at": EPOCH,
    }  # fmt: skip
    return JobValue(**(usual | values))


# --- opening -------------------------------------------------------------------------------------


def test_it_opens_after_a_run_of_failures_over_several_jobs() -> None:
    circuit = Circuit()
    for number in range(RUN - 1):
        outcome = Outcomes(failures=1, jobs=(f"job {number % JOBS}",), reason="no answer")
        circuit = after(circuit, outcome, POLICY, T0 + number, 0.5)
        assert not circuit.is_open
    circuit = after(circuit, failures(1, 1), POLICY, T0 + 10, 0.5)
    assert circuit.is_open
    assert (circuit.since, circuit.opened_at, circuit.failed_at) == (T0, T0 + 10, T0 + 10)
    assert circuit.reason == "no answer"


def test_a_few_jobs_never_open_it() -> None:
    circuit = after(Circuit(), failures(10_000, JOBS - 1), POLICY, T0, 0.5)
    assert not circuit.is_open


def test_an_answer_ends_the_run() -> None:
    circuit = after(Circuit(), failures(RUN - 1, JOBS), POLICY, T0, 0.5)
    circuit = after(circuit, Outcomes(was_answered=True), POLICY, T0 + 1, 0.5)
    circuit = after(circuit, failures(RUN - 1, JOBS), POLICY, T0 + 2, 0.5)
    assert not circuit.is_open
    assert circuit.since == T0 + 2


def test_failures_of_long_ago_are_no_run() -> None:
    circuit = after(Circuit(), failures(RUN - 1, JOBS), POLICY, T0, 0.5)
    circuit = after(circuit, failures(1, 1), POLICY, T0 + 61, 0.5)
    assert not circuit.is_open


def test_an_answer_to_a_backend_that_is_well_is_no_news() -> None:
    circuit = Circuit()
    assert after(circuit, Outcomes(was_answered=True), POLICY, T0, 0.5) is circuit


# --- probes --------------------------------------------------------------------------------------


def test_one_probe_at_a_time_and_each_later_than_the_one_before() -> None:
    circuit, at, waits = opened(), T0, []
    for _ in range(12):
        assert not circuit.may_probe(circuit.retry_at - 0.01)
        assert circuit.may_probe(circuit.retry_at)
        waits.append(circuit.retry_at - at)
        at = circuit.retry_at
        circuit = probing(circuit, POLICY, at)
        assert circuit.word(at) == "half_open"
        assert not circuit.may_probe(at)
        circuit = after(circuit, failures(1, 1), POLICY, at, 1.0)
    assert circuit.probes == 12
    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert waits[-1] == 30


def test_a_probe_whose_worker_died_is_made_again() -> None:
    circuit = probing(opened(), POLICY, T0 + 10)
    assert not circuit.may_probe(T0 + 10 + POLICY.timeout)
    assert circuit.may_probe(T0 + 10 + POLICY.timeout + circuits.MARGIN_SECONDS)


def test_a_request_of_before_is_no_probe() -> None:
    circuit = opened()
    late = after(circuit, failures(3, 3), POLICY, T0 + 1, 0.5)
    assert (late.probes, late.retry_at) == (0, circuit.retry_at)


def test_the_first_answer_closes_it() -> None:
    circuit = after(probing(opened(), POLICY, T0), Outcomes(was_answered=True), POLICY, T0, 0.5)
    assert not circuit.is_open
    assert circuit == Circuit(changed_at=circuit.changed_at)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 5), st.booleans()), max_size=30
    )
)
def test_of_two_accounts_the_last_one_counts(deeds: list[tuple[bool, int, int, bool]]) -> None:
    circuit = Circuit()
    for was_answered, count, jobs, is_probed in deeds:
        outcomes = replace(failures(count, jobs), was_answered=was_answered)
        new = after(circuit, outcomes, POLICY, T0, 0.5)  # the clock stands still
        if is_probed and new.may_probe(new.retry_at):
            new = probing(new, POLICY, T0)
        assert circuits.later(circuit, new) is new
        assert circuits.later(new, circuit) is new
        assert circuits.from_text(circuits.as_text(new)) == new
        circuit = new


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", '{"jobs": 3}', '{"evil": [1]}'])
def test_what_is_no_circuit_is_a_closed_one(text: str) -> None:
    assert circuits.from_text(text) == Circuit()


# --- what it means for a job ---------------------------------------------------------------------


def test_a_job_that_is_not_asked_for_is_told_and_nothing_is_counted() -> None:
    job = a_job()
    change = answer(opened(), job, POLICY, EPOCH, 0.5)
    step = advance(job, change, POLICY, EPOCH)
    assert step.job.condition is Condition.UNREACHABLE
    assert [event.type for event in step.events] == ["state"]
    assert (step.job.failures, step.job.failing_since) == (0, EPOCH)
    again = advance(step.job, replace(change, look=step.job.look), POLICY, EPOCH)
    assert again.events == ()


def test_a_job_has_failed_after_so_many_failed_probes_over_so_long() -> None:
    policy = replace(POLICY, failures=5, unreachable_for=60)
    job = a_job(failures=2, failing_since=EPOCH)
    at = EPOCH + timedelta(seconds=61)
    for probes, failed_at, is_over in [(3, 60, True), (2, 60, False), (3, 59, False)]:
        circuit = replace(opened(policy), probes=probes, failed_at=T0 + failed_at)
        step = advance(job, answer(circuit, job, policy, at, 0.5), policy, at)
        assert step.job.state.is_terminal is is_over
        if is_over:
            assert step.job.error is not None
            assert step.job.error.code is JobErrorCode.BACKEND_UNREACHABLE


# --- it delays no end ----------------------------------------------------------------------------


def last_end(
    policy: PollPolicy, jobs: int, request_seconds: float, seed: int, *, with_circuit: bool
) -> float:
    """Play jobs whose backend is gone from the first second on; return when the last one failed.

    Looks take no time but that of the request; the circuit brings all jobs forward as it opens.
    """
    chance = random.Random(seed)
    circuit = Circuit()
    values = {number: a_job(number) for number in range(jobs)}
    looks = [(chance.random() * policy.min, number, "look") for number in values]
    heapq.heapify(looks)
    ended_at = 0.0
    while looks:
        seconds, number, what = heapq.heappop(looks)
        at, job = EPOCH + timedelta(seconds=seconds), values[number]
        if job.state.is_terminal:
            continue
        if what == "look" and (not circuit.is_open or circuit.may_probe(T0 + seconds)):
            if circuit.is_open:
                circuit = probing(circuit, policy, T0 + seconds)
            heapq.heappush(looks, (seconds + request_seconds, number, "failure"))
            continue
        change: Change = PollFailed(look=job.look, error=ERROR)
        was_open = circuit.is_open
        if what == "failure" and with_circuit:
            outcome = Outcomes(failures=1, jobs=(str(number),), reason="no answer")
            circuit = after(circuit, outcome, policy, T0 + seconds, chance.random())
        if circuit.is_open and (was_open or what == "look"):
            change = answer(circuit, job, policy, at, chance.random())
        step = advance(job, change, policy, at)
        values[number] = step.job
        if step.job.state.is_terminal:
            ended_at = max(ended_at, seconds)
            continue
        if isinstance(change, PutOff):
            due = schedule.put_off(policy, step.job, change.until, at)
        else:
            due = at + timedelta(
                seconds=schedule.backoff(policy, step.job.failures, chance.random())
            )
        assert due is not None
        assert due >= at
        heapq.heappush(looks, (max((due - EPOCH).total_seconds(), seconds + 0.02), number, "look"))
        if circuit.is_open and not was_open:
            looks = [(min(due, seconds) if what == "look" else due, number, what)
                     for due, number, what in looks]  # fmt: skip
            heapq.heapify(looks)
    return ended_at


@pytest.mark.parametrize("request_seconds", [0.001, 1.0])
@pytest.mark.parametrize(
    "policy",
    [
        PollPolicy(min=0.2, max=1, failures=3, unreachable_for=2, timeout=1),
        PollPolicy(min=0.05, max=0.1, failures=3, unreachable_for=0, timeout=1),
        PollPolicy(min=0.5, max=5, failures=6, unreachable_for=0, timeout=2),
        PollPolicy(min=1, max=30, failures=20, unreachable_for=300, timeout=10),
        PollPolicy(min=1, max=4, failures=3, unreachable_for=60, timeout=10),
    ],
)
@pytest.mark.parametrize("jobs", [3, 4, 20])
def test_no_job_fails_much_later_than_it_would_have(
    policy: PollPolicy, jobs: int, request_seconds: float
) -> None:
    def mean_end(*, with_circuit: bool) -> float:
        return statistics.fmean(
            last_end(policy, jobs, request_seconds, seed, with_circuit=with_circuit)
            for seed in range(8)
        )

    without, with_it = mean_end(with_circuit=False), mean_end(with_circuit=True)
    assert with_it >= policy.unreachable_for
    assert with_it <= 1.05 * without + 2 * request_seconds + 3 * policy.min
