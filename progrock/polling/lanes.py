"""Arm the ticks: one Celery countdown per lane, a lane being one shard of a backend.

The lane's row says which tick counts. Arming is compare-and-set: it takes a new number and sends
a task with it, and a task with an old number ends at once. So a tick that Celery loses, doubles
or delivers late does no harm; the sweeper arms a lane whose tick never came.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

from progrock import clock
from progrock.jobs import dispatch
from progrock.jobs.log import Recorded
from progrock.models import Job, Lane

SPACING = timedelta(milliseconds=50)  # jobs that fall due closer together share a tick
MOST_TRIES = 20  # against others that arm the same lane
TICK_LOST_AFTER = timedelta(seconds=2)
FURTHEST_KEPT = timedelta(seconds=20)  # a later end was written before the clock stepped back


def arm(backend: str, shard: int, at: datetime, now: datetime) -> bool:
    """Have the lane tick at a time, unless it is armed for an earlier one. True when armed."""
    return _arm(backend, shard, max(at, now + SPACING), now, force=False)


def arm_all(recorded: Iterable[Recorded], now: datetime) -> None:
    """Arm the lanes of jobs that were just recorded, each for its earliest job."""
    first: dict[tuple[str, int], datetime] = {}
    for each in recorded:
        if each.due_at is not None:
            lane = (each.job.backend, each.shard)
            first[lane] = min(first.get(lane, each.due_at), each.due_at)
    for (backend, shard), at in first.items():
        arm(backend, shard, at, now)


def arm_now(backend: str, shard: int, now: datetime) -> bool:
    """Have the lane tick now, whatever it is armed for: its tick was lost."""
    return _arm(backend, shard, now, now, force=True)


def arm_next(backend: str, shard: int, now: datetime, wait: timedelta = SPACING) -> None:
    """Arm the lane for the job that falls due first, after a wait; with none, nothing is armed."""
    first = (
        Job.objects.filter(
            backend=backend, shard=shard, due_at__isnull=False, started__isnull=False
        )
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
    if first is not None:
        arm(backend, shard, max(first, now + wait), now)


def begin(backend: str, shard: int, tick: int) -> bool:
    """Take the tick: True for the one call whose number is the armed one.

    While another tick stays with the lane there is nothing to do: it looks by itself at what falls
    due, and arms the lane when it leaves.
    """
    armed = Lane.objects.filter(backend=backend, shard=shard, tick=tick, armed_for__isnull=False)
    if armed.filter(_is_free(clock.now())).update(armed_for=None):
        return True
    armed.update(armed_for=None)
    return False


def keep(backend: str, shard: int, worker: str, until: datetime, now: datetime) -> bool:
    """Have a tick stay with its lane until a time; False when another one does."""
    free = Lane.objects.filter(_is_free(now), backend=backend, shard=shard)
    return free.update(kept_until=until, kept_by=worker) == 1


def keep_on(backend: str, shard: int, kept_until: datetime, until: datetime) -> bool:
    """Have a tick stay that was to stay until a time; False when another has taken the lane."""
    kept = Lane.objects.filter(backend=backend, shard=shard, kept_until=kept_until)
    return kept.update(kept_until=until) == 1


def let_go(worker: str, **lane: str | int) -> None:
    """Have ticks be taken again: of one lane, or without one of all that a worker kept."""
    Lane.objects.filter(kept_by=worker, **lane).update(kept_until=None, kept_by="")


def overdue(late: datetime) -> list[tuple[str, int]]:
    """Return the lanes with jobs that were due before `late`, and no tick armed for about now."""
    lanes = (
        Job.objects.filter(due_at__lt=late, started__isnull=False)
        .values_list("backend", "shard")
        .distinct()
    )
    soon = late + 2 * TICK_LOST_AFTER
    ticking = set(
        Lane.objects.filter(armed_for__range=(late, soon)).values_list("backend", "shard")
    )
    return [lane for lane in lanes if lane not in ticking]


def _is_free(now: datetime) -> Q:
    is_kept = Q(kept_until__gt=now, kept_until__lte=now + FURTHEST_KEPT)
    return Q(kept_until=None) | ~is_kept


def _arm(backend: str, shard: int, at: datetime, now: datetime, *, force: bool) -> bool:
    for _ in range(MOST_TRIES):
        lane = Lane.objects.get_or_create(backend=backend, shard=shard)[0]
        if not force and lane.armed_for is not None and lane.armed_for <= at:
            return False
        tick = lane.tick + 1
        if Lane.objects.filter(id=lane.pk, tick=lane.tick, armed_for=lane.armed_for).update(
            tick=tick, armed_for=at
        ):
            wait = (at - now).total_seconds()
            transaction.on_commit(partial(dispatch.send_tick, backend, shard, tick, wait))
            return True
    return False  # others arm it all the time; the sweeper looks after it
