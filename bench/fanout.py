"""Deliveries a second and web core: plain Channels, our hub, a bare ASGI application, mosquitto.

The first three run on the same server with the same options, and have their events from the same
Redis; mosquitto serves MQTT over WebSockets. All send the same frames. The watchers are one
lean process that counts; it lets a few rounds of events be on their way at a time, so that the web
process always has work and nothing piles up.
"""

import os
import time
from collections import defaultdict

from bench import report
from bench.measuring import Window, measure
from bench.processes import received
from bench.stack import SERVERS, Side, Stack, stack

CONNECTIONS = 1_000
MANY_JOBS = 1_000
WARM_UP = 1.0


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure both shapes, or the first; print, and return medians."""
    shapes = {
        f"one job, {CONNECTIONS} watchers": (1, CONNECTIONS),
        f"{MANY_JOBS} jobs, a watcher each": (MANY_JOBS, MANY_JOBS),
    }
    results = {}
    with stack() as made:
        for title, (jobs, connections) in list(shapes.items())[: 1 if quick else None]:
            rounds: dict[str, list[report.Figures]] = defaultdict(list)
            for _ in range(1 if quick else 3):
                for side in SERVERS:
                    seen = _fan_out(made, side, jobs, connections, 3.0 if quick else 5.0)
                    rounds[side].append(_figures(seen))
            sides = {side: report.medians(figures) for side, figures in rounds.items()}
            rate = {side: figures["deliveries/s per core"] for side, figures in sides.items()}
            for side, figures in sides.items():
                figures["ratio"] = rate[side] / rate["plain"]
                figures["of bare"] = rate[side] / rate["bare"]
                figures["of mosquitto"] = rate[side] / rate["mosquitto"]
            print(report.table(f"Fan-out, {title}", sides))
            results[f"fan-out, {title}"] = sides
    return results


def _figures(seen: Window) -> dict[str, float]:
    return {
        "deliveries/s": seen.units / seen.seconds,
        "web CPU %": seen.share("web"),
        "deliveries/s per core": seen.per_core_second("web"),
        "µs CPU/delivery": seen.micros_per_unit("web"),
        "watchers CPU %": seen.share("watchers"),
        "publisher CPU %": seen.share("publisher"),
    }


def _fan_out(made: Stack, side: Side, jobs: int, connections: int, window: float) -> Window:
    made.seed(side, jobs=jobs, seconds=1.0, polled=False)
    counter = made.folder / "counter"
    counter.unlink(missing_ok=True)
    wanted, asked = os.pipe()
    with (
        made.web(side) as (web, port),
        made.tool(
            side, "publisher", "bench.publisher", str(made.ids), side, stdin=wanted
        ) as publisher,
        made.tool(
            side, "watchers", "bench.watchers",
            str(port), side, str(made.ids), str(connections), str(counter),
            "--publish", str(asked), pass_fds=(asked,),
        ) as watchers,
    ):  # fmt: skip
        os.close(wanted)
        os.close(asked)
        watchers.wait_for(
            lambda: received(counter) > connections, f"the first deliveries of {side}", 90
        )
        time.sleep(WARM_UP)
        return measure(
            window,
            lambda: received(counter),
            {"web": web, "watchers": watchers, "publisher": publisher},
        )
