"""What a watcher that is told nothing costs in memory: ours beside a bare WebSocket.

The bare one is an application that accepts and waits, on the same server with the same options.
What the first watchers bring along, such as imports and connections, does not count.
"""

import time
from collections import defaultdict

from bench import report
from bench.stack import Side, Stack, stack

FIRST = 200
WATCHERS = 3_000
SIDES = (Side.BARE, Side.OURS)
SETTLE_SECONDS = 3.0


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure the sides in turn; print, and return medians of the rounds."""
    results = {}
    with stack() as made:
        for title, jobs in (("a job each", WATCHERS), ("one job", 1))[: 1 if quick else None]:
            rounds: dict[str, list[report.Figures]] = defaultdict(list)
            for _ in range(1 if quick else 3):
                for side in SIDES:
                    rounds[side].append({"bytes/watcher": _held(made, side, jobs)})
            sides = {side: report.medians(figures) for side, figures in rounds.items()}
            for figures in sides.values():
                figures["ratio"] = figures["bytes/watcher"] / sides[Side.BARE]["bytes/watcher"]
            print(report.table(f"Memory of {WATCHERS} idle watchers, {title}", sides))
            results[f"idle, {title}"] = sides
    return results


def _held(made: Stack, side: Side, jobs: int) -> float:
    made.seed(side, jobs=jobs, seconds=1.0, polled=False)
    with made.web(side) as (web, port):
        held = []
        for count in (FIRST, WATCHERS):
            counter = made.folder / f"counter-{count}"
            counter.unlink(missing_ok=True)
            words = [str(port), side, str(made.ids), str(count), str(counter)]
            with made.tool(side, "watchers", "bench.watchers", *words) as watchers:
                watchers.wait_for(counter.exists, "all are connected", 120)
                time.sleep(SETTLE_SECONDS)
                held.append(web.memory_bytes())
    return (held[1] - held[0]) / (WATCHERS - FIRST)
