"""What is wrong with how a job went: its log, its end, what the backend knows, what was watched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.connection import Frame, holes_in
from tests.flapping.backend import Account, Weather

TERMINAL = {"succeeded", "failed", "cancelled", "timed_out"}
NEAR_SECONDS = 6.0  # a kill so long after a start may have cost its answer: Redis' a worker, too
LOST_ANSWER = {Weather.HANGING, Weather.DOWN, Weather.GARBAGE}


@dataclass(kw_only=True)
class Told:
    """A job as its clients know it, with what was asked of it. `asked_at` is monotonic seconds."""

    name: str
    job: str
    backend: str
    end: str  # that it comes to by itself
    asked_at: float
    is_cancelled: bool = False
    snapshot: dict[str, Any] = field(default_factory=dict)
    log: list[Frame] = field(default_factory=list)


def faults_of(
    told: Told, account: Account, watched: Sequence[Frame], disturbed: Sequence[float]
) -> list[str]:
    """Return what is wrong with a job. `disturbed` is when something was killed or restarted."""
    wrong = [*log_faults(told.log), *start_faults(told, account)]
    wrong += end_faults(told, account, disturbed)
    wrong += watching_faults(told.log, watched)
    last = told.log[-1] if told.log else {}
    if (last.get("state"), last.get("seq")) != (told.snapshot["state"], told.snapshot["seq"]):
        wrong.append(f"the snapshot is not the last event: {told.snapshot}")
    return [f"{told.name} ({told.backend}, {told.job}): {each}" for each in wrong]


def log_faults(log: Sequence[Frame]) -> list[str]:
    """Return what is wrong with a log by itself (PROTOCOL section 1)."""
    wrong = [f"a hole: {hole}" for hole in holes_in(log)]
    kinds = [event["type"] for event in log]
    if kinds.count("complete") != 1 or kinds[-1] != "complete":
        wrong.append(f"not one complete at the end: {kinds[-3:]} of {kinds.count('complete')}")
    shown = [event["progress"] for event in log if event["progress"] is not None]
    if shown != sorted(shown):
        wrong.append(f"the progress goes down: {shown}")
    if any((event["progress"] == 100) != (event["state"] == "succeeded") for event in log):
        wrong.append("100 without success, or success without 100")
    ranks = ["pending", "queued", "running", "cancelling"]
    order = [ranks.index(event["state"]) if event["state"] in ranks else 4 for event in log]
    if order != sorted(order):
        wrong.append(f"the state goes back: {[event['state'] for event in log]}")
    lines = [line for event in log for line in event.get("lines", [])]
    parts = [int(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[2].isdigit()]
    if len(parts) != len(lines) or parts != list(range(len(parts))):
        wrong.append(f"log lines are missing or doubled: {lines}")
    return wrong


def start_faults(told: Told, account: Account) -> list[str]:
    """Return what is wrong with how often the backend was asked to start it."""
    if told.backend == "once" and len(account.starts) > 1:
        return [f"a start was repeated: {account.starts}"]
    if told.backend == "safe" and len(account.works) > 1:
        return [f"it was begun {len(account.works)} times: {account.starts}"]
    return []


def end_faults(told: Told, account: Account, disturbed: Sequence[float]) -> list[str]:
    """Return what is wrong with its end: it is as at the backend, or unknown for a good reason."""
    state, error = told.snapshot["state"], told.snapshot["error"] or {}
    code = error.get("code")
    works = list(account.works.values())
    if state not in TERMINAL:
        return [f"it has not ended: {state}; begun {len(works)} times"]
    last = account.starts[-1].weather if account.starts else None
    excuses = {
        "start_unknown": told.backend == "once" and _is_answer_lost(told, account, disturbed),
        "bad_reply": last is Weather.GARBAGE,
        "backend_refused": told.backend == "once" and last in {Weather.ERRORS, Weather.BUSY},
    }
    truth = works[0].state(float("inf")) if works else "cancelled"
    wrong = []
    if code in excuses:
        wrong += [] if excuses[code] else [f"no reason for {error}: {account.starts}"]
    elif state != truth:
        wrong.append(f"{state} ({error}) here, {truth} at the backend; {account}")
    elif state == "cancelled" and not (account.cancels if works else told.is_cancelled):
        wrong.append(f"cancelled, and nobody asked the backend: {account}")
    elif state == "failed" and error.get("message") != f"{told.name} broke":
        wrong.append(f"failed for another reason: {error}")
    return wrong


def _is_answer_lost(told: Told, account: Account, disturbed: Iterable[float]) -> bool:
    """Whether the answer to the one start may have been lost, or the start itself."""
    if not account.starts:
        return any(moment >= told.asked_at - NEAR_SECONDS for moment in disturbed)
    start = account.starts[0]
    if start.weather in LOST_ANSWER:
        return True
    return any(-1.0 <= moment - start.at <= NEAR_SECONDS for moment in disturbed)


def watching_faults(log: Sequence[Frame], watched: Sequence[Frame]) -> list[str]:
    """Return what a watcher missed, got twice or got otherwise; only progress may be merged."""
    wrong = [f"watched with a hole: {hole}" for hole in holes_in(watched)]
    by_seq: Mapping[int, Frame] = {event["seq"]: event for event in log}
    for event in watched:
        told = {name: value for name, value in event.items() if name != "skipped"}
        if "skipped" not in event and told != by_seq.get(event["seq"]):
            wrong.append(f"watched otherwise: {event} for {by_seq.get(event['seq'])}")
    seen = {event["seq"] for event in watched}
    lost = [
        event["seq"] for event in log if event["type"] != "progress" and event["seq"] not in seen
    ]
    return wrong + ([f"not watched: {lost}"] if lost else [])
