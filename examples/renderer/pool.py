"""Worker processes for the heavy work, started when first needed, gone with the service.

Workers are spawned, not forked: the service has threads and an event loop that a fork would
copy in the middle of whatever they do. A worker ends itself the moment its parent is gone,
also when the parent was killed and could say nothing.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from examples.renderer.errors import WorkerLost

P = ParamSpec("P")
T = TypeVar("T")

NICENESS = 5
ATTEMPTS = 3


class Pool:
    """A process pool for one event loop."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._stopped = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in a worker.

        When cancelled, a call that has not begun is dropped, and one that has is waited for, so
        that "cancelled" means that nothing runs any more. Raises WorkerLost when the workers
        under this call died several times.
        """
        for _ in range(ATTEMPTS):
            executor = self._started()
            try:
                return await _result(executor.submit(function, *args, **kwargs))
            except BrokenProcessPool:
                if self._stopped:
                    raise
                # Every call in the pool fails with it; the first to notice makes a new one.
                if self._executor is executor:
                    self._executor = None
        raise WorkerLost(f"the worker process died {ATTEMPTS} times")

    def stop(self) -> None:
        """Kill the workers at once; calls still running fail with BrokenProcessPool."""
        self._stopped = True
        for process in multiprocessing.active_children():
            process.kill()
        if self._executor is not None:
            # Waited for, which is short now that its workers are dead: its thread must not close
            # the pipe by which Python wakes it at the exit while Python writes to that.
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_prepare_worker,
            )
        return self._executor


async def _result(future: Future[T]) -> T:
    waiter = asyncio.wrap_future(future)
    try:
        # Shielded, since cancelling the waiter would forget a call that a worker has begun.
        return await asyncio.shield(waiter)
    except asyncio.CancelledError:
        if not future.cancel():
            with contextlib.suppress(Exception):
                await waiter
        raise


def _prepare_worker() -> None:
    """Run once in each worker, before its first call."""
    # Ctrl-C reaches the whole process group; the service decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
