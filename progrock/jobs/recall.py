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
_written: dict[UUID, Stored] = {}  # those written longest ago first


def keep(written: Iterable[Stored]) -> None:
    """Remember jobs as they were just written and committed."""
    with _lock:
        for stored in written:
            _written.pop(stored.job.id, None)
            if not stored.job.state.is_terminal:
                _written[stored.job.id] = stored
        while len(_written) > MOST:
            del _written[next(iter(_written))]


def find(jobs: Sequence[Due]) -> dict[UUID, Stored]:
    """Return the jobs by id: those remembered as they are, the others read from their rows.

    The caller holds the rows; a job that is gone is left out.
    """
    found: dict[UUID, Stored] = {}
    others: list[UUID] = []
    with _lock:
        for each in jobs:
            stored = _written.get(each.id)
            if stored is None or stored.job.look != each.look or stored.job.seq != each.seq:
                others.append(each.id)
            else:
                found[each.id] = stored
    if others:
        for stored in rows.read(Job.objects.filter(id__in=others)):
            found[stored.job.id] = stored
    return found
