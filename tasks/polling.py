"""Ticks: one countdown a lane."""

from celery import shared_task

from progrock.polling.tick import run_tick


@shared_task(acks_late=True)
def tick(backend: str, shard: int, tick: int) -> None:
    """Poll what is due in a lane, and arm its next tick. May run twice, late or never."""
    run_tick(backend, shard, tick)
