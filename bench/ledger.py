"""Where a poll's microseconds go: CPU time of ticks that stay with their lane, part by part.

Ticks run in a process of their own, without Celery's worker around them, so that each part can be
timed; what the worker adds shows in the difference to `polling`.
"""

import orjson

from bench import report
from bench.stack import Side, stack

JOBS = 1_000


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure; print, and return the means over the ticks."""
    with stack() as made:
        made.seed(Side.OURS, jobs=JOBS, seconds=1.0)
        file = made.folder / "ledger.json"
        words = [str(1 if quick else 3), str(file)]  # of ten seconds each
        with made.tool(Side.OURS, "ticks", "bench.ticks", *words) as ticks:
            ticks.wait(180)
        found = orjson.loads(file.read_bytes())
    parts: dict[str, float] = found["parts"]
    whole = parts["whole"]
    sides = {
        name: {"µs CPU/poll": micros, "%": 100 * micros / whole} for name, micros in parts.items()
    }
    title = f"Ledger of a tick of {JOBS} jobs a second, {found['batches']:.0f} transactions, SQLite"
    print(report.table(title, sides))
    if found["missing"]:
        print(f"No longer there, and counted with their callers: {', '.join(found['missing'])}")
    return {"ledger": sides}
