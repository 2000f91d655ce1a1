"""One poll, one task: it asks, saves, tells the group, and comes back after the interval.

`poll_all` is the same for all jobs in one task, its requests in threads.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from asgiref.sync import async_to_sync
from celery import shared_task
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from bench.plain.models import Job

FINISHED = {"succeeded", "failed", "cancelled"}


@shared_task
def poll(job_id: str) -> None:
    """Look at a job once."""
    job = Job.objects.get(pk=job_id)
    _save(job, _ask(requests, job))
    async_to_sync(get_channel_layer().group_send)(
        group_of(job_id), {"type": "job.progress", "frame": frame_of(job)}
    )
    if job.state not in FINISHED:
        poll.apply_async((job_id,), countdown=settings.POLL_SECONDS)


_sessions = threading.local()


@shared_task
def poll_all() -> None:
    """Look at all jobs once: the requests in threads, the rest in one transaction and one loop."""
    jobs = list(Job.objects.exclude(state__in=FINISHED))
    with ThreadPoolExecutor(settings.THREADS) as threads:
        bodies = list(threads.map(_ask_in_thread, jobs))
    with transaction.atomic():
        for job, body in zip(jobs, bodies, strict=True):
            _save(job, body)
    async_to_sync(_tell)(jobs)
    if jobs:
        poll_all.apply_async(countdown=settings.POLL_SECONDS)


def _ask_in_thread(job: Job) -> dict[str, Any]:
    if not hasattr(_sessions, "session"):
        _sessions.session = requests.Session()
    return _ask(_sessions.session, job)


async def _tell(jobs: list[Job]) -> None:
    layer = get_channel_layer()
    for job in jobs:
        message = {"type": "job.progress", "frame": frame_of(job)}
        await layer.group_send(group_of(str(job.id)), message)


def _ask(client: Any, job: Job) -> dict[str, Any]:
    reply = client.get(f"{settings.BACKEND_URL}/jobs/{job.operation}", timeout=30)
    reply.raise_for_status()
    return reply.json()


def _save(job: Job, body: dict[str, Any]) -> None:
    job.state = body["state"]
    job.progress = body["progress"]
    job.current = body.get("current")
    job.total = body.get("total")
    job.unit = body.get("unit")
    job.message = body["message"]
    job.polls += 1
    job.save(
        update_fields=[
            "state", "progress", "current", "total", "unit", "message", "polls", "updated",
        ]
    )  # fmt: skip


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
