"""Polls a second and worker core: the plain design, ours, and a bare aiohttp loop as the limit.

Saturated: more jobs fall due than a worker can look at. The polls are counted by the backend; a
poll costs the CPU time of the worker and all its processes. How many polls are done of those that
are wanted, and how late, is measured apart, with a backend at once and with one that takes 50 ms.
"""

import os
import sys
import time
from collections import defaultdict

from bench import report
from bench.measuring import measure
from bench.processes import Child, received
from bench.stack import IN_FLIGHT, POLLERS, Side, Stack, databases, stack

JOBS = 1_000
SECONDS = 0.1  # the interval: ten thousand polls a second are wanted
LAG_JOBS = 100
LAG_SECONDS = 1.0
HALF_AS_MANY_JOBS, MANY_JOBS = 5_000, 10_000
SLOW_JOBS = 2_000
SLOW_MS = 50.0
SLOW_IN_FLIGHT = 256
WATCHERS = (1, 1_000)
WARM_UP = 1.5

Figures = dict[str, float]
Results = dict[str, dict[str, Figures]]


def run(*, quick: bool) -> Results:
    """Measure on SQLite, and on the PostgreSQL of DATABASE_URL; print, and return medians."""
    results: Results = {}
    for name, database_url in databases().items():
        with stack(database_url) as made:
            results[f"polling, {name}"] = _saturated(made, name, quick=quick)
            if not quick:
                results[f"wanted, {name}"] = _wanted(made, name)
                results[f"watched, {name}"] = _watchers(made, name)
    return results


# --- saturated ----------------------------------------------------------------------------------


def _saturated(made: Stack, name: str, *, quick: bool) -> dict[str, Figures]:
    window = 3.0 if quick else 6.0
    rounds: dict[str, list[report.Figures]] = defaultdict(list)
    for _ in range(1 if quick else 3):
        for side in POLLERS:
            rounds[side].append(_side(made, side, window))
        made.behave(still=100)
        rounds["ours, unchanged"].append(_side(made, Side.OURS, window, is_written=False))
        made.behave()
        rounds["bare"].append(_bare(made, window))
    sides = {side: report.medians(figures) for side, figures in rounds.items()}
    plain, bare = (sides[side]["polls/s per core"] for side in ("plain", "bare"))
    for side, figures in sides.items():
        figures["ratio"] = figures["polls/s per core"] / plain
        if side != "bare":
            figures["of bare"] = figures["polls/s per core"] / bare
    print(report.table(f"Polling, saturated, {JOBS} jobs, {name}", sides))
    return sides


def _side(made: Stack, side: Side, window: float, *, is_written: bool = True) -> Figures:
    made.seed(side, jobs=JOBS, seconds=SECONDS)
    with made.worker(side) as worker:
        figures = watched(made, worker, window)
    if is_written:
        looks, written = made.looks(), made.written(side)
        figures["written %"] = 100 * written / looks
        if side.is_ours:
            figures["a transaction"] = written / made.transactions()
    return figures


def _bare(made: Stack, window: float) -> Figures:
    words = ["-m", "bench.bare", made.backend_url, str(JOBS), str(IN_FLIGHT)]
    made.forget()
    with Child("bare", [sys.executable, *words], os.environ, made.folder) as child:
        return watched(made, child, window)


def watched(made: Stack, child: Child, window: float, warm_up: float = WARM_UP) -> Figures:
    """Return what a worker did in a window, after a time to warm up."""
    child.wait_for(made.looks, "the first poll")
    time.sleep(warm_up)
    seen = measure(window, made.looks, {"worker": child, "backend": made.backend})
    return {
        "polls/s": seen.units / seen.seconds,
        "worker CPU %": seen.share("worker"),
        "polls/s per core": seen.per_core_second("worker"),
        "µs CPU/poll": seen.micros_per_unit("worker"),
        "backend CPU %": seen.share("backend"),
    }


# --- wanted -------------------------------------------------------------------------------------


