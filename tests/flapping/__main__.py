"""`python -m tests.flapping`: play it in full, and print what came of it; 1 where it failed."""

import argparse
import json
import random
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.flapping.database import running_postgres
from tests.flapping.play import Size, play


def main() -> int:
    """Play once, by the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.flapping", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--chaos", type=float, default=75.0, metavar="SECONDS")
    parser.add_argument("--down", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--longest", type=float, default=50.0, metavar="SECONDS", help="of a job")
    parser.add_argument("--postgresql", action="store_true", help="and kill it once")
    parser.add_argument("--log", type=Path, help="where to write what the processes said")
    given = parser.parse_args()
    size = Size(
        seed=given.seed, jobs=given.jobs, kills=given.kills, chaos_seconds=given.chaos,
        down_seconds=given.down, longest_job=given.longest,
    )  # fmt: skip
    print(f"seed {size.seed}")
    with running_postgres() if given.postgresql else nullcontext() as database:
        result = play(size, database)
    if given.log:
        given.log.write_text(result.log)
    print(json.dumps(result.figures, indent=2))
    print("\n".join(result.faults) or "no faults")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
