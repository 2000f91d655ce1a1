"""From the backend's reply to the client's frame, with worker, Redis, database and web server.

The reply's message holds the time at which the backend wrote it; the watcher reads it in the frame
(one machine, one monotonic clock). One job shows the way itself, twenty what they do to each other.
"""

import time
from collections import defaultdict

import orjson

from bench import report
from bench.processes import received
from bench.stack import BOTH, Side, Stack, stack

JOBS = (1, 20)
SECONDS = 0.25


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure both sides in turn; print, and return medians of the rounds."""
    results = {}
    with stack() as made:
        for jobs in JOBS[: 1 if quick else None]:
            rounds: dict[str, list[report.Figures]] = defaultdict(list)
            for _ in range(1 if quick else 2):
                for side in BOTH:
                    rounds[side].append(_watched(made, side, jobs, 3.0 if quick else 6.0))
            sides = {side: report.medians(figures) for side, figures in rounds.items()}
            for figures in sides.values():
                figures["ratio"] = figures["p50 ms"] / sides["plain"]["p50 ms"]
            title = f"Reply to frame, {jobs} job{'s' * (jobs > 1)}, each {SECONDS:g} s"
            print(report.table(title, sides))
            results[title] = sides
    return results


def _watched(made: Stack, side: Side, jobs: int, window: float) -> dict[str, float]:
    made.seed(side, jobs=jobs, seconds=SECONDS)
    counter, stamps = made.folder / "counter", made.folder / "stamps.json"
    counter.unlink(missing_ok=True)
    with made.web(side) as (_, port), made.worker(side):
        words = [str(port), side, str(made.ids), str(jobs), str(counter), "--stamps", str(stamps)]
        with made.tool(side, "watchers", "bench.watchers", *words) as watchers:
            watchers.wait_for(
                lambda: received(counter) > 2 * jobs,
                "the first frames",
                60,
            )
            time.sleep(window)
    p50, p99 = report.percentiles(orjson.loads(stamps.read_bytes()))
    return {"p50 ms": p50, "p99 ms": p99}