def _wanted(made: Stack, name: str) -> dict[str, Figures]:
    """How many of the wanted polls are done, and how late.

    Ours is in the log, where replies change. A plain task comes back an interval after it is
    done, so what is beyond the interval from one request to the next is the lateness of a look and
    its duration; where no reply changes, ours is told in that way too.
    """
    sides: dict[str, Figures] = {}
    for latency, side, jobs, still in (
        (0.0, Side.PLAIN, LAG_JOBS, 0),
        (0.0, Side.OURS, LAG_JOBS, 0),
        (0.0, Side.THREADS, JOBS, 0),
        (0.0, Side.OURS, JOBS, 0),
        (0.0, Side.OURS, HALF_AS_MANY_JOBS, 0),
        (0.0, Side.OURS, MANY_JOBS, 0),
        (0.0, Side.OURS, MANY_JOBS, 50),
        (0.0, Side.OURS, MANY_JOBS, 100),
        (SLOW_MS, Side.PLAIN, LAG_JOBS, 0),
        (SLOW_MS, Side.THREADS, SLOW_JOBS, 0),
        (SLOW_MS, Side.OURS, SLOW_JOBS, 0),
    ):
        made.behave(latency_ms=latency, still=still)
        backend = f", {latency:g} ms" if latency else ""
        backend += f", {still} % unchanged" if still else ""
        sides[f"{side}, {jobs:,} jobs{backend}"] = _each_second(made, side, jobs, still)
    made.behave()
    print(report.table(f"Each job each {LAG_SECONDS:g} s, {name}", sides))
    return sides


def _each_second(made: Stack, side: Side, jobs: int, still: int) -> Figures:
    made.seed(side, jobs=jobs, seconds=LAG_SECONDS, in_flight=SLOW_IN_FLIGHT)
    with made.worker(side) as worker:
        worker.wait_for(made.looks, "the first poll")
        time.sleep(WARM_UP + 3 * LAG_SECONDS)
        made.forget()
        since = time.time()
        seen = measure(10.0, made.looks, {"worker": worker})
        gaps, looked_at = made.gaps(), made.looked_at()
    if side.is_ours and still < 100:
        late = made.lateness(LAG_SECONDS, since)
    else:
        late = [1e3 * (gap - LAG_SECONDS) for gap in gaps]
    p50, p99 = report.percentiles(late)
    wanted = jobs / LAG_SECONDS
    return {
        "polls/s": seen.units / seen.seconds,
        "of wanted": seen.units / seen.seconds / wanted,
        "late p50 ms": p50,
        "late p99 ms": p99,
        "without any": float(jobs - looked_at),
        "worker CPU %": seen.share("worker"),
        "µs CPU/poll": seen.micros_per_unit("worker"),
    }


# --- watchers -----------------------------------------------------------------------------------


def _watchers(made: Stack, name: str) -> dict[str, Figures]:
    """How many requests a job costs its backend, by how many watch it."""
    sides = {f"{watchers:,} watchers": _with(made, watchers) for watchers in WATCHERS}
    print(report.table(f"One job each {LAG_SECONDS:g} s, by its watchers, {name}", sides))
    return sides


def _with(made: Stack, watchers: int) -> Figures:
    made.seed(Side.OURS, jobs=1, seconds=LAG_SECONDS)
    counter = made.folder / "counter"
    counter.unlink(missing_ok=True)
    with made.web(Side.OURS) as (_, port), made.worker(Side.OURS) as worker:
        words = [str(port), Side.OURS, str(made.ids), str(watchers), str(counter)]
        with made.tool(Side.OURS, "watchers", "bench.watchers", *words) as tool:
            tool.wait_for(lambda: received(counter) > watchers, "the first frames", 60)
            frames = received(counter)
            seen = measure(10.0, made.looks, {"worker": worker})
            frames = received(counter) - frames
    rate = seen.units / seen.seconds
    return {"requests/s": rate, "a watcher": rate / watchers, "frames/s": frames / seen.seconds}
