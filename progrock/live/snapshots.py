"""Snapshots with the number of watchers over all web processes, for answers made in a thread."""

from collections.abc import Sequence

from progrock.identity import Who
from progrock.jobs.snapshot import snapshot
from progrock.live.presence_board import watchers_of
from progrock.models import Job
from progrock.protocol.frames import Frame


def snapshots_of(jobs: Sequence[Job], who: Who) -> list[Frame]:
    """Return the snapshots of jobs; `watchers` is None where Redis does not answer."""
    watchers = watchers_of([str(job.id) for job in jobs])
    return [snapshot(job, who, watchers[str(job.id)]) for job in jobs]


def snapshot_of(job: Job, who: Who) -> Frame:
    """Return the snapshot of one job."""
    return snapshots_of([job], who)[0]
