"""Each backend has threads of its own, so that one that hangs holds up no other.

A Celery task hands its work over and ends at once. What is handed over here may be lost with the
process, like a task: the sweeper finds it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog
from django.db import close_old_connections

from progrock.failures import note

logger = structlog.get_logger(__name__)
THREADS = 8  # of a backend for one kind of work
MOST_WAITING = 2_000  # handed over and not yet begun, of a backend and kind

_lock = threading.Lock()
_pools: dict[str, ThreadPoolExecutor] = {}
_waiting: dict[str, set[Future[None]]] = {}


def hand_over(kind: str, backend: str, work: Callable[[], object]) -> bool:
    """Have work done soon in a thread of the backend; False when too much waits already."""
    name = f"{kind} {backend}"
    with _lock:
        waiting = _waiting.setdefault(name, set())
        if len(waiting) >= MOST_WAITING:
            logger.warning("too much waits; the sweeper finds it later", backend=backend, kind=kind)
            return False
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        future: Future[None] = _pools[name].submit(_do, work)
        waiting.add(future)
    future.add_done_callback(lambda done: _forget(name, done))
    return True


def finish(seconds: float) -> None:
    """Wait for what has begun, at the end of the process; drop what has not."""
    with _lock:
        pools, futures = list(_pools.values()), set().union(*_waiting.values())
        _pools.clear()
    until = time.monotonic() + seconds
    for pool in pools:
        pool.shutdown(wait=False, cancel_futures=True)
    begun = [future for future in futures if not future.cancelled()]
    wait(begun, timeout=max(0.0, until - time.monotonic()))


def _do(work: Callable[[], object]) -> None:
    close_old_connections()
    try:
        work()
    except Exception as exc:  # noqa: BLE001 - none may end the thread
        note(exc, "work for a backend failed; the sweeper tries again")
    finally:
        close_old_connections()  # a pooled connection goes back to its pool


def _forget(name: str, done: Future[None]) -> None:
    with _lock:
        _waiting[name].discard(done)
