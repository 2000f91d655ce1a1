"""A job's full present state as clients get it (PROTOCOL section 2.5)."""

from datetime import UTC, datetime
from typing import Any

from progrock.identity import Who
from progrock.jobs import access, eta
from progrock.jobs.states import State
from progrock.models import Job
from progrock.protocol.frames import timestamp


def snapshot(job: Job, who: Who, watchers: int | None = None) -> dict[str, Any]:
    """Return the snapshot; every key is always there. `can` depends on who asks."""
    left = eta.UNKNOWN
    if not job.is_terminal:  # as of now, not of the last event
        left = eta.estimate(job.pace, datetime.now(UTC), job.looked_at)
    return {
        "job": str(job.id),
        "seq": job.seq,
        "backend": job.backend,
        "title": job.title,
        "state": job.state,
        "condition": job.condition,
        "complete": job.is_terminal,
        "progress": job.progress,
        "current": job.current,
        "total": job.total,
        "unit": job.unit,
        "message": job.message,
        "eta": left.eta,
        "eta_range": None if left.eta is None else [left.low, left.high],
        "steps": job.steps,
        "params": job.params,
        "result": job.result,
        "error": job.error,
        "owner": job.owner.get_username() if job.owner else None,
        "labels": job.labels,
        "note": job.note,
        "pinned": job.pinned,
        "version": job.version,
        "retry_of": str(job.retry_of) if job.retry_of else None,
        "created": timestamp(job.created),
        "started": timestamp(job.started),
        "updated": timestamp(job.updated),
        "finished": timestamp(job.finished),
        "watchers": watchers,
        "can": _can(job, who),
    }


def _can(job: Job, who: Who) -> list[str]:
    if not access.may_control(who, job.owner_id):
        return []
    now: list[str] = []
    if job.is_terminal:
        now = ["retry"]
    elif job.state != State.CANCELLING:
        now = ["cancel"]
    return [*now, "edit", "comment", "share"]
