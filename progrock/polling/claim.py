"""Claim the jobs that are due, for one tick, by a lease.

A claim moves `due_at` to the end of the lease and counts `look` up. When the tick dies, its jobs
fall due again by themselves; when it is merely late, its look number is old and changes nothing.
"""

import os
import socket
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q

from progrock.jobs import recall, rows
from progrock.jobs.policy import PollPolicy
from progrock.jobs.rows import Stored
from progrock.jobs.values import JobValue
from progrock.models import Job

MARGIN = timedelta(seconds=5)
LARGEST = 5_000  # jobs in one claim


class Claim(NamedTuple):
    """A job held for one look, until the lease ends. `job.look` is the number of this look."""

    stored: Stored
    due: datetime
    lease_ends: datetime
    watched_until: float = 0.0  # Unix seconds

    @property
    def job(self) -> JobValue:
        """The job, with the number of this look."""
        return self.stored.job

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the job was started with."""
        return self.stored.params


def batch_size(policy: PollPolicy) -> int:
    """Return how many jobs one tick takes: what the backend allows within about a second."""
    return max(1, min(LARGEST, int(policy.per_second)))


def lease_of(policy: PollPolicy, jobs: int) -> timedelta:
    """Return how long a claim of so many jobs holds: until the last may be answered, and more."""
    rounds = -(-jobs // policy.in_flight)
    return MARGIN + timedelta(seconds=jobs / policy.per_second + rounds * policy.timeout)


def claim_due(backend: str, shard: int, policy: PollPolicy, now: datetime) -> list[Claim]:
    """Return the jobs of a lane that are due, those that wait longest first, now leased."""
    is_due = Q(backend=backend, shard=shard, due_at__lte=now, started__isnull=False)
    with transaction.atomic():
        jobs = Job.objects.filter(is_due).order_by("due_at")
        if connection.features.has_select_for_update_skip_locked:
            jobs = jobs.select_for_update(skip_locked=True)
        due = rows.read_due(jobs[: batch_size(policy)])
        if not due:
            return []
        found = recall.find(due)
        lease_ends = now + lease_of(policy, len(due))
        rows.lease(due, lease_ends, worker_name(), now)
    return [_claimed(stored, each.due_at, lease_ends, each.watched_until) for each, stored in found]


def claim_start(id_: UUID, lease: timedelta, now: datetime, *, again: bool) -> Claim | None:
    """Return the job to be started, or None when another task has it or it is not to start.

    With `again` (the backend is idempotent) a start that was sent and never answered may be sent
    once more, after its lease. One that failed for now is not tried before it is due.
    """
    unsent = Q(start_sent__isnull=True, state="pending") & (Q(failures=0) | Q(due_at__lte=now))
    lost = Q(start_sent__isnull=False, due_at__lte=now)
    lease_ends = now + lease
    with transaction.atomic():
        jobs = (
            Job.objects.select_for_update()
            .filter(unsent | lost if again else unsent, id=id_, started__isnull=True)
            .exclude(due_at=None)
        )
        found = rows.read(jobs)
        if not found:
            return None
        Job.objects.filter(id=id_).update(look=F("look") + 1, start_sent=now, due_at=lease_ends)
    return _claimed(found[0], found[0].due_at or now, lease_ends)


def hasten(id_: UUID, at: datetime) -> bool:
    """Bring a started job's next look forward to a time. True when it was later."""
    return Job.objects.filter(id=id_, due_at__gt=at, started__isnull=False).update(due_at=at) == 1


def release(worker: str, now: datetime) -> int:
    """Let the jobs that a worker held fall due at once: it was started anew. Return how many."""
    held = Job.objects.filter(claimed_by=worker, due_at__gt=now, started__isnull=False)
    return held.update(due_at=now, claimed_by="")


def worker_name() -> str:
    """Return the name under which this process claims; workers have one each."""
    return _worker


def name_worker(name: str) -> None:
    """Give this process's claims a name, so that its successor can take them up."""
    global _worker  # noqa: PLW0603
    _worker = name[:100]


_worker = f"process {os.getpid()} on {socket.gethostname()}"[:100]


def _claimed(
    found: Stored, due: datetime, lease_ends: datetime, watched_until: float = 0.0
) -> Claim:
    job = found.job.evolve({"look": found.job.look + 1})
    return Claim(found.after(job, found.seen, lease_ends), due, lease_ends, watched_until)
