"""What a backend that is to be left alone means for its jobs: polls, starts, and the way back."""

import random
from functools import partial

from progrock import clock
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.jobs import dispatch
from progrock.jobs.changes import Change, PutOff
from progrock.jobs.values import JobValue
from progrock.models import Job
from progrock.polling import breaker, circuit, claim, lanes
from progrock.polling.circuit import Circuit
from progrock.polling.lane_threads import hand_over
from progrock.polling.limits import NotNow

MOST_STARTS = 1_000  # sent again when a backend is back; the sweeper sends the rest
SPREAD_SECONDS = 1.0  # over which its jobs are polled then, at least


def instead_of_look(backend: Backend, job: JobValue, found: NotNow | Circuit) -> Change:
    """Return what it means for a job that it was not, or in vain, asked for."""
    if isinstance(found, NotNow):
        if found.circuit is None:
            return PutOff(look=job.look, until=found.until)
        found = found.circuit
    chance = random.random()  # noqa: S311 - jitter
    return circuit.answer(found, job, backend.policy, clock.now(), chance)


def instead_of_start(no: NotNow) -> PutOff:
    """Return what it means for a job that it was not started."""
    if no.circuit is not None:
        message = "The backend does not answer; the start waits until it does."
        return PutOff(until=no.until, is_unreachable=True, message=message)
    message = f"The backend wants to be left alone; the start waits until {no.until:%H:%M:%S} UTC."
    return PutOff(until=no.until, message=message)


def _take_up(backend: str, new: Circuit) -> None:
    """Have an open or closed circuit seen to, in a thread of the backend."""
    hand_over("outage", backend, partial(_tell_all if new.is_open else _poll_all, backend))


breaker.listen(_take_up)


def _tell_all(backend: str) -> None:
    """Have each job looked at now: it is told that its backend is unreachable."""
    now = clock.now()
    for shard in claim.hasten_all(backend, now):
        lanes.arm(backend, shard, now, now)


def _poll_all(backend: str) -> None:
    """Have each job polled now, spread over a second or what the backend allows; and the starts."""
    policy = registry.policy_of(backend)
    now = clock.now()
    for shard in claim.hasten_all(backend, now, policy.per_second, SPREAD_SECONDS):
        lanes.arm_next(backend, shard, clock.now())
    waiting = Job.objects.filter(
        backend=backend, due_at__gt=now, started=None, start_sent=None, state="pending"
    )
    ids = waiting.order_by("created").values_list("id", flat=True)[:MOST_STARTS]
    for place, id_ in enumerate(ids):
        dispatch.send_start(id_, place / policy.per_second)
