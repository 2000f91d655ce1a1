"""How a job changes: `advance(job, change)` gives the job after it and the events. Pure.

The invariants of PROTOCOL section 1 live here and nowhere else: states go forwards, progress
does not go down, 100 comes with success only, one `complete`, and nothing after it.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from progrock.jobs import eta
from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    JobError,
    Observation,
    PollFailed,
    PutOff,
    Reported,
    Started,
    StartFailed,
    Unchanged,
)
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.values import Event, JobValue
from progrock.protocol.frames import timestamp

UNREACHABLE_AFTER = 3  # failed polls in a row; one 500 between two good replies is no outage
MAX_UNFINISHED = 99.9  # what is shown of a backend that says 100 and has not ended
MESSAGE_LENGTH = 2_000
Fields = dict[str, Any]  # of a JobValue, by name
LOG_LINES = 1_000  # of a job that are kept here; the rest stays at the backend


class Step(NamedTuple):
    """The outcome of one change. `accepted` is False for a stale or impossible one."""

    job: JobValue
    events: tuple[Event, ...]
    accepted: bool
    changed: bool = False  # something to tell
    fields: Fields = {}  # what of the job is new


def advance(job: JobValue, change: Change, policy: PollPolicy, at: datetime) -> Step:
    """Return the job after a change, with its events numbered on from `job.seq`.

    A change of an old look, or of a job that has ended, is dropped: `accepted` is False.
    """
    if job.state.is_terminal or _is_overtaken(job, change):
        return Step(job, (), accepted=False)
    rule = _RULES[type(change)]
    new, log = rule(job, change, policy, at)
    if change.look is not None:  # a look is spent by its answer: a second one is stale
        new["look"] = job.look + 1
    return _numbered(job, new, log, at)


def is_news(job: JobValue, change: Unchanged, policy: PollPolicy, at: datetime) -> bool:
    """Whether a reply that says the same changes the job all the same."""
    return job.state.is_terminal or bool(_unchanged(job, change, policy, at)[0])


def _is_overtaken(job: JobValue, change: Change) -> bool:
    if change.look is not None:
        return change.look != job.look
    return isinstance(change, PutOff) and job.start_sent is not None  # another sends the start


def created_event(job: JobValue) -> Event:
    """Return event 1 of a new job: it exists, and is pending."""
    return Event(
        job=job.id, seq=1, at=job.created, type="state", frame=_frame(job, 1, "state", job.created)
    )


def remark_event(job: JobValue, kind: str, more: dict[str, Any], at: datetime) -> Event:
    """Return the next event of a job to which a person adds something: its state stays."""
    seq = job.seq + 1
    return Event(job=job.id, seq=seq, at=at, type=kind, frame=_frame(job, seq, kind, at) | more)


# --- one rule for each kind of change; each gives what it changes, and log lines ---------------

_Ruled = tuple[Fields, tuple[str, ...]]


def _observed(job: JobValue, seen: Observation, policy: PollPolicy, at: datetime) -> _Ruled:
    log = _kept_lines(job, seen)
    new: Fields = {"log_lines": job.log_lines + len(log)} if log else {}
    new |= _reached(job)
    told = seen.__dict__  # of a reply's many fields few are told
    for name in ("log_offset", "cookies", "status_url", "steps"):
        if told.get(name) is not None:
            new[name] = told[name]
    if seen.message is not None:
        new["message"] = seen.message[:MESSAGE_LENGTH]
    if seen.gone:
        return new | _gone(job, at), log
    new |= _progressed(job, seen, at)
    if seen.state is not None and job.state.may_become(seen.state):
        new |= _entered(job, seen.state, seen, at)
        if new["state"] is State.RUNNING:
            new["pace"] = eta.begun(new.get("pace", job.pace), 0.0, at)
    if new.get("state", job.state).is_terminal:
        return new, log
    if log or _differs(job, new, _MOVES):
        new["moved_at"] = at
    new["condition"] = _condition(new.get("moved_at", job.moved_at), policy, at)
    return new, log


def _unchanged(job: JobValue, change: Unchanged, policy: PollPolicy, at: datetime) -> _Ruled:
    new: Fields = _reached(job)
    condition = _condition(job.moved_at, policy, at)
    if condition is not job.condition:
        new["condition"] = condition
    if job.eta is not None and eta.estimate(job.pace, at) == eta.UNKNOWN:
        new |= _estimated(job.pace, at)
    return new, ()


def _reached(job: JobValue) -> Fields:
    is_failing = job.failures or job.failing_since is not None
    return {"failures": 0, "failing_since": None} if is_failing else {}


def _condition(moved_at: datetime, policy: PollPolicy, at: datetime) -> Condition:
    is_silent = (at - moved_at).total_seconds() >= policy.stall_after
    return Condition.STALLED if is_silent else Condition.OK


def _started(job: JobValue, change: Started, policy: PollPolicy, at: datetime) -> _Ruled:
    begun: Fields = {
        "operation": change.operation,
        "start": change.start,
        "lookup": change.lookup,
        "started": at,
        "moved_at": at,
        "message": None,  # what was told of it while it waited
        "pace": eta.started(job.pace, at),
    }
    if job.state is State.PENDING:
        begun["state"] = State.QUEUED
    new, log = _observed(job.evolve(begun), change.observation, policy, at)
    return begun | new, log


def _reported(job: JobValue, change: Reported, policy: PollPolicy, at: datetime) -> _Ruled:
    seen = change.observation
    if seen.state is None and job.state in {State.PENDING, State.QUEUED}:
        seen = replace(seen, state=State.RUNNING)
    new, log = _observed(job.evolve({"moved_at": at}), _completed(job, seen), policy, at)
    first: Fields = {"moved_at": at}
    if job.total is None and seen.total is not None:
        first["total"] = _finite(seen.total)
    if job.unit is None and seen.unit is not None:
        first["unit"] = seen.unit
    return first | new, log


def _completed(job: JobValue, seen: Observation) -> Observation:
    """Return a report with the figures that it leaves out, as they were told before."""
    has_figures = seen.progress is not None or seen.current is not None or seen.steps is not None
    return replace(
        seen,
        current=seen.current if has_figures else job.current,
        total=job.total if seen.total is None else seen.total,
    )


def _start_failed(job: JobValue, change: StartFailed, policy: PollPolicy, at: datetime) -> _Ruled:
    never_began = change.error.code in _NEVER_BEGAN and not change.may_run
    if job.cancel_requested is not None and never_began:
        return _ended(job, State.CANCELLED, _CANCELLED, at), ()
    if not change.try_again:
        return _ended(job, State.FAILED, change.error, at), ()
    new: Fields = {} if change.may_run else {"start_sent": None}
    return new | _failed_once(job, change.error, policy, at), ()


def _poll_failed(job: JobValue, change: PollFailed, policy: PollPolicy, at: datetime) -> _Ruled:
    return _failed_once(job, change.error, policy, at, change.count), ()


def _put_off(job: JobValue, change: PutOff, policy: PollPolicy, at: datetime) -> _Ruled:
    if at >= deadline_of(policy, job):
        return _ended(job, State.TIMED_OUT, timed_out(policy), at), ()
    new: Fields = {}
    if change.message is not None:
        new["message"] = change.message[:MESSAGE_LENGTH]
    if change.is_unreachable:
        new |= {"condition": Condition.UNREACHABLE, "failing_since": job.failing_since or at}
    return new, ()


def _failed_once(
    job: JobValue, error: JobError, policy: PollPolicy, at: datetime, count: int = 1
) -> Fields:
    since, failures = job.failing_since or at, job.failures + count
    new: Fields = {"failures": failures, "failing_since": since}
    if failures >= policy.failures and (at - since).total_seconds() >= policy.unreachable_for:
        return new | _ended(job, State.FAILED, error, at)
    if at >= deadline_of(policy, job):
        return new | _ended(job, State.TIMED_OUT, timed_out(policy), at)
    if failures >= UNREACHABLE_AFTER:
        new["condition"] = Condition.UNREACHABLE
    return new


def _decided(job: JobValue, change: Ended, policy: PollPolicy, at: datetime) -> _Ruled:
    return _ended(job, change.state, change.error, at), ()


def _cancel_requested(
    job: JobValue, change: CancelRequested, policy: PollPolicy, at: datetime
) -> _Ruled:
    return {"state": State.CANCELLING, "cancel_requested": job.cancel_requested or at}, ()


_RULES: dict[type, Callable[[JobValue, Any, PollPolicy, datetime], _Ruled]] = {
    Observation: _observed,
    Unchanged: _unchanged,
    Reported: _reported,
    Started: _started,
    StartFailed: _start_failed,
    PollFailed: _poll_failed,
    PutOff: _put_off,
    Ended: _decided,
    CancelRequested: _cancel_requested,
}

# --- the parts ----------------------------------------------------------------------------------

_NEVER_BEGAN = {JobErrorCode.BACKEND_REFUSED, JobErrorCode.BACKEND_UNREACHABLE}
_CANCELLED = JobError(code=JobErrorCode.CANCELLED, message="The job was cancelled.")
_LOST = JobError(
    code=JobErrorCode.LOST, message="The backend no longer knows this job: it was lost there."
)


def _ended(job: JobValue, state: State, error: JobError | None, at: datetime) -> Fields:
    new: Fields = {
        "state": state,
        "condition": Condition.OK,
        "error": error,
        "finished": at,
        "eta": None,
        "eta_low": None,
        "eta_high": None,
    }
    if state is State.SUCCEEDED:
        new["progress"] = 100.0
    return new


def _gone(job: JobValue, at: datetime) -> Fields:
    if job.cancel_requested is not None:
        return _ended(job, State.CANCELLED, _CANCELLED, at)
    return _ended(job, State.FAILED, _LOST, at)


def _entered(job: JobValue, state: State, seen: Observation, at: datetime) -> Fields:
    match state:
        case State.SUCCEEDED:
            return {"result": seen.result} | _ended(job, state, None, at)
        case State.FAILED:
            reason = seen.error or seen.message or job.message
            reason = reason or "The backend says that it failed, and gives no reason."
            error = JobError(code=JobErrorCode.BACKEND_FAILED, message=reason[:MESSAGE_LENGTH])
            return {"result": seen.result} | _ended(job, state, error, at)
        case State.CANCELLED:
            return _ended(job, state, _CANCELLED, at)
        case State.TIMED_OUT:
            reason = (seen.error or "The backend ended it: it took too long.")[:MESSAGE_LENGTH]
            error = JobError(code=JobErrorCode.TIMED_OUT, message=reason)
            return _ended(job, state, error, at)
        case _:
            return {"state": state}


def deadline_of(policy: PollPolicy, job: JobValue) -> datetime:
    """Return when a job is out of time."""
    return (job.started or job.created) + _span(policy.deadline)


@lru_cache(maxsize=256)
def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def timed_out(policy: PollPolicy) -> JobError:
    """Return why a job ends at its deadline."""
    return JobError(
        code=JobErrorCode.TIMED_OUT,
        message=f"The job did not end within its {policy.deadline:g} s.",
    )


def _kept_lines(job: JobValue, seen: Observation) -> tuple[str, ...]:
    """Return the log lines that are kept here, and where they end a line that says so."""
    if job.log_lines > LOG_LINES:  # that the rest is elsewhere was said
        return ()
    log = seen.log[: LOG_LINES - job.log_lines]
    if len(log) < len(seen.log):
        return (*log, "… the rest of the log stays at the backend: see jobs/ID/log")
    return log


def _progressed(job: JobValue, seen: Observation, at: datetime) -> Fields:
    """Return the new figures, unless they would take the bar back, and the new estimate."""
    progress = seen.progress
    if progress is None and seen.current is not None and seen.total:
        progress = 100.0 * seen.current / seen.total
    if progress is None and seen.steps:
        progress = _of_steps(seen.steps)
    progress = _finite(progress)
    figures: Fields = {
        "current": _finite(seen.current),
        "total": _finite(seen.total),
        "unit": seen.unit or job.unit,
    }
    if progress is None:
        if job.progress is None:
            return figures | _estimated(job.pace, at) if job.pace else figures
        return _estimated(job.pace, at)
    progress = round(min(max(progress, 0.0), MAX_UNFINISHED), 2)
    if job.progress is not None and progress < job.progress:
        return _estimated(job.pace, at)
    pace = eta.advance_pace(job.pace, progress, at)
    figures |= {"progress": progress, "pace": pace}
    figures |= _estimated(pace, at)
    return figures


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _of_steps(steps: list[dict[str, Any]]) -> float:
    """Return the mean progress of the steps by weight (1 where none is given).

    A step without a figure counts by its state: over is 100, anything else 0.
    """
    largest = max(step.get("weight", 1.0) for step in steps)
    weights = [step.get("weight", 1.0) / largest for step in steps]  # no sum can overflow
    done = []
    for step in steps:
        is_over = step["state"] == State.SUCCEEDED
        done.append(step["progress"] if step["progress"] is not None else 100.0 * is_over)
    return float(sum(w * d for w, d in zip(weights, done, strict=True)) / sum(weights))


def _estimated(pace: dict[str, Any], at: datetime) -> Fields:
    left = eta.estimate(pace, at)
    return {"eta": left.eta, "eta_low": left.low, "eta_high": left.high}


# --- events -------------------------------------------------------------------------------------

_SHOWN = ("progress", "current", "total", "unit", "message", "steps")  # by a `progress` event
_SHOWN_SET = frozenset(_SHOWN)
_MOVES = (*_SHOWN, "state")


def _differs(job: JobValue, new: Fields, names: Iterable[str]) -> bool:
    before = job.__dict__
    for name in names:  # noqa: SIM110 - a generator here is a fifth of a transition
        if name in new and new[name] != before[name]:
            return True
    return False


def _numbered(job: JobValue, new: Fields, log: tuple[str, ...], at: datetime) -> Step:
    before = job.__dict__
    new = {
        name: value
        for name, value in new.items()
        # A pace is another one only when it has advanced: its figures need not be compared.
        if value is not before[name] and (name == "pace" or value != before[name])
    }
    types: list[tuple[str, dict[str, Any]]] = []
    is_end = new.get("state", job.state).is_terminal
    if log:
        types.append(("log", {"lines": list(log)}))
    if is_end:
        failure = new.get("error")
        error = failure.as_json() if failure else None
        types.append(("complete", {"result": new.get("result"), "error": error}))
    elif "state" in new or "condition" in new:
        types.append(("state", {}))
    elif not _SHOWN_SET.isdisjoint(new):
        types.append(("progress", {}))
    if types:
        new |= {"seq": job.seq + len(types), "updated": at}
    after = job.evolve(new) if new else job
    events = []
    for seq, (kind, more) in enumerate(types, start=job.seq + 1):
        # A log line that comes with another state, or the end, is told while the job is as it was.
        shown = job if kind == "log" and types[-1][0] in {"state", "complete"} else after
        frame = _frame(shown, seq, kind, at)
        frame |= more
        events.append(Event(job=job.id, seq=seq, at=at, type=kind, frame=frame))
    return Step(after, tuple(events), accepted=True, changed=bool(types), fields=new)


def _frame(job: JobValue, seq: int, kind: str, at: datetime) -> dict[str, Any]:
    """Return an event frame: whole in itself, so that any one is enough to draw the bar."""
    frame: dict[str, Any] = {
        "type": kind,
        "job": job.text,
        "seq": seq,
        "at": timestamp(at),
        "state": job.state.value,
        "condition": job.condition.value,
        "progress": job.progress,
        "current": job.current,
        "total": job.total,
        "unit": job.unit,
        "message": job.message,
        "eta": job.eta,
        "complete": job.state.is_terminal,
    }
    if job.steps:
        frame["steps"] = job.steps
    return frame
