"""What the contracts share: jobs in the log, threads that begin together, tasks in Redis."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import redis
import uuid_utils.compat as uuids
from django.db import connection, transaction

from progrock.backends import registry
from progrock.jobs import log
from progrock.jobs.changes import Change, JobError, Observation, PollFailed, Started
from progrock.jobs.log import Entry, Recorded
from progrock.jobs.states import JobErrorCode, State
from progrock.models import Event, Job

DEADLINE_SECONDS = 30.0


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def later(seconds: float) -> datetime:
    """Return the time after some seconds."""
    return now() + timedelta(seconds=seconds)


# --- jobs ----------------------------------------------------------------------------------------


def new_job(**fields: Any) -> Job:
    """Return a new, pending job, written by the log."""
    at = fields.get("created", now())
    usual = {"id": uuids.uuid7(), "backend": "plain", "title": "A job", "created": at}
    job = Job(**(usual | {"updated": at, "moved_at": at, "due_at": at} | fields))
    with transaction.atomic():
        log.create(job)
    return job


def running_job(**fields: Any) -> Job:
    """Return a job that its backend runs, due now, whose look is number 1."""
    job = new_job(**({"look": 1, "start_sent": now()} | fields))
    seen = Observation(look=job.look, state=State.RUNNING)
    begun = Started(look=job.look, operation="op", start={"status": 202}, observation=seen)
    record(job.id, begun)
    Job.objects.filter(id=job.id).update(look=1, interval=1.0, due_at=fields.get("due_at", now()))
    job.refresh_from_db()
    return job


def record(job: UUID, change: Change, at: datetime | None = None) -> Recorded:
    """Record one change."""
    (outcome,) = log.record([Entry(job=job, change=change)], registry.policy_of, at)
    return outcome


def seen(job: Job, **values: Any) -> Entry:
    """Return an entry: what the job's present look saw."""
    return Entry(job=job.id, change=Observation(look=job.look, **values), due=job.due_at)


def unanswered(job: Job, message: str = "no answer") -> Entry:
    """Return an entry: the job's present look got no answer."""
    error = JobError(code=JobErrorCode.BACKEND_UNREACHABLE, message=message)
    return Entry(job=job.id, change=PollFailed(look=job.look, error=error), due=job.due_at)


def frames_of(job: Job | UUID) -> list[dict[str, Any]]:
    """Return the frames of a job's kept events, in order."""
    events = Event.objects.filter(job_id=getattr(job, "id", job)).order_by("seq")
    return [json.loads(event.frame) for event in events]


def row_of(job: Job) -> dict[str, Any]:
    """Return a job's row as it is now."""
    return Job.objects.filter(id=job.id).values().get()


def check_numbering(job: Job) -> None:
    """Check that a job's events have no holes and end at the job's seq, with one complete."""
    events = Event.objects.filter(job_id=job.id).order_by("seq").values_list("seq", "type")
    seqs, types = [seq for seq, _ in events], [type_ for _, type_ in events]
    present = Job.objects.get(id=job.id)
    assert seqs == list(range(1, present.seq + 1))
    assert [frame["seq"] for frame in frames_of(job)] == seqs
    assert types.count("complete") == int(present.is_terminal)
    assert not present.is_terminal or types[-1] == "complete"


# --- threads -------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in threads that begin together; return what each gave. Raises what one raised."""
    barrier = threading.Barrier(len(calls))
    given: list[Any] = [None] * len(calls)
    raised: list[BaseException] = []

    def run(index: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(DEADLINE_SECONDS)
            given[index] = calls[index]()
        except BaseException as exc:  # noqa: BLE001 - raised again below
            raised.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if raised:
        raise raised[0]
    return given


# --- tasks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A Celery task in Redis. `eta` is when it may run, None: at once."""

    name: str
    args: list[Any]
    eta: datetime | None


class Tasks:
    """The queue of the worker, read and not consumed."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def all(self) -> list[Task]:
        """Return the tasks that wait, the first sent first."""
        messages = [json.loads(text) for text in self._client.lrange("progrock", 0, -1)]
        return [task_of(message) for message in reversed(messages)]

    def named(self, name: str) -> list[list[Any]]:
        """Return the arguments of each waiting task with a name, such as `start_job`."""
        return [task.args for task in self.all() if task.name.endswith("." + name)]

    def clear(self) -> None:
        """Lose all of them, as when Redis is emptied."""
        self._client.flushall()


def task_of(message: dict[str, Any]) -> Task:
    """Return a message of the queue as a task."""
    args, _, _ = json.loads(base64.b64decode(message["body"]))
    eta = message["headers"]["eta"]
    return Task(message["headers"]["task"], args, eta and datetime.fromisoformat(eta))
