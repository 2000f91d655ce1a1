"""Watchers that come back all at once when the web server was killed, and what they missed.

Each follows a job. The server is killed, their jobs get more events, and another server begins on
the same port. Each connects as soon as it can, asks for what came after its last event, and is done
when it has all of it: once, and in order.
"""

import asyncio
import sys
import time
from contextlib import ExitStack
from statistics import quantiles

import orjson
import websockets

from bench import report
from bench.processes import free_port
from bench.processes import run as run_process
from bench.stack import Side, Stack, stack

WATCHERS = 1_000
MISSED = 20
RETRY_SECONDS = 0.2  # that a watcher waits between two attempts
DEADLINE_SECONDS = 120.0
OPTIONS = {"compression": None, "ping_interval": None, "open_timeout": 60}


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure one job with all watchers, and a job for each; print, and return figures."""
    results = {}
    with stack() as made:
        for title, jobs in (("one job", 1), ("a job each", WATCHERS))[: 1 if quick else None]:
            made.seed(Side.OURS, jobs=jobs, seconds=1.0, polled=False)
            sides = {"ours": asyncio.run(_restarted(made))}
            print(report.table(f"Resume, {WATCHERS} watchers of {title}, {MISSED} events", sides))
            results[f"resume, {title}"] = sides
    return results


async def _restarted(made: Stack) -> dict[str, float]:
    port, ids = free_port(), orjson.loads(made.ids.read_bytes())
    is_here = asyncio.Semaphore(0)
    with made.web(Side.OURS, port) as (web, _):
        watchers = [
            asyncio.create_task(_watcher(port, ids[number % len(ids)], is_here))
            for number in range(WATCHERS)
        ]
        async with asyncio.timeout(DEADLINE_SECONDS):
            for _ in watchers:
                await is_here.acquire()
        web.kill()
    await asyncio.to_thread(_grow, made)
    with ExitStack() as running:  # the watchers try on while it starts
        web, _ = await asyncio.to_thread(running.enter_context, made.web(Side.OURS, port))
        listens = time.monotonic()
        async with asyncio.timeout(DEADLINE_SECONDS):
            ends = [end - listens for end in await asyncio.gather(*watchers)]
        return {
            "watchers": float(len(ends)),
            "all caught up after, s": max(ends),
            "p50, s": quantiles(ends, n=2)[0],
            "web CPU, s": web.cpu_seconds(),
        }


def _grow(made: Stack) -> None:
    words = ["-m", "bench.growing", str(made.ids), str(MISSED)]
    run_process("growing", [sys.executable, *words], made.environ(Side.OURS), made.folder)


async def _watcher(port: int, job: str, is_here: asyncio.Semaphore) -> float:
    """Follow a job through the restart; return when all was there. Raises RuntimeError."""
    seqs = [1]
    while True:
        try:
            address = f"ws://127.0.0.1:{port}/prog/"
            async with websockets.connect(address, **OPTIONS) as socket:
                asked = {"action": "watch", "job": job, "after": seqs[-1]}
                await socket.send(orjson.dumps(asked).decode())
                while len(seqs) <= MISSED:
                    frame = orjson.loads(await socket.recv())
                    if frame["type"] == "watching":
                        is_here.release()
                    elif frame["type"] not in {"hello", "heartbeat", "presence"}:
                        seqs.append(frame["seq"])
                if seqs != list(range(1, MISSED + 2)):
                    raise RuntimeError(f"wrong events: {seqs}")
                return time.monotonic()
        except (OSError, websockets.WebSocketException):
            await asyncio.sleep(RETRY_SECONDS)
