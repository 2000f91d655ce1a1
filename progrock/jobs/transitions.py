"""How a job changes: `advance(job, change)` gives the job after it and the events. Pure.

The invariants of PROTOCOL section 1 live here and nowhere else: states go forwards, progress
does not go down, 100 comes with success only, one `complete`, and nothing after it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from progrock.jobs import eta
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
from progrock.jobs.states import Condition, JobErrorCode, State
from progrock.jobs.values import Event, JobValue
from progrock.protocol.frames import timestamp

UNREACHABLE_AFTER = 3  # failed polls in a row; one 500 between two good replies is no outage
MAX_UNFINISHED = 99.9  # what is shown of a backend that says 100 and has not ended
MESSAGE_LENGTH = 2_000
LOG_LINES = 1_000  # of a job that are kept here; the rest stays at the backend


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of one change. `accepted` is False for a stale or impossible one."""

    job: JobValue
    events: tuple[Event, ...]
    accepted: bool
    changed: bool = False


def advance(job: JobValue, change: Change, policy: PollPolicy, at: datetime) -> Step:
    """Return the job after a change, with its events numbered on from `job.seq`.

    A change of an old look, or of a job that has ended, is dropped: `accepted` is False.
    """
    if job.state.is_terminal or (change.look is not None and change.look != job.look):
        return Step(job, (), accepted=False)
    rule = _RULES[type(change)]
    after, log = rule(job, change, policy, at)
    return _numbered(job, after, log, at)


def created_event(job: JobValue) -> Event:
    """Return event 1 of a new job: it exists, and is pending."""
    return Event(
        job=job.id, seq=1, at=job.created, type="state", frame=_frame(job, "state", job.created)
    )


# --- one rule for each kind of change; each gives the job after it, and log lines ---------------

_Ruled = tuple[JobValue, tuple[str, ...]]


def _observed(job: JobValue, seen: Observation, policy: PollPolicy, at: datetime) -> _Ruled:
    log = seen.log[: max(LOG_LINES - job.log_lines, 0)]
    if log and len(log) < len(seen.log):
        log = (*log, "… the rest of the log stays at the backend: see jobs/ID/log")
    after = replace(
        job,
        failures=0,
        failing_since=None,
        log_lines=job.log_lines + len(log),
        log_offset=job.log_offset if seen.log_offset is None else seen.log_offset,
        cookies=job.cookies if seen.cookies is None else seen.cookies,
    )
    if seen.status_url is not None:
        after = replace(after, status_url=seen.status_url)
    if seen.message is not None:
        after = replace(after, message=seen.message[:MESSAGE_LENGTH])
    if seen.steps is not None:
        after = replace(after, steps=seen.steps)
    if seen.gone:
        return _gone(after, at), log
    after = _progressed(after, seen, at)
    if seen.state is not None and job.state.may_become(seen.state):
        after = _entered(after, seen, at)
    if after.state.is_terminal:
        return after, log
    moved = log or _shown(after) != _shown(replace(job, condition=after.condition))
    if moved:
        after = replace(after, moved_at=at)
    is_stalled = (at - after.moved_at).total_seconds() >= policy.stall_after
    return replace(after, condition=Condition.STALLED if is_stalled else Condition.OK), log


def _started(job: JobValue, change: Started, policy: PollPolicy, at: datetime) -> _Ruled:
    after = replace(
        job,
        operation=change.operation,
        start=change.start,
        lookup=change.lookup,
        started=at,
        moved_at=at,
    )
    if after.state is State.PENDING:
        after = replace(after, state=State.QUEUED)
    return _observed(after, change.observation, policy, at)


def _reported(job: JobValue, change: Reported, policy: PollPolicy, at: datetime) -> _Ruled:
    seen = change.observation
    if seen.state is None and job.state in {State.PENDING, State.QUEUED}:
        seen = replace(seen, state=State.RUNNING)
    return _observed(replace(job, moved_at=at), seen, policy, at)


def _start_failed(job: JobValue, change: StartFailed, policy: PollPolicy, at: datetime) -> _Ruled:
    if job.cancel_requested is not None:
        return _ended(job, State.CANCELLED, _CANCELLED, at), ()
    if not change.try_again:
        return _ended(job, State.FAILED, change.error, at), ()
    return _failed_once(replace(job, start_sent=None), change.error, policy, at)


def _poll_failed(job: JobValue, change: PollFailed, policy: PollPolicy, at: datetime) -> _Ruled:
    return _failed_once(job, change.error, policy, at)


def _failed_once(job: JobValue, error: JobError, policy: PollPolicy, at: datetime) -> _Ruled:
    since = job.failing_since or at
    after = replace(job, failures=job.failures + 1, failing_since=since)
    if after.failures >= policy.failures and (at - since).total_seconds() >= policy.unreachable_for:
        return _ended(after, State.FAILED, error, at), ()
    if after.failures >= UNREACHABLE_AFTER:
        after = replace(after, condition=Condition.UNREACHABLE)
    return after, ()


def _decided(job: JobValue, change: Ended, policy: PollPolicy, at: datetime) -> _Ruled:
    return _ended(job, change.state, change.error, at), ()


def _cancel_requested(
    job: JobValue, change: CancelRequested, policy: PollPolicy, at: datetime
) -> _Ruled:
    return replace(job, state=State.CANCELLING, cancel_requested=job.cancel_requested or at), ()


