"""A backend's figures as JSON, for one visitor."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from progrock.backends import registry
from progrock.identity import Who
from progrock.jobs import access
from progrock.protocol.frames import timestamp
from progrock.telemetry.board import SLOT_SECONDS
from progrock.telemetry.figures import Figures, Window
from progrock.telemetry.job_figures import Box

DIGITS = 6


def as_json(figures: Figures, who: Who) -> dict[str, Any]:
    """Return {at, polls, jobs, durations, last_failure}; times are seconds."""
    active, ended, window = figures.active, figures.ended, figures.window
    told = figures.told
    return {
        "at": timestamp(figures.at),
        "polls": None
        if window is None
        else {
            "seconds": round(window.seconds, 1),
            "count": window.polls,
            "failed": window.failed,
            "per_second": _rounded(window.per_second),
            "error_rate": _rounded(window.error_rate),
            "latency": _latency(window),
            "series": {
                "from": timestamp(
                    figures.at
                    - timedelta(
                        seconds=len(figures.slots) * SLOT_SECONDS
                        + figures.at.timestamp() % SLOT_SECONDS
                    )
                ),
                "seconds": SLOT_SECONDS,
                "count": [slot.polls for slot in figures.slots],
                "failed": [slot.failed for slot in figures.slots],
                "p50": [_rounded(slot.p50) for slot in figures.slots],
                "p99": [_rounded(slot.p99) for slot in figures.slots],
            },
        },
        "jobs": {
            "active": active.count,
            "states": dict(active.states),
            "stalled": active.conditions.get("stalled", 0),
            "unreachable": active.conditions.get("unreachable", 0),
            "lag": round(active.lag, 1),
            "ended": dict(ended.states),
        },
        "durations": None
        if ended.whole is None
        else {**_box(ended.whole), "boxes": [_box(box) for box in ended.boxes]},
        "last_failure": None
        if told is None or told.failure is None
        else _failure(told.failure, who),
    }


def _failure(failure: Any, who: Who) -> dict[str, Any]:
    """Return the last failing reply; what it says only to who may see the job that it was about."""
    shown = {
        "at": timestamp(datetime.fromtimestamp(float(failure.get("at", 0)), UTC)),
        "asked": failure.get("asked"),
        "code": failure.get("code"),
        "status": failure.get("status"),
        "job": None,
        "message": None,
        "headers": {},
        "body": None,
        "is_cut": False,
        "is_hidden": True,
    }
    job = failure.get("job")
    if not who.is_staff and not _may_see(who, job):
        return shown
    told = {
        name: _masked(failure.get(name)) for name in ("job", "message", "headers", "body", "is_cut")
    }
    return shown | told | {"is_hidden": False}


def _masked(value: Any) -> Any:
    """Return what a reply says without the secrets of any backend; its own are masked already."""
    for backend in registry.backends().by_name.values():
        value = backend.mask.value(value)
    return value


def _may_see(who: Who, job: str | None) -> bool:
    return job is not None and access.visible_to(who).filter(id=UUID(job)).exists()


def _latency(window: Window) -> dict[str, float | None]:
    return {"p50": _rounded(window.p50), "p99": _rounded(window.p99)}


def _box(box: Box) -> dict[str, Any]:
    parts = {name: _rounded(getattr(box, name)) for name in ("p5", "p25", "p50", "p75", "p95")}
    return {"from": timestamp(box.start), "to": timestamp(box.end), "count": box.count, **parts}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
