"""What beat asks for at intervals."""

from celery import shared_task

from progrock.polling import sweeping


@shared_task
def sweep() -> None:
    """Set going again what was left lying."""
    sweeping.sweep()


@shared_task
def prune() -> None:
    """Delete what is no longer kept."""
    sweeping.prune()
