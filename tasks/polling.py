"""Ticks: one countdown a lane."""

from celery import shared_task

from progrock.polling.lane_threads import hand_over
from progrock.polling.tick import run_tick


@shared_task
def tick(backend: str, shard: int, tick: int) -> None:
    """Poll what is due in a lane, and arm its next tick. May run twice, late or never."""
    hand_over("tick", backend, lambda: run_tick(backend, shard, tick))
