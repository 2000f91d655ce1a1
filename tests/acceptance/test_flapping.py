"""Jobs on a backend that flaps, while worker, Redis and database are killed: each ends once.

The seed is printed; FLAPPING_SEED sets it. FLAPPING_JOBS, FLAPPING_KILLS, FLAPPING_SECONDS (how
long it goes on) and FLAPPING_DOWN (how long the backend is away at a time, in seconds) set the
size; `python -m tests.flapping` plays it in full.
"""

import json
import os
import random
from collections.abc import Iterator

import pytest

from tests.conftest import lacking
from tests.flapping.database import Postgres, running_postgres
from tests.flapping.play import Size, play
from tests.postgres_process import PartMissingError


def size_of(jobs: int, kills: int, seconds: float) -> Size:
    """Return a size, as far as the environment does not say another one."""
    given = os.environ.get
    return Size(
        seed=int(given("FLAPPING_SEED", random.randrange(10**6))),
        jobs=int(given("FLAPPING_JOBS", jobs)),
        kills=int(given("FLAPPING_KILLS", kills)),
        chaos_seconds=float(given("FLAPPING_SECONDS", seconds)),
        down_seconds=float(given("FLAPPING_DOWN", 3.0)),
        longest_job=float(given("FLAPPING_SECONDS", seconds)) * 0.6,
    )


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    try:
        with running_postgres() as database:
            yield database
    except PartMissingError as missing:
        lacking(str(missing))


def test_every_job_ends_once_whatever_is_killed() -> None:
    size = size_of(jobs=200, kills=10, seconds=22.0)
    print(f"FLAPPING_SEED={size.seed}")  # noqa: T201 - shown when it fails
    result = play(size)
    print(json.dumps(result.figures, indent=2))  # noqa: T201
    assert result.faults == []
    assert result.figures["kills"] == {
        "worker": size.kills - size.kills // 2,
        "redis": size.kills // 2,
    }


def test_every_job_ends_once_though_postgresql_is_killed_too(postgres: Postgres) -> None:
    size = size_of(jobs=60, kills=4, seconds=12.0)
    print(f"FLAPPING_SEED={size.seed}")  # noqa: T201
    result = play(size, postgres)
    print(json.dumps(result.figures, indent=2))  # noqa: T201
    assert result.faults == []
