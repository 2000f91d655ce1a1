"""Starts and cancels: one job each. Acknowledged early: a start is never repeated by Celery."""

from uuid import UUID

from celery import shared_task

from progrock.polling import starting, stopping


@shared_task
def start_job(job: str) -> None:
    """Start a job on its backend."""
    starting.hand_over_call(UUID(job), starting.start)


@shared_task
def cancel_job(job: str) -> None:
    """Stop a job on its backend."""
    starting.hand_over_call(UUID(job), stopping.cancel)
