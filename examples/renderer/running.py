"""What a job that runs may do: report, log, compute in a process, wait in a thread."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from examples.renderer.job import Job, Status, advance, begin_step
from examples.renderer.pool import Pool
from examples.renderer.store import Store

Ps = ParamSpec("Ps")
T = TypeVar("T")


class RunningJob:
    """The `Run` of kinds/base.py; every change goes through `change`."""

    def __init__(
        self, job: Job, store: Store, pool: Pool, change: Callable[[Job, Status], None]
    ) -> None:
        self._job = job
        self._store = store
        self._pool = pool
        self._change = change
        self.work_folder.mkdir(exist_ok=True)

    @property
    def id(self) -> str:
        return self._job.spec.id

    @property
    def folder(self) -> Path:
        return self._store.folder(self.id)

    @property
    def work_folder(self) -> Path:
        return self._store.work_folder(self.id)

    @property
    def status(self) -> Status:
        return self._job.status

    def begin(self, step: str, message: str, *, progress: float | None = None) -> None:
        self._change(self._job, begin_step(self.status, step, message, progress))
        self.log(message)

    def report(
        self,
        message: str,
        *,
        progress: float | None = None,
        step: float | None = None,
        current: int | None = None,
        total: int | None = None,
    ) -> None:
        self._change(
            self._job,
            advance(
                self.status, message, progress=progress, step=step, current=current, total=total
            ),
        )

    def log(self, line: str) -> None:
        self._job.log_size = self._store.append_log(self.id, line)

    async def in_process(self, function: Callable[Ps, T], *args: Ps.args, **kwargs: Ps.kwargs) -> T:
        return await self._pool.run(function, *args, **kwargs)

    async def in_thread(self, function: Callable[Ps, T], *args: Ps.args, **kwargs: Ps.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)
