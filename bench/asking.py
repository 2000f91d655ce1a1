"""Watchers a web core at two updates a second: celery-progress's polling, and our events.

A page with celery-progress asks for its task every half second; the view reads the task's state
from the result backend, here the same Redis. Ours are told of two events a second. The same server
and settings for both; how many watchers fill a core is told from the CPU time of some. Beside it is
what the view costs without any server, called as WSGI would call it: no server makes it cheaper.
"""

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

from bench import report
from bench.measuring import Window, measure
from bench.processes import received
from bench.processes import run as run_process
from bench.stack import Side, Stack, stack

PER_SECOND = 2.0
CLIENTS = 100  # of celery-progress: more would fill the core
WATCHERS = 1_000
CALLS = 3_000
TASK = "5d3bd1a8-40c4-4f4b-a5f6-2d9f8c3b0c1e"
POLLING, BARE_VIEW = "celery-progress", "celery-progress, no server"
SHAPES = {"ours, a job each": WATCHERS, "ours, one job": 1}


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure the sides in turn; print, and return medians of the rounds."""
    rounds: dict[str, list[report.Figures]] = defaultdict(list)
    window = 4.0 if quick else 8.0
    with stack() as made:
        for _ in range(1 if quick else 3):
            made.seed(Side.PLAIN, jobs=1, seconds=1.0, polled=False)
            rounds[BARE_VIEW].append(_figures(_view_alone(made)))
            rounds[POLLING].append(_figures(_asked(made, window)))
            for title, jobs in SHAPES.items():
                rounds[title].append(_figures(_told(made, jobs, window)))
    sides = {side: report.medians(figures) for side, figures in rounds.items()}
    for figures in sides.values():
        figures["ratio"] = figures["watchers/core"] / sides[POLLING]["watchers/core"]
    title = f"Watchers at {PER_SECOND:g} updates a second"
    print(report.table(title, sides))
    return {title: sides}


def _figures(seen: Window) -> report.Figures:
    micros = seen.micros_per_unit("web")
    return {
        "updates/s": seen.units / seen.seconds,
        "web CPU %": seen.share("web"),
        "µs CPU/update": micros,
        "watchers/core": 1e6 / micros / PER_SECOND,
    }


def _view_alone(made: Stack) -> Window:
    file = made.folder / "view.json"
    words = ["-m", "bench.plain.viewing", TASK, str(CALLS), str(file)]
    run_process("view", [sys.executable, *words], made.environ(Side.PLAIN), made.folder)
    seconds = json.loads(file.read_text())
    return Window(seconds, CALLS, {"web": seconds})


def _asked(made: Stack, window: float) -> Window:
    counter = _fresh(made)
    words = [str(CLIENTS), str(counter)]
    with (
        made.web(Side.PLAIN) as (web, port),
        made.tool(Side.PLAIN, "askers", "bench.askers", str(port), TASK, *words) as askers,
    ):
        askers.wait_for(lambda: received(counter) > 2 * CLIENTS, "the first answers")
        return measure(window, lambda: received(counter), {"web": web})


def _told(made: Stack, jobs: int, window: float) -> Window:
    made.seed(Side.OURS, jobs=jobs, seconds=1.0, polled=False)
    counter = _fresh(made)
    wanted, asked = os.pipe()
    words = [str(made.ids), str(WATCHERS), str(counter)]
    with (
        made.web(Side.OURS) as (web, port),
        made.tool(
            Side.OURS, "publisher", "bench.publisher", str(made.ids), Side.OURS, stdin=wanted
        ),
        made.tool(
            Side.OURS, "watchers", "bench.watchers", str(port), Side.OURS, *words
        ) as watchers,
    ):  # fmt: skip
        os.close(wanted)
        try:
            watchers.wait_for(counter.exists, "the watchers are there", 90)
            _publish(asked, 2.0)
            before = {"units": received(counter), "cpu": web.cpu_seconds(), "at": time.monotonic()}
            _publish(asked, window)
            return Window(
                time.monotonic() - before["at"],
                received(counter) - before["units"],
                {"web": web.cpu_seconds() - before["cpu"]},
            )
        finally:
            os.close(asked)


def _publish(pipe: int, seconds: float) -> None:
    """Have each job told of twice a second for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        os.write(pipe, b".")
        time.sleep(1 / PER_SECOND)


def _fresh(made: Stack) -> Path:
    counter = made.folder / "counter"
    counter.unlink(missing_ok=True)
    return counter
