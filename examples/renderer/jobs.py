"""The jobs of the service: taken in, run, cancelled, and taken up again after a restart.

Everything here runs on one event loop, and nothing awaits between looking and changing, so
there is nothing to lock. `Jobs` alone writes to a job.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from examples.renderer.errors import (
    BadParams,
    JobFailed,
    KeyReused,
    NotCancellable,
    QueueFull,
    StorageFailed,
    UnknownJob,
    UnknownKind,
    WorkerLost,
)
from examples.renderer.job import (
    Failure,
    Job,
    JsonObject,
    Spec,
    State,
    Status,
    mark_cancelled,
    mark_failed,
    mark_succeeded,
    new_status,
)
from examples.renderer.kinds.base import Kind
from examples.renderer.params import plain, read_params, show
from examples.renderer.pool import Pool
from examples.renderer.running import RunningJob
from examples.renderer.store import Store

log = logging.getLogger(__name__)

MOST_UNFINISHED = 200
MOST_FINISHED = 500
KEEP_SECONDS = 24 * 3600
SAVE_EVERY_SECONDS = 1.0


class Jobs:
    """All jobs of all kinds. `resume` first, `stop` at the end."""

    def __init__(self, kinds: Iterable[Kind[Any]], store: Store, pool: Pool) -> None:
        self._kinds: dict[str, Kind[Any]] = {kind.name: kind for kind in kinds}
        self._store = store
        self._pool = pool
        self._places = {
            name: asyncio.Semaphore(kind.running_limit) for name, kind in self._kinds.items()
        }
        self._jobs: dict[str, Job] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._tasks: dict[str, asyncio.Task[tuple[JsonObject, str]]] = {}
        # By the time of their end, oldest first.
        self._finished: dict[str, Job] = {}
        self._stopping = False

    @property
    def unfinished(self) -> int:
        """How many jobs wait or run."""
        return len(self._tasks)

    def resume(self) -> None:
        """Take up the jobs on disk: the ended are kept, the others go on."""
        jobs = self._store.load()
        for job in jobs:
            self._remember(job)
        ended = [job for job in jobs if job.status.state.is_terminal]
        for job in sorted(ended, key=lambda job: job.finished or job.spec.created):
            self._store.drop_work(job.spec.id)
            self._finished[job.spec.id] = job
        self._prune()
        # Those that ran go first, so that they find their places free again.
        unfinished = [job for job in jobs if not job.status.state.is_terminal]
        for job in sorted(unfinished, key=lambda job: job.status.state is State.QUEUED):
            if job.status.state is State.CANCELLING:
                self._end(job, mark_cancelled(job.status))
            else:
                self._launch(job)
        if self._tasks:
            log.info("%d unfinished jobs go on", len(self._tasks))

    def submit(
        self, kind_name: str, given: Mapping[str, object], key: str | None
    ) -> tuple[Job, bool]:
        """Take in a job, or find the one that has this key; the second value says if it is new.

        Raises UnknownKind, BadParams, KeyReused, QueueFull, StorageFailed.
        """
        kind = self._kind(kind_name)
        params = read_params(kind.params, given)
        if problems := kind.check(params):
            raise BadParams(problems)
        self._prune()
        known = self._jobs.get(self._keys.get((kind_name, key), "")) if key else None
        if known is not None:
            if known.spec.params != plain(params):
                raise KeyReused(
                    f"this Idempotency-Key belongs to job {known.spec.id}, "
                    "which has other parameters"
                )
            return known, False
        if len(self._tasks) >= MOST_UNFINISHED:
            raise QueueFull(f"{MOST_UNFINISHED} jobs are unfinished: try again later")
        job = Job(
            spec=Spec(
                id=secrets.token_hex(8),
                kind=kind_name,
                params=plain(params),
                key=key,
                created=time.time(),
            ),
            status=new_status(kind.steps, kind.unit),
        )
        try:
            self._store.add(job)
        except OSError as error:
            raise StorageFailed(f"the job cannot be stored: {error.strerror}") from error
        self._remember(job)
        self._launch(job)
        return job, True

    def find(self, kind_name: str, job_id: str) -> Job:
        """The job; raises UnknownKind or UnknownJob."""
        self._kind(kind_name)
        self._prune()
        job = self._jobs.get(job_id)
        if job is None or job.spec.kind != kind_name:
            raise UnknownJob(f"there is no {kind_name} job {show(job_id)} here")
        return job

    def cancel(self, job: Job) -> None:
        """Ask the job to stop; asking again changes nothing. Raises NotCancellable."""
        if job.status.state.is_terminal:
            raise NotCancellable(f"the job has ended: it is {job.status.state}")
        if job.status.state is not State.CANCELLING:
            self._change(job, replace(job.status, state=State.CANCELLING, message="cancelling"))
            self._tasks[job.spec.id].cancel()

    async def stop(self) -> None:
        """End everything at once; unfinished jobs are written down and go on at the next start."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        self._pool.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        for job_id in self._tasks:
            self._save(self._jobs[job_id])

    def _kind(self, name: str) -> Kind[Any]:
        try:
            return self._kinds[name]
        except KeyError:
            raise UnknownKind(f"there are no jobs of the kind {show(name)} here") from None

    def _remember(self, job: Job) -> None:
        self._jobs[job.spec.id] = job
        if job.spec.key is not None:
            self._keys[job.spec.kind, job.spec.key] = job.spec.id

    def _launch(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job), name=f"{job.spec.kind} {job.spec.id}")
        self._tasks[job.spec.id] = task
        # In a callback, since a task that is cancelled before its first step never runs at all.
        task.add_done_callback(lambda task: self._settle(job, task))

    async def _run(self, job: Job) -> tuple[JsonObject, str]:
        kind = self._kind(job.spec.kind)
        async with self._places[kind.name]:
            if job.status.state is State.QUEUED:
                self._change(job, replace(job.status, state=State.RUNNING, message="starting"))
            running = RunningJob(job, self._store, self._pool, self._change)
            return await kind.run(read_params(kind.params, job.spec.params), running)

    def _settle(self, job: Job, task: "asyncio.Task[tuple[JsonObject, str]]") -> None:
        """Write down how the job ended, unless only the service ends."""
        if self._stopping or (task.cancelled() and job.status.state is not State.CANCELLING):
            return
        del self._tasks[job.spec.id]
        if task.cancelled():
            self._end(job, mark_cancelled(job.status))
        elif error := task.exception():
            self._end(job, mark_failed(job.status, _failure(error)))
        else:
            result, message = task.result()
            self._end(job, mark_succeeded(job.status, result, message))

    def _end(self, job: Job, status: Status) -> None:
        job.finished = time.time()
        self._change(job, status)
        self._store.drop_work(job.spec.id)
        self._finished[job.spec.id] = job
        seconds = job.finished - job.spec.created
        log.info(
            "%s %s %s after %.1f s: %s",
            job.spec.kind, job.spec.id, status.state, seconds, status.message,
        )  # fmt: skip

    def _change(self, job: Job, status: Status) -> None:
        """Set the status; on disk at once when the state changes, else about once a second."""
        is_urgent = status.state is not job.status.state
        job.status = status
        if is_urgent or time.monotonic() - job.saved_at >= SAVE_EVERY_SECONDS:
            self._save(job)

    def _save(self, job: Job) -> None:
        try:
            self._store.save(job)
        except OSError as error:
            # The job itself can go on; what is lost is how far it was, should we be stopped.
            log.warning("the status of job %s cannot be stored: %s", job.spec.id, error)

    def _prune(self) -> None:
        """Forget the ended jobs that are too many or too old."""
        oldest_kept = time.time() - KEEP_SECONDS
        while self._finished:
            job_id, job = next(iter(self._finished.items()))
            is_old = (job.finished or job.spec.created) < oldest_kept
            if not is_old and len(self._finished) <= MOST_FINISHED:
                return
            del self._finished[job_id], self._jobs[job_id]
            if job.spec.key is not None:
                del self._keys[job.spec.kind, job.spec.key]
            self._store.remove(job_id)


def _failure(error: BaseException) -> Failure:
    match error:
        case JobFailed():
            return Failure(code=error.code, message=error.message)
        case WorkerLost():
            return Failure(code="worker_lost", message=str(error))
        case BadParams():
            # The rules have become stricter since the job was accepted by an earlier version.
            return Failure(code=error.code, message=error.message)
        case OSError():
            return Failure(code="storage_failed", message=f"the disk refused: {error.strerror}")
        case _:
            log.error("a job broke", exc_info=error)
            return Failure(code="internal_error", message=f"the job broke: {error!r}")
