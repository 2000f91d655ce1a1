"""One poll, one task: it asks, saves, tells the group, and comes back after the interval."""

from typing import Any

import requests
from asgiref.sync import async_to_sync
from celery import shared_task
from channels.layers import get_channel_layer
from django.conf import settings

from bench.plain.models import Job

FINISHED = {"succeeded", "failed", "cancelled"}


@shared_task
def poll(job_id: str) -> None:
    """Look at a job once."""
    job = Job.objects.get(pk=job_id)
    reply = requests.get(f"{settings.BACKEND_URL}/jobs/{job.operation}", timeout=10)
    reply.raise_for_status()
    body = reply.json()
    job.state = body["state"]
    job.progress = body["progress"]
    job.current = body["current"]
    job.total = body["total"]
    job.unit = body["unit"]
    job.message = body["message"]
    job.polls += 1
    job.save(
        update_fields=[
            "state", "progress", "current", "total", "unit", "message", "polls", "updated",
        ]
    )  # fmt: skip
    async_to_sync(get_channel_layer().group_send)(
        group_of(job_id), {"type": "job.progress", "frame": frame_of(job)}
    )
    if job.state not in FINISHED:
        poll.apply_async((job_id,), countdown=settings.POLL_SECONDS)


def group_of(job_id: str) -> str:
    """Return the name of a job's group."""
    return f"job_{job_id}"


def frame_of(job: Job) -> dict[str, Any]:
    """Return what watchers get: the same fields as ProgRock's event frames."""
    return {
        "type": "progress",
        "job": str(job.id),
        "seq": job.polls,
        "at": job.updated.isoformat(timespec="milliseconds"),
        "state": job.state,
        "condition": "ok",
        "progress": job.progress,
        "current": job.current,
        "total": job.total,
        "unit": job.unit,
        "message": job.message,
        "eta": None,
        "complete": job.state in FINISHED,
    }
