"""How the cost of a poll grows with the jobs that are followed: as many polls, of more jobs."""

from bench import report
from bench.polling import Figures, watched
from bench.stack import Side, databases, stack

JOBS = (1_000, 5_000, 20_000)
PER_SECOND = 2_000  # polls: each job's interval is longer the more there are


def run(*, quick: bool) -> dict[str, dict[str, Figures]]:
    """Measure on SQLite, and on the PostgreSQL of DATABASE_URL; print, and return the figures."""
    return {
        f"scale, {name}": _measured(name, database_url, quick=quick)
        for name, database_url in databases().items()
    }


def _measured(name: str, database_url: str | None, *, quick: bool) -> dict[str, Figures]:
    sides: dict[str, Figures] = {}
    with stack(database_url) as made:
        for jobs in JOBS[:2] if quick else JOBS:
            seconds = jobs / PER_SECOND
            made.seed(Side.OURS, jobs=jobs, seconds=seconds)
            with made.worker(Side.OURS) as worker:
                # Once round, so that the worker knows them all.
                figures = watched(made, worker, max(seconds, 5.0), warm_up=seconds + 2.0)
            first = next(iter(sides.values()), figures)
            figures["ratio"] = figures["µs CPU/poll"] / first["µs CPU/poll"]
            sides[f"{jobs:,} jobs"] = figures
    print(report.table(f"Growth, {PER_SECOND:,} polls a second, {name}", sides))
    return sides
