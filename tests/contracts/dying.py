"""A worker that is killed at an exact point: a process that forks, and the fork ends by SIGKILL.

    python -m tests.contracts.dying < orders, one JSON line each: {"call", "args", "point"}

Points are counted: the beginning, and after each SQL statement that writes, each commit, each task
that is handed to Celery and each request to a backend. To die before one is to die after the one
before it. For each order one line is printed: `killed` when the fork died at that point, `ended`
when it came to its end before. The forking process has one thread and holds no connection, so that
a fork is as good as a new process, and takes milliseconds.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any
from uuid import UUID

import celery
import django
import requests
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class Points:
    """Counts the points that are passed, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._numbers = itertools.count(1)

    def install(self) -> None:
        """Count from now on, in all threads of this process; now is the first point."""
        from progrock.backends.poller import Poller  # noqa: PLC0415 - needs Django

        connection_created.connect(self._watch, weak=False)
        for owner, name in (
            (BaseDatabaseWrapper, "_commit"),
            (celery.Celery, "send_task"),
            (requests.Session, "send"),
        ):
            setattr(owner, name, self._around(getattr(owner, name)))
        send = Poller.send

        async def sent(*args: Any) -> Any:
            given = await send(*args)
            self._pass()
            return given

        Poller.send = sent  # type: ignore[method-assign]
        self._pass()

    def _watch(self, connection: BaseDatabaseWrapper, **_: object) -> None:
        def run(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
            given = execute(sql, *args)
            if not sql.startswith(("SELECT", "BEGIN", "SAVEPOINT", "RELEASE")):
                self._pass()
            return given

        connection.execute_wrappers.append(run)

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            given = call(*args, **named)
            self._pass()
            return given

        return counted

    def _pass(self) -> None:
        if next(self._numbers) == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def calls() -> dict[str, Callable[..., Any]]:
    """Return what can be ordered, by name."""
    from progrock.identity import ANONYMOUS  # noqa: PLC0415 - needs Django
    from progrock.jobs import services  # noqa: PLC0415
    from progrock.jobs.reporting import reports  # noqa: PLC0415
    from progrock.polling import starting, stopping, sweeping, tick  # noqa: PLC0415
    from progrock.protocol.messages import Report, StartRequest  # noqa: PLC0415

    async def report(job: str, told: dict[str, Any]) -> None:
        await reports().take(ANONYMOUS, job, Report(**told))

    return {
        "start": lambda job: starting.start(UUID(job)),
        "cancel": lambda job: stopping.cancel(UUID(job)),
        "tick": tick.run_tick,
        "sweep": sweeping.sweep,
        "ask for a job": lambda told, key: services.start_job(ANONYMOUS, StartRequest(**told), key),
        "ask for a cancel": lambda job: services.cancel_job(ANONYMOUS, job),
        "report": lambda job, told: asyncio.run(report(job, told)),
    }


def carry_out(order: dict[str, Any]) -> str:
    """Fork, have the fork do as ordered, and return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            Points(order["point"]).install()
            calls()[order["call"]](*order["args"])
            code = 0
        except BaseException:  # noqa: BLE001 - the fork ends here, whatever it was
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    return "ended" if os.waitstatus_to_exitcode(status) == 0 else "failed"


def main() -> None:
    """Carry out the orders that come, until there are no more."""
    django.setup()
    calls()  # loads all that a fork needs
    for line in sys.stdin:
        print(carry_out(json.loads(line)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