_RULES: dict[type, Callable[[JobValue, Any, PollPolicy, datetime], _Ruled]] = {
    Observation: _observed,
    Reported: _reported,
    Started: _started,
    StartFailed: _start_failed,
    PollFailed: _poll_failed,
    Ended: _decided,
    CancelRequested: _cancel_requested,
}

# --- the parts ----------------------------------------------------------------------------------

_CANCELLED = JobError(code=JobErrorCode.CANCELLED, message="The job was cancelled.")
_LOST = JobError(
    code=JobErrorCode.LOST, message="The backend no longer knows this job: it was lost there."
)


def _ended(job: JobValue, state: State, error: JobError | None, at: datetime) -> JobValue:
    return replace(
        job,
        state=state,
        condition=Condition.OK,
        error=error,
        progress=100.0 if state is State.SUCCEEDED else job.progress,
        finished=at,
        eta=None,
        eta_low=None,
        eta_high=None,
    )


def _gone(job: JobValue, at: datetime) -> JobValue:
    if job.cancel_requested is not None:
        return _ended(job, State.CANCELLED, _CANCELLED, at)
    return _ended(job, State.FAILED, _LOST, at)


def _entered(job: JobValue, seen: Observation, at: datetime) -> JobValue:
    match seen.state:
        case State.SUCCEEDED:
            return _ended(replace(job, result=seen.result), State.SUCCEEDED, None, at)
        case State.FAILED:
            reason = seen.error or job.message or "The backend says that it failed; no reason."
            error = JobError(code=JobErrorCode.BACKEND_FAILED, message=reason[:MESSAGE_LENGTH])
            return _ended(replace(job, result=seen.result), State.FAILED, error, at)
        case State.CANCELLED:
            return _ended(job, State.CANCELLED, _CANCELLED, at)
        case State.TIMED_OUT:
            error = JobError(
                code=JobErrorCode.TIMED_OUT,
                message=(seen.error or "The backend ended it: it took too long.")[:MESSAGE_LENGTH],
            )
            return _ended(job, State.TIMED_OUT, error, at)
        case None:
            return job
        case forwards:
            return replace(job, state=forwards)


def _progressed(job: JobValue, seen: Observation, at: datetime) -> JobValue:
    """Take the new figures, unless they would take the bar back."""
    progress = seen.progress
    if progress is None and seen.current is not None and seen.total:
        progress = 100.0 * seen.current / seen.total
    if progress is None and seen.steps:
        progress = _of_steps(seen.steps)
    if progress is not None and not math.isfinite(progress):
        progress = None
    if progress is None:
        if job.progress is not None:  # once known, it stays known
            return _estimated(job, at)
        return replace(job, current=seen.current, total=seen.total, unit=seen.unit or job.unit)
    progress = round(min(max(progress, 0.0), MAX_UNFINISHED), 2)
    if job.progress is not None and progress < job.progress:
        return _estimated(job, at)
    after = replace(
        job,
        progress=progress,
        current=seen.current,
        total=seen.total,
        unit=seen.unit or job.unit,
        pace=eta.advance_pace(job.pace, progress, at),
    )
    return _estimated(after, at)


def _of_steps(steps: list[dict[str, Any]]) -> float | None:
    """Return the mean progress of the steps by weight (1 where none is given).

    A step without a figure counts by its state: over is 100, anything else 0.
    """
    weights = [step.get("weight", 1.0) for step in steps]
    done = []
    for step in steps:
        is_over = step["state"] == State.SUCCEEDED
        done.append(step["progress"] if step["progress"] is not None else 100.0 * is_over)
    return math.fsum(w * d for w, d in zip(weights, done, strict=True)) / math.fsum(weights)


def _estimated(job: JobValue, at: datetime) -> JobValue:
    left = eta.estimate(job.pace, at)
    return replace(job, eta=left.eta, eta_low=left.low, eta_high=left.high)


# --- events -------------------------------------------------------------------------------------


def _shown(job: JobValue) -> tuple[Any, ...]:
    """What a `progress` event reports."""
    return (job.progress, job.current, job.total, job.unit, job.message, job.steps)


def _numbered(before: JobValue, after: JobValue, log: tuple[str, ...], at: datetime) -> Step:
    types: list[tuple[str, dict[str, Any]]] = []
    is_end = after.state.is_terminal
    if log:
        types.append(("log", {"lines": list(log)}))
    if is_end:
        error = after.error.as_json() if after.error else None
        types.append(("complete", {"result": after.result, "error": error}))
    elif (before.state, before.condition) != (after.state, after.condition):
        types.append(("state", {}))
    elif _shown(before) != _shown(after):
        types.append(("progress", {}))
    if not types:
        return Step(after, (), accepted=True)
    events, seq = [], before.seq
    for kind, more in types:
        seq += 1
        # A log line that comes with the end is told while the job still runs.
        shown = before if kind == "log" and is_end else after
        frame = _frame(replace(shown, seq=seq), kind, at) | more
        events.append(Event(job=after.id, seq=seq, at=at, type=kind, frame=frame))
    return Step(replace(after, seq=seq, updated=at), tuple(events), accepted=True, changed=True)


def _frame(job: JobValue, kind: str, at: datetime) -> dict[str, Any]:
    """Return an event frame: whole in itself, so that any one is enough to draw the bar."""
    frame: dict[str, Any] = {
        "type": kind,
        "job": str(job.id),
        "seq": job.seq,
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
