"""Polls a second and worker core: the plain design, ours, and a bare aiohttp loop as the limit.

Saturated: more jobs fall due than a worker can look at. The polls are counted by the backend; a
poll costs the CPU time of the worker and all its processes. Lag, from due to done, is measured
apart, with so few jobs that the plain design keeps up.
"""

import os
import sys
import time
from collections import defaultdict

from bench import report
from bench.measuring import measure
from bench.processes import Child
from bench.stack import IN_FLIGHT, Side, Stack, stack

JOBS = 1_000
SECONDS = 0.1  # the interval: ten thousand polls a second are wanted
LAG_JOBS = 100
LAG_MANY_JOBS = 1_000
LAG_SECONDS = 1.0
WARM_UP = 1.5

Results = dict[str, dict[str, dict[str, float]]]


def run(*, quick: bool) -> Results:
    """Measure on SQLite, and on the PostgreSQL of DATABASE_URL; print, and return medians."""
    results: Results = {}
    databases: dict[str, str | None] = {"SQLite": None}
    if url := os.environ.get("DATABASE_URL", ""):
        databases["PostgreSQL"] = url
    for name, database_url in databases.items():
        with stack(database_url) as made:
            results[f"polling, {name}"] = _saturated(made, name, quick=quick)
            if not quick:
                results[f"lag, {name}"] = _lag(made, name)
    return results


def _saturated(made: Stack, name: str, *, quick: bool) -> dict[str, dict[str, float]]:
    window = 3.0 if quick else 6.0
    rounds: dict[str, list[report.Figures]] = defaultdict(list)
    for _ in range(1 if quick else 3):
        for side in Side:
            rounds[side].append(_side(made, side, window))
        rounds["bare"].append(_bare(made, window))
    sides = {side: report.medians(figures) for side, figures in rounds.items()}
    plain, ours, bare = (sides[side]["polls/s per core"] for side in ("plain", "ours", "bare"))
    sides["plain"]["ratio"], sides["ours"]["ratio"] = 1.0, ours / plain
    sides["ours"]["of bare"] = ours / bare
    print(report.table(f"Polling, saturated, {JOBS} jobs, {name}", sides))
    return sides


def _side(made: Stack, side: Side, window: float) -> dict[str, float]:
    made.seed(side, jobs=JOBS, seconds=SECONDS)
    with made.worker(side) as worker:
        figures = _watched(made, worker, window)
    looks, written = made.looks(), made.written(side)
    figures["written %"] = 100 * written / looks
    figures["a transaction"] = written / made.transactions() if side is Side.OURS else 1.0
    return figures


def _bare(made: Stack, window: float) -> dict[str, float]:
    words = ["-m", "bench.bare", made.backend_url, str(JOBS), str(IN_FLIGHT)]
    made.forget()
    with Child("bare", [sys.executable, *words], os.environ, made.folder) as child:
        return _watched(made, child, window)


def _watched(made: Stack, child: Child, window: float) -> dict[str, float]:
    child.wait_for(made.looks, "the first poll")
    time.sleep(WARM_UP)
    seen = measure(window, made.looks, {"worker": child, "backend": made.backend})
    return {
        "polls/s": seen.units / seen.seconds,
        "worker CPU %": seen.share("worker"),
        "polls/s per core": seen.per_core_second("worker"),
        "µs CPU/poll": seen.micros_per_unit("worker"),
        "backend CPU %": seen.share("backend"),
    }


def _lag(made: Stack, name: str) -> dict[str, dict[str, float]]:
    """How late a look is done. Ours is in the log; theirs shows in the time between two looks.

    A task comes back an interval after it is done, so what is beyond the interval from one request
    to the next is the lateness of a look and its duration.
    """
    sides: dict[str, dict[str, float]] = {}
    for side, jobs in ((Side.PLAIN, LAG_JOBS), (Side.OURS, LAG_JOBS), (Side.OURS, LAG_MANY_JOBS)):
        made.seed(side, jobs=jobs, seconds=LAG_SECONDS)
        with made.worker(side) as worker:
            worker.wait_for(made.looks, "the first poll")
            time.sleep(WARM_UP)
            made.forget()
            since = time.time()
            seen = measure(10.0, made.looks, {"worker": worker})
            gaps = made.gaps()
        if side is Side.OURS:
            late = made.lateness(LAG_SECONDS, since)
        else:
            late = [1e3 * (gap - LAG_SECONDS) for gap in gaps]
        p50, p99 = report.percentiles(late)
        sides[f"{side}, {jobs} jobs"] = {
            "polls/s": seen.units / seen.seconds,
            "wanted": jobs / LAG_SECONDS,
            "late p50 ms": p50,
            "late p99 ms": p99,
            "worker CPU %": seen.share("worker"),
        }
    print(report.table(f"Lag from due to done, each {LAG_SECONDS:g} s, {name}", sides))
    return sides
