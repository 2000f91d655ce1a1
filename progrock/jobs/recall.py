"""What this process last wrote of the jobs that it follows, so that a claim need not read it.

A row's `look` and `seq` change whenever anything changes that a look depends on (`jobs.log`, the
one writer), so a job that still has the same two is as it was written; any other is read again.
Losing all of this costs one reading.
"""

import threading
from collections.abc import Iterable, Sequence
from uuid import UUID

from progrock.jobs import rows
from progrock.jobs.rows import Due, Stored
from progrock.models import Job

MOST = 25_000  # jobs, of about 3 KB each

_lock = threading.Lock()
_written: dict[int, Stored] = {}  # by the id's number; those written longest ago first


def keep(written: Iterable[Stored]) -> None:
    """Remember jobs as they were just written and committed."""
    with _lock:
        for stored in written:
            number = stored.job.id.int
            _written.pop(number, None)
            if not stored.job.state.is_terminal:
                _written[number] = stored
        while len(_written) > MOST:
            del _written[next(iter(_written))]


def find(jobs: Sequence[Due]) -> list[tuple[Due, Stored]]:
    """Return each job: one that is remembered as it is, any other as its row is read.

    The caller holds the rows. What is gone is left out.
    """
    found: list[tuple[Due, Stored]] = []
    others: dict[int, Due] = {}
    with _lock:
        for each in jobs:
            stored = _written.get(each.number)
            if stored is None or stored.job.look != each.look or stored.job.seq != each.seq:
                others[each.number] = each
            else:
                found.append((each, stored))
    if others:
        ids = [UUID(int=number) for number in others]
        found += [
            (others[stored.job.id.int], stored)
            for stored in rows.read(Job.objects.filter(id__in=ids))
        ]
    return found
