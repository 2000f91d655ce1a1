"""Claim the jobs that are due, for one tick, by a lease.

A claim moves `due_at` to the end of the lease and counts `look` up. When the tick dies, its jobs
fall due again by themselves; when it is merely late, its look number is old and changes nothing.
A tick that stays with its lane, which no other tick looks at meanwhile, may claim without a lease:
then nothing is written until there is an answer.
"""

import math
import os
import socket
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from progrock import clock
from progrock.jobs import recall, rows
from progrock.jobs.policy import PollPolicy
from progrock.jobs.rows import Due, Stored
from progrock.jobs.values import JobValue
from progrock.models import Job

MARGIN = timedelta(seconds=5)
LARGEST = 5_000  # jobs in one claim
SLICE = 50  # jobs that are brought forward to the same time
HORIZON_SECONDS = 2.0  # of requests that one claim is for, where they take less


class Claim(NamedTuple):
    """A job held for one look, until the lease ends. `job.look` is the number of this look.

    `stored.due_at` is what the row says: the lease's end, and where no lease is taken the time at
    which it was due.
    """

    stored: Stored
    due: datetime
    lease_ends: datetime
    last_begin: datetime  # of a request that is over before the lease is
    watched_until: float = 0.0  # Unix seconds
    is_leased: bool = True

    @property
    def job(self) -> JobValue:
        """The job, with the number of this look."""
        return self.stored.job

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the job was started with."""
        return self.stored.params


def batch_size(
    policy: PollPolicy, latency: float | None = None, in_hand: int = 0, per_request: int = 1
) -> int:
    """Return how many jobs one tick takes: as many as the backend is asked for in a moment.

    `latency` is what its requests take of late in seconds (0: not known; None: none are sent),
    `in_hand` how many jobs are claimed here and not answered, `per_request` how many one request
    asks for. 0: there are enough in hand. What is claimed and cannot be asked for would only wait
    for the end of its lease when the worker dies.
    """
    most = min(float(LARGEST), policy.per_second * per_request)
    if latency is not None:
        rounds = HORIZON_SECONDS / latency if 0 < latency < HORIZON_SECONDS else 1.0
        most = min(most, policy.in_flight * per_request * rounds - in_hand)
    return max(int(most), 0 if in_hand else 1)


def lease_of(policy: PollPolicy, jobs: int) -> timedelta:
    """Return how long a claim of so many jobs holds: a second round of them may be asked for.

    A look that could not be answered by then is not begun (`Claim.last_begin`).
    """
    rounds = min(-(-jobs // policy.in_flight), 2)
    return MARGIN + timedelta(seconds=jobs / policy.per_second + rounds * policy.timeout)


def claim_due(
    backend: str,
    shard: int,
    policy: PollPolicy,
    now: datetime,
    most: int | None = None,
    *,
    until: datetime | None = None,
    but: Collection[int] = (),
) -> list[Claim]:
    """Return the jobs of a lane that are due, those that wait longest first, now leased.

    The lease is for one look, and where `until` is given for all that begin before then. `but`
    holds the ids, as numbers, of jobs that are being looked at just now.
    """
    most = batch_size(policy) if most is None else most
    if most < 1:
        return []
    with transaction.atomic():
        jobs = _due(backend, shard, now)
        if connection.features.has_select_for_update_skip_locked:
            jobs = jobs.select_for_update(skip_locked=True)
        due = _first(jobs, most, but)
        if not due:
            return []
        found = recall.find(due)
        lease_ends = max(now, until or now) + lease_of(policy, len(due))
        rows.lease(due, lease_ends, worker_name(), now)
    last_begin = lease_ends - timedelta(seconds=policy.timeout)
    return [
        _claimed(stored, each.due_at, lease_ends, last_begin, each.watched_until)
        for each, stored in found
    ]


def claim_unleased(
    backend: str,
    shard: int,
    policy: PollPolicy,
    now: datetime,
    most: int,
    *,
    until: datetime,
    but: Collection[int],
) -> list[Claim]:
    """Return what `claim_due` does, for the one tick that stays with a lane: nothing is written.

    `lease_ends` is the end of the lease that a job gets when it is kept for its next look, or by
    `take_leases` before the lane is left.
    """
    due = _first(_due(backend, shard, now), most, but) if most > 0 else []
    if not due:
        return []
    lease_ends = until + lease_of(policy, len(due))
    last_begin = lease_ends - timedelta(seconds=policy.timeout)
    return [
        Claim(
            stored.after(stored.job, stored.seen, each.due_at),
            each.due_at,
            lease_ends,
            last_begin,
            each.watched_until,
            is_leased=False,
        )
        for each, stored in recall.find(due)
    ]


def take_leases(claims: Sequence[Claim]) -> list[Claim]:
    """Lease jobs that were claimed without; return the claims as they are then.

    One that another has taken up, or that was brought forward, is left alone.
    """
    rows.lease_held([(claim.stored, claim.lease_ends) for claim in claims], worker_name())
    return [
        claim._replace(
            stored=claim.stored.after(claim.job, claim.stored.seen, claim.lease_ends),
            is_leased=True,
        )
        for claim in claims
    ]


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
    return _claimed(found[0], found[0].due_at or now, lease_ends, lease_ends)


def hasten(id_: UUID, at: datetime) -> bool:
    """Bring a started job's next look forward to a time. False when it is due before anyway.

    One that is due may be looked at just now without a lease. Its time is moved by a microsecond:
    so it is seen, when the answer is written, that another look is wanted after this one.
    """
    now = clock.now()
    job = Job.objects.filter(Q(due_at__gt=at) | Q(due_at__lte=now), id=id_, started__isnull=False)
    earlier = F("due_at") - timedelta(microseconds=1)
    due_at = Case(When(due_at__gt=at, then=Value(at)), default=earlier)
    return job.update(due_at=due_at) == 1


def hasten_all(
    backend: str, now: datetime, per_second: float = math.inf, seconds: float = 0.0
) -> list[int]:
    """Bring forward the looks at all of a backend's jobs that nobody looks at just now.

    They are spread over some seconds, or over as many as the rate asks for. Return their shards.
    """
    waiting = Job.objects.filter(
        backend=backend, started__isnull=False, due_at__gt=now, claimed_by=""
    )
    jobs = list(waiting.order_by("due_at").values_list("id", "shard"))
    seconds = max(seconds, len(jobs) / per_second)
    for start in range(0, len(jobs), SLICE):
        at = now + timedelta(seconds=seconds * start / len(jobs))
        ids = [id_ for id_, _ in jobs[start : start + SLICE]]
        Job.objects.filter(id__in=ids, due_at__gt=at, claimed_by="").update(due_at=at)
    return sorted({shard for _, shard in jobs})


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


def _due(backend: str, shard: int, now: datetime) -> QuerySet[Job]:
    is_due = Q(backend=backend, shard=shard, due_at__lte=now, started__isnull=False)
    return Job.objects.filter(is_due).order_by("due_at")


def _first(jobs: QuerySet[Job], most: int, but: Collection[int]) -> list[Due]:
    found = rows.read_due(jobs[: most + len(but)])
    return [each for each in found if each.number not in but][:most]


def _claimed(
    found: Stored,
    due: datetime,
    lease_ends: datetime,
    last_begin: datetime,
    watched_until: float = 0.0,
) -> Claim:
    job = found.job.evolve({"look": found.job.look + 1})
    held = found.after(job, found.seen, lease_ends)
    return Claim(held, due, lease_ends, last_begin, watched_until)
