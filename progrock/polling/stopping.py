"""Tell backends to stop jobs: those that are to be cancelled, and those that we gave up.

`cancel_due_at` says when a job's backend is to be told next (`jobs.log` sets it). Whoever tells it
moves that time to the end of a lease first, and takes it away when the backend has answered. So a
worker that dies in between leaves it due, and the sweeper has it told again: a cancel is sent at
least once, and twice at the worst.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from progrock import clock
from progrock.backends import conversation, push, registry
from progrock.backends.errors import BackendError
from progrock.jobs import dispatch, log, rows
from progrock.jobs.changes import Ended, JobError
from progrock.jobs.states import JobErrorCode, State
from progrock.models import Job
from progrock.polling import lanes
from progrock.polling.claim import MARGIN, hasten
from progrock.polling.limits import NotNow, Turn, turn
from progrock.polling.starting import drive

logger = structlog.get_logger(__name__)
REQUESTS = 2  # at most: a challenged one is sent once more
AGAIN = timedelta(seconds=5)  # the first wait for a backend that could not be told
LONGEST_WAIT = timedelta(minutes=1)  # for a job that goes on meanwhile
GIVEN_UP_AFTER = timedelta(hours=1)  # since the end of the job
_NOT_STARTED = JobError(code=JobErrorCode.CANCELLED, message="Cancelled before it was started.")


def cancel(id_: UUID) -> None:
    """Tell the backend to stop a job, if that is due and nobody else does."""
    now = clock.now()
    row = Job.objects.filter(id=id_, cancel_due_at__lte=now).first()
    if row is None:
        return
    backend = registry.find(row.backend)
    if row.backend == push.NAME:  # the program is told by the answer to its next report
        _note(row, cancel_due_at=None, cancel_sent=now)
    elif row.start_sent is None:  # the backend never heard of it
        change = Ended(state=State.CANCELLED, error=_NOT_STARTED)
        log.record([log.Entry(job=id_, change=change)], registry.policy_of)
    elif row.started is None and not row.is_terminal:  # the start is under way; its answer
        _note(row, cancel_due_at=now + AGAIN)  # makes the cancel due at once
    elif backend is None:
        _put_off(row, now)
    else:
        try:
            with turn(backend, id_) as its_turn:
                # Leased only now: a lease must not run out in the queue.
                _cancel(id_, its_turn)
        except TimeoutError:
            logger.warning("a cancel waits for its turn", job=str(id_), backend=row.backend)
        except NotNow as no:
            _note(row, cancel_due_at=no.until)
            dispatch.send_cancel(id_, (no.until - clock.now()).total_seconds())


def _cancel(id_: UUID, its_turn: Turn) -> None:
    now, backend = clock.now(), its_turn.backend
    lease_ends = now + MARGIN + timedelta(seconds=REQUESTS * backend.policy.timeout)
    if not Job.objects.filter(id=id_, cancel_due_at__lte=now).update(cancel_due_at=lease_ends):
        return  # another one tells it, or it has ended
    row = Job.objects.get(id=id_)
    try:
        is_told = drive(conversation.cancel(backend, rows.value_of(row), row.params), its_turn)
        reason = "put off by the backend"
    except BackendError as exc:
        is_told, reason = False, str(exc)
        if exc.is_permanent:
            logger.warning("cancel cannot be built", job=str(id_), reason=reason)
            _note(row, cancel_due_at=None)
            return
    now = clock.now()
    if not is_told:
        logger.warning("cancel not sent", job=str(id_), backend=row.backend, reason=reason)
        _put_off(row, now)
        return
    _note(row, cancel_due_at=None, cancel_sent=now)
    soon = now + timedelta(seconds=backend.policy.min)
    if hasten(id_, soon):
        lanes.arm(row.backend, row.shard, soon, now)


def _note(row: Job, **columns: datetime | None) -> None:
    """Write what became of a cancel, unless it was asked for anew, or the job ended, meanwhile."""
    Job.objects.filter(id=row.id, cancel_due_at=row.cancel_due_at).update(**columns)


def _put_off(row: Job, now: datetime) -> None:
    """Have it tried again, ever more seldom; of a job that ended long ago never."""
    since = row.finished or row.cancel_requested or now
    wait = max(AGAIN, (now - since) / 2)
    if row.finished is None:
        wait = min(wait, LONGEST_WAIT)
    elif now - row.finished > GIVEN_UP_AFTER:
        logger.warning("cancel given up", job=str(row.id), backend=row.backend)
        _note(row, cancel_due_at=None)
        return
    _note(row, cancel_due_at=now + wait)
