"""An import of rows that breaks on a bad one: what a failing job looks like from outside."""

import asyncio
import csv
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated

from examples.renderer.errors import JobFailed
from examples.renderer.job import JsonObject
from examples.renderer.kinds.base import Run
from examples.renderer.params import Number, OrNull, Whole

COLUMNS = 9
COLUMNS_OF_A_CORRUPT_ROW = 7
LARGEST_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class FlakyParams:
    """`fail_at` is how far it gets, in percent; null lets it succeed."""

    rows: Annotated[int, Whole(1, 10_000_000)] = 10_000
    fail_at: Annotated[float | None, OrNull(Number(0, 100))] = 50.0
    pause_ms: Annotated[int, Whole(0, 5000)] = 60
    """Milliseconds to rest after each hundredth of the rows."""


class Flaky:
    """The kind `flaky`."""

    name = "flaky"
    params = FlakyParams
    steps = ("import rows",)
    unit = "rows"
    running_limit = 64

    def check(self, params: FlakyParams) -> list[str]:
        return []

    async def run(self, params: FlakyParams, run: Run) -> tuple[JsonObject, str]:
        corrupt = corrupt_row(params.rows, params.fail_at)
        size = min(max(1, params.rows // 100), LARGEST_CHUNK)
        done = run.status.current or 0
        run.begin("import rows", "reading rows")
        while done < params.rows:
            lines = export(done + 1, min(done + size, params.rows), corrupt)
            good = count_good_rows(lines)
            done += good
            percent = 100 * done / params.rows
            run.report(
                f"row {done:,} of {params.rows:,}",
                progress=percent,
                step=percent,
                current=done,
                total=params.rows,
            )
            if good < len(lines):
                raise JobFailed("corrupt_row", describe_row(done + 1, lines[good]))
            await asyncio.sleep(params.pause_ms / 1000)
        return {"rows": params.rows}, f"{params.rows:,} rows imported"


def corrupt_row(rows: int, fail_at: float | None) -> int | None:
    """The number of the bad row, counted from 1; None when all are good."""
    return None if fail_at is None else max(1, round(rows * fail_at / 100))


def export(first: int, last: int, corrupt: int | None) -> list[str]:
    """The lines `first` to `last` of a made-up export, the corrupt one too short."""
    return [
        ",".join(
            f"r{number}c{column}"
            for column in range(COLUMNS_OF_A_CORRUPT_ROW if number == corrupt else COLUMNS)
        )
        for number in range(first, last + 1)
    ]


def count_good_rows(lines: list[str]) -> int:
    """How many rows there are before the first one that lacks columns."""
    return sum(1 for _ in takewhile(lambda row: len(row) == COLUMNS, csv.reader(lines)))


def describe_row(number: int, line: str) -> str:
    """What is wrong with the row, for a person."""
    columns = len(next(csv.reader([line])))
    return f"row {number:,} has {columns} columns where {COLUMNS} are expected"
