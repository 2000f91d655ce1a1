"""Watchers that come back all at once after a restart of the web server, and what they missed.

Each has an event of its job and has missed more. It connects, asks for what came after, and is done
when it has all of it: once, and in order.
"""

import asyncio
import sys
import time
from statistics import quantiles

import orjson
import websockets

from bench import report
from bench.processes import run as run_process
from bench.stack import Side, stack

WATCHERS = 1_000
MISSED = 20


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure one job with all watchers, and a job for each; print, and return figures."""
    results = {}
    with stack() as made:
        for title, jobs in (("one job", 1), ("a job each", WATCHERS))[: 1 if quick else None]:
            made.seed(Side.OURS, jobs=jobs, seconds=1.0, polled=False)
            words = ["-m", "bench.growing", str(made.ids), str(MISSED)]
            run_process("growing", [sys.executable, *words], made.environ(Side.OURS), made.folder)
            ids = orjson.loads(made.ids.read_bytes())
            with made.web(Side.OURS) as (web, port):
                before = web.cpu_seconds()
                seconds = asyncio.run(_resume(port, ids))
                cpu = web.cpu_seconds() - before
            figures = {
                "watchers": float(len(seconds)),
                "all caught up after, s": max(seconds),
                "p50, s": quantiles(seconds, n=2)[0],
                "web CPU, s": cpu,
            }
            sides = {"ours": figures}
            print(report.table(f"Resume, {WATCHERS} watchers of {title}, {MISSED} events", sides))
            results[f"resume, {title}"] = sides
    return results


async def _resume(port: int, ids: list[str]) -> list[float]:
    begin = time.monotonic()
    return await asyncio.gather(
        *(_watcher(port, ids[number % len(ids)], begin) for number in range(WATCHERS))
    )


async def _watcher(port: int, job: str, begin: float) -> float:
    address = f"ws://127.0.0.1:{port}/prog/"
    quiet = {"compression": None, "ping_interval": None, "open_timeout": 60}
    async with websockets.connect(address, **quiet) as socket:
        await socket.send(orjson.dumps({"action": "watch", "job": job, "after": 1}).decode())
        seqs: list[int] = []
        while len(seqs) < MISSED:
            frame = orjson.loads(await socket.recv())
            if frame["type"] not in {"hello", "watching", "heartbeat"}:
                seqs.append(frame["seq"])
        if seqs != list(range(2, MISSED + 2)):
            raise RuntimeError(f"wrong events: {seqs}")
        return time.monotonic() - begin
