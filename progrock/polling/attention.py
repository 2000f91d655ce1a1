"""Tell the worker who watches what, and have it look at once for someone who just came.

None of it changes a job's state or `seq`: these columns are the worker's hints, and a lost write
costs a minute of slower looks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from progrock.backends import push, registry
from progrock.models import FeedWatch, Job
from progrock.polling import lanes, schedule, watched

SPARE_SECONDS = 40.0  # a job that counts as watched for so long yet is not written again
FIRST_SHOWN = 50  # jobs of a list that are looked at when someone opens it
PAGE = 500
_READ = (
    "backend", "shard", "due_at", "looked_at", "held_until", "failures", "claimed_by", "started",
)  # fmt: skip


def stay(jobs: Collection[str], now: datetime) -> None:
    """Note that jobs are still watched, by their ids; call it every twenty seconds."""
    until, ids = watched.until(now), list(jobs)
    for start in range(0, len(ids), PAGE):
        with transaction.atomic():
            # Held in one order, as the log does: an UPDATE alone would take them in any.
            lapsing = Job.objects.filter(
                id__in=ids[start : start + PAGE],
                due_at__isnull=False,
                watched_until__lt=now.timestamp() + SPARE_SECONDS,
            ).exclude(backend=push.NAME)
            locked = lapsing.select_for_update().order_by("id")
            held = list(locked.values_list("id", flat=True))
            Job.objects.filter(id__in=held).update(watched_until=until)


def come(jobs: Iterable[str], now: datetime) -> None:
    """Note that somebody came to watch jobs, and bring their next looks forward.

    A look follows at once, unless the last one is younger than `poll.min`, one is under way, the
    backend has asked for patience, or does not answer.
    """
    ids = list(jobs)
    for start in range(0, len(ids), PAGE):
        for (backend, shard), at in _bring_forward(ids[start : start + PAGE], now).items():
            lanes.arm(backend, shard, at, now)


def _bring_forward(ids: Sequence[str], now: datetime) -> dict[tuple[str, int], datetime]:
    """Return when the first look in each lane falls due by it, where any does."""
    earliest: dict[tuple[str, int], datetime] = {}
    moved: dict[datetime, list[UUID]] = defaultdict(list)
    with transaction.atomic():
        followed = Job.objects.filter(id__in=ids, due_at__isnull=False)
        held = list(
            followed.exclude(backend=push.NAME).select_for_update().order_by("id").only(*_READ)
        )
        Job.objects.filter(id__in=[job.id for job in held]).update(watched_until=watched.until(now))
        for job in held:
            if job.started is None or job.failures or job.claimed_by or job.due_at is None:
                continue
            at = schedule.next_look_for_a_watcher(
                registry.policy_of(job.backend),
                looked_at=job.looked_at,
                held=job.held_until,
                now=now,
            )
            if at < job.due_at:
                moved[at].append(job.id)
                lane = (job.backend, job.shard)
                earliest[lane] = min(earliest.get(lane, at), at)
        for at, moved_ids in moved.items():
            Job.objects.filter(id__in=moved_ids).update(due_at=at)
    return earliest


def stay_at_feeds(owners: Iterable[str], now: datetime) -> None:
    """Note whose lists of jobs are open (`watched.owner_of_feed`)."""
    for owner in owners:
        FeedWatch.objects.update_or_create(owner=owner, defaults={"until": watched.until(now)})


def come_to_feed(owner: str, now: datetime) -> None:
    """Note that somebody opened a list, and have the jobs looked at that it shows first."""
    stay_at_feeds([owner], now)
    jobs = Job.objects.filter(due_at__isnull=False)
    if owner != watched.EVERYBODYS:
        jobs = jobs.filter(Q(owner=None) | Q(owner=int(owner)) if owner else Q(owner=None))
    shown = jobs.order_by("-created").values_list("id", flat=True)[:FIRST_SHOWN]
    come([str(id_) for id_ in shown], now)


def forget_feeds(now: datetime) -> None:
    """Delete what tells of lists that were closed long ago."""
    FeedWatch.objects.filter(until__lt=now.timestamp() - watched.WATCHED_SECONDS).delete()
