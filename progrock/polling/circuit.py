"""A circuit breaker for each backend: when it does not answer, one asks for all. Pure.

Closed, each job is polled by its own clock. After a run of failed requests over several jobs it
opens: then one request at a time, a probe, finds out whether the backend is back, and what a probe
finds counts for every job. The first answer closes it. With few jobs it never opens: their own
backing off asks for no more than probes would.

A failure is a request without an answer, or one answered 5xx. Any other answer, also one that
cannot be read, says that the backend is there.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from progrock.jobs.changes import Change, JobError, PollFailed, PutOff
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import JobErrorCode
from progrock.jobs.values import JobValue
from progrock.polling.schedule import backoff

RUN = 10  # failed requests in a row open it …
JOBS = 4  # … over so many jobs
FORGET_SECONDS = 60.0  # a run of failures that goes on no longer is no run
LONGEST_WAIT_SECONDS = 30.0  # from one probe to the next
DENSE_SECONDS = 5.0  # in which jobs end, and are not to wait for a probe
MARGIN_SECONDS = 2.0
REASON_LENGTH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Circuit:
    """What is known of a backend's failures. Times are seconds of the Unix epoch, 0 for never."""

    changed_at: float = 0.0  # of two accounts of a backend, the later one counts
    run: int = 0  # failed requests in a row
    jobs: tuple[str, ...] = ()  # whose requests they were, at most JOBS
    since: float = 0.0  # the first of them
    failed_at: float = 0.0  # the last of them
    opened_at: float = 0.0
    probes: int = 0  # that failed since
    retry_at: float = 0.0  # the next probe
    probing_until: float = 0.0  # one is under way; its result may be lost with its worker
    reason: str = ""  # of the last failure

    @property
    def is_open(self) -> bool:
        """Whether jobs are not polled one by one."""
        return self.opened_at > 0

    def word(self, at: float) -> str:
        """Return `closed`, `open`, or `half_open` while a probe is under way."""
        if not self.is_open:
            return "closed"
        return "half_open" if at < self.probing_until else "open"

    def may_probe(self, at: float) -> bool:
        """Whether it is time for a probe, and none is under way."""
        return self.is_open and at >= self.retry_at and at >= self.probing_until


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """What requests came to since the last time: `failures` counts those after the last answer."""

    was_answered: bool = False
    failures: int = 0
    jobs: tuple[str, ...] = ()
    reason: str = ""


def after(
    circuit: Circuit, outcomes: Outcomes, policy: PollPolicy, at: float, chance: float
) -> Circuit:
    """Return the circuit after some outcomes; the same object when they change nothing."""
    if outcomes.was_answered and (circuit.run or circuit.is_open):
        circuit = Circuit(changed_at=_after(circuit, at))
    if not outcomes.failures:
        return circuit
    is_stale = not circuit.is_open and at - circuit.failed_at > FORGET_SECONDS
    run = outcomes.failures + (0 if is_stale else circuit.run)
    jobs = tuple(dict.fromkeys((() if is_stale else circuit.jobs) + outcomes.jobs))[:JOBS]
    failed = replace(
        circuit,
        changed_at=_after(circuit, at),
        run=run,
        jobs=jobs,
        since=at if is_stale or not circuit.run else circuit.since,
        failed_at=at,
        reason=outcomes.reason[:REASON_LENGTH],
    )
    if not circuit.is_open:
        if run < RUN or len(jobs) < JOBS:
            return failed
        failed = replace(failed, opened_at=at)
    elif circuit.probing_until > 0:
        failed = replace(failed, probes=circuit.probes + 1, probing_until=0.0)
    else:  # it was sent before the circuit opened: no probe
        return failed
    return replace(failed, retry_at=at + _wait(failed, policy, at, chance))


def probing(circuit: Circuit, policy: PollPolicy, at: float) -> Circuit:
    """Return the circuit while a probe is under way."""
    until = at + policy.timeout + MARGIN_SECONDS
    return replace(circuit, changed_at=_after(circuit, at), probing_until=until)


def _after(circuit: Circuit, at: float) -> float:
    return max(at, circuit.changed_at + 0.001)  # also when another worker's clock is ahead


def _wait(circuit: Circuit, policy: PollPolicy, at: float, chance: float) -> float:
    """Return the seconds to the next probe: backed off with jitter, and in time for ends."""
    wait = min(backoff(policy, circuit.probes, chance), LONGEST_WAIT_SECONDS)
    over = circuit.opened_at + policy.unreachable_for  # then jobs end, once a probe has failed
    if at < over:
        return min(wait, over - at)
    return min(wait, policy.min) if at < over + DENSE_SECONDS else wait


def answer(
    circuit: Circuit, job: JobValue, policy: PollPolicy, at: datetime, chance: float
) -> Change:
    """Return what an open circuit means for a look at a job, that is not made.

    The failed probes count for it: when they are enough, over a time that is enough, it ends.
    """
    since = job.failing_since or at
    failures = job.failures + circuit.probes
    over = since + timedelta(seconds=policy.unreachable_for)
    failed_at = datetime.fromtimestamp(circuit.failed_at, UTC)
    if job.failing_since and failures >= policy.failures and failed_at >= over:
        error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message=circuit.reason)
        return PollFailed(look=job.look, error=error, count=max(circuit.probes, 1))
    wait = timedelta(seconds=backoff(policy, failures, chance))
    if at < over:
        until = min(at + wait, over)
    else:  # it ends with the next probe that fails
        next_probe = max(at, datetime.fromtimestamp(circuit.retry_at, UTC))
        soon = timedelta(seconds=max(policy.min, policy.timeout / 4))
        until = next_probe + min(wait, soon)
    return PutOff(look=job.look, until=until, is_unreachable=True)


def as_text(circuit: Circuit) -> str:
    """Return a circuit as JSON."""
    return orjson.dumps(asdict(circuit)).decode()


def from_text(text: str) -> Circuit:
    """Return the circuit of `as_text`; a closed one for what is none."""
    try:
        fields = orjson.loads(text)
        return Circuit(**fields | {"jobs": tuple(fields["jobs"])})
    except (ValueError, TypeError, KeyError):
        return Circuit()


def later(one: Circuit, other: Circuit) -> Circuit:
    """Return the later of two accounts of the same backend."""
    return max(one, other, key=lambda circuit: circuit.changed_at)
