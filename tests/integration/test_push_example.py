"""`examples/push.py`, a whole program that reports its own job, does what it promises."""

import subprocess
import sys

import httpx

from tests.conformance.connection import Connection
from tests.conformance.stack import Stack
from tests.integration.snapshots import end_of
from tests.launcher_process import ROOT

PROGRAM = ROOT / "examples" / "push.py"


def started(stack: Stack, rows: int, watcher: Connection) -> tuple["subprocess.Popen[str]", str]:
    """Start the program; return it and its job, once it has reported."""
    watcher.ask("watch", feed="jobs", filter={"backend": "push"})
    process = subprocess.Popen(
        [sys.executable, PROGRAM, stack.url, str(rows)], stdout=subprocess.PIPE, text=True
    )
    told = watcher.until(
        lambda frame: str(frame.get("message")).endswith(f" of {rows}"), "a report"
    )
    return process, told["job"]


def test_it_reports_its_rows_to_the_end(
    stack: Stack, api: httpx.Client, watcher: Connection
) -> None:
    process, job = started(stack, 30, watcher)

    assert process.wait(30) == 0
    end = end_of(api, job)
    assert (end["state"], end["result"]) == ("succeeded", {"rows": 30})
    assert (end["total"], end["unit"], end["title"]) == (30, "rows", "Nightly import")
    assert process.stdout is not None
    assert process.stdout.read().endswith("done\n")


def test_it_stops_when_its_job_is_cancelled(
    stack: Stack, api: httpx.Client, watcher: Connection
) -> None:
    process, job = started(stack, 100_000, watcher)

    assert api.post(f"jobs/{job}/cancel", json={}).status_code == 202

    assert process.wait(30) == 1
    assert end_of(api, job)["state"] == "cancelled"
