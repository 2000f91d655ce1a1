"""Run ticks in this process, each with all jobs due, and tell what each part of them cost.

    python -m bench.ticks COUNT FILE

The parts are functions of the engine, wrapped here by name. Each has the thread's CPU time while it
is on top, without that of other parts which it calls. What the event loop's thread used beside them
is the requests and the sending of publications; the latter is then measured alone.
"""

import asyncio
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import orjson

from bench.stack import BACKEND_NAME

PARTS = {
    "claim": ("polling.tick.claim_due", "polling.staying.claim_due", "jobs.rows.read"),
    "build the request": ("backends.building.context_of", "backends.building.status_request"),
    "reading": ("backends.reading.read_poll",),
    "transition": ("jobs.transitions.advance",),
    "when to look again": ("polling.schedule.next_look",),
    "write jobs": ("jobs.rows.write",),
    "write events": ("jobs.log._append",),
    "begin, commit": ("jobs.log.record", "jobs.log._record_held"),
    "put together": (
        "polling.answers.record",
        "polling.staying.next_batch",
        "polling.staying._Stay._record",
        "jobs.log._apply",
    ),
    "publish": ("live.publishing.publish",),
    "re-arm": (
        "polling.lanes.arm",
        "polling.lanes.arm_next",
        "polling.lanes.begin",
        "polling.staying._Stay.leave",
        "jobs.dispatch.send_tick",
    ),
}


class Ledger:
    """CPU seconds by part, each thread's own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.on_loop = 0.0  # of which in the event loop's thread
        self.batches: list[Sequence[Any]] = []
        self.missing: list[str] = []
        self._local = threading.local()

    def wrap(self, part: str, path: str) -> None:
        """Put a timed function in the place of `progrock.PATH`; note one that is gone."""
        owner_name, _, name = path.rpartition(".")
        owner: Any = sys.modules.get(f"progrock.{owner_name}")
        if owner is None:  # a class
            module_name, _, class_name = owner_name.rpartition(".")
            owner = getattr(sys.modules.get(f"progrock.{module_name}"), class_name, None)
        inner = getattr(owner, name, None)
        if inner is None:
            self.missing.append(path)
        else:
            setattr(owner, name, self._timed(part, inner))

    def _timed(self, part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._local, "inside", 0.0)
            self._local.inside = 0.0
            start = time.thread_time()
            try:
                return inner(*args, **kwargs)
            finally:
                took = time.thread_time() - start
                own = took - self._local.inside
                self._local.inside = outer + took
                self.seconds[part] += own
                if threading.current_thread().name == "background-loop":
                    self.on_loop += own
                if part == "publish":
                    self.batches.append(args[0])

        return timed


def main() -> None:
    """Run with the words of the command line."""
    count, file = int(sys.argv[1]), Path(sys.argv[2])
    django.setup()
    import config  # noqa: F401, PLC0415 - the Celery application
    from progrock import background_loop, collector  # noqa: PLC0415
    from progrock.live import publishing  # noqa: PLC0415
    from progrock.models import Job, Lane  # noqa: PLC0415
    from progrock.polling import lanes, looks, tick  # noqa: PLC0415

    asked, ask = [0], looks.ask

    def count_asked(backend: Any, claims: Sequence[Any], *more: Any) -> None:
        asked[0] += len(claims)
        ask(backend, claims, *more)

    def run_once() -> int:
        before = asked[0]
        now = datetime.now(UTC)
        Job.objects.update(due_at=now)
        lanes.arm_now(BACKEND_NAME, 0, now)
        number = Lane.objects.get(backend=BACKEND_NAME, shard=0).tick
        start = time.process_time(), time.clock_gettime(loop_clock)
        tick.run_tick(BACKEND_NAME, 0, number)
        whole[0] += time.process_time() - start[0]
        whole[1] += time.clock_gettime(loop_clock) - start[1]
        return asked[0] - before

    whole = [0.0, 0.0]  # the process, and the event loop's thread
    looks.ask = count_asked
    loop_clock = background_loop.run(_own_clock(), 5)
    publish = publishing.publish
    run_once()  # connections and caches
    ledger = Ledger()
    for part, paths in PARTS.items():
        for path in paths:
            ledger.wrap(part, path)
    whole[:] = 0.0, 0.0
    collector.settle()
    polls = sum(run_once() for _ in range(count))

    micros = {part: 1e6 * ledger.seconds[part] / polls for part in PARTS}
    sending = time.clock_gettime(loop_clock)
    for batch in ledger.batches:
        publish(batch)
    background_loop.run(_settled(), 60)
    sending = 1e6 * (time.clock_gettime(loop_clock) - sending) / polls
    micros["publish"] += sending
    loop = 1e6 * (whole[1] - ledger.on_loop) / polls
    micros["request"] = loop - sending
    micros["whole"] = 1e6 * whole[0] / polls
    micros["the rest"] = 2 * micros["whole"] - sum(micros.values())
    order = [*PARTS, "request", "the rest", "whole"]
    result = {part: micros[part] for part in order}
    about = {"batches": len(ledger.batches) / count, "missing": ledger.missing}
    file.write_bytes(orjson.dumps({"parts": result, **about}))


async def _own_clock() -> int:
    return time.pthread_getcpuclockid(threading.get_ident())


async def _settled() -> None:
    """Wait until the publications that were submitted before are sent."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    while others := {task for task in others if not task.done()}:
        await asyncio.sleep(0.05)
        others = asyncio.all_tasks() - {asyncio.current_task()}


if __name__ == "__main__":
    main()
