"""One asyncio loop in a thread of its own, for synchronous code that needs asynchronous clients.

Celery tasks run in threads; the connections to backends and to the channel layer belong to this
loop, and so live as long as the process and not as long as a task.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner_pid = 0
_thread: threading.Thread | None = None
STOP_SECONDS = 2.0


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the loop and return its future."""
    return asyncio.run_coroutine_threadsafe(coroutine, _running_loop())


def run(coroutine: Coroutine[Any, Any, T], timeout_seconds: float) -> T:
    """Run a coroutine on the loop and wait. Raises TimeoutError, and then cancels it."""
    future = submit(coroutine)
    try:
        return future.result(timeout_seconds)
    except TimeoutError:
        future.cancel()
        raise


def stop() -> None:
    """End the loop and its thread, at the end of the process."""
    if _loop is not None and _thread is not None and _owner_pid == os.getpid():
        _loop.call_soon_threadsafe(_loop.stop)
        _thread.join(STOP_SECONDS)


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop, _owner_pid, _thread  # noqa: PLW0603 - one loop per process, made on first use
    with _lock:
        if _loop is None or _owner_pid != os.getpid():  # a forked child needs its own
            _loop = _new_loop()
            _owner_pid = os.getpid()
            _thread = threading.Thread(
                target=_loop.run_forever, name="background-loop", daemon=True
            )
            _thread.start()
        return _loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
