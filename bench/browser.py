"""The list of jobs in a real browser: 5,000 rows, 200 events a second.

The page, its modules and its styles are ours as they are; its server is a played one that says as
many events as the measurement asks for, over a real WebSocket. Told are the main thread's time as
a share of one core (Chromium's TaskDuration, in time of its thread: what other processes take does
not count), the frames that were left out, by the intervals between animation frames, and the heap
after a collection of garbage.
"""

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from playwright.async_api import CDPSession, Page, async_playwright

from bench import report
from bench.processes import free_port

ROWS = 5_000
PER_SECOND = 200
TOP_ROWS = 30
PAGE_SIZE = 200
STATIC = Path(__file__).resolve().parent.parent / "progrock" / "static"
CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-precise-memory-info"
).split()
COUNT_FRAMES = """
(seconds) => new Promise((resolve) => {
  let frames = 0, dropped = 0, longest = 0, last;
  const begin = performance.now();
  const step = (now) => {
    if (last !== undefined) {
      frames += 1;
      dropped += Math.max(Math.round((now - last) / (1000 / 60)) - 1, 0);
      longest = Math.max(longest, now - last);
    }
    last = now;
    if (window.scrollSpeed) scrollBy(0, window.scrollSpeed);
    if (now - begin < seconds * 1000) requestAnimationFrame(step);
    else resolve({ frames, dropped, longest });
  };
  requestAnimationFrame(step);
})
"""


@dataclass(slots=True)
class PlayedServer:
    """Serves the page, lists its jobs, and says events of them while `targets` names some."""

    page: str
    targets: Sequence[int] = ()
    jobs: list[dict[str, Any]] = field(default_factory=lambda: [_snapshot(i) for i in range(ROWS)])

    async def watch(self, request: web.Request) -> web.WebSocketResponse:
        """The WebSocket: answers the feed and each ping, and says events."""
        socket = web.WebSocketResponse(protocols=["progrock.v1"])
        await socket.prepare(request)
        user = {"name": None, "anonymous": True}
        await _send(socket, {"type": "hello", "connection": "c", "user": user, "heartbeat": 15})
        saying = asyncio.create_task(self._say(socket))
        try:
            async for message in socket:
                asked = orjson.loads(message.data)
                answer: dict[str, Any] = {"type": "pong", "id": asked.get("id")}
                if asked["action"] == "watch":
                    listed = {"jobs": self.jobs[::-1][:50], "next": "50"}
                    answer = {"type": "watching", "id": asked["id"], "feed": "jobs"} | listed
                await _send(socket, answer)
        finally:
            saying.cancel()
        return socket

    async def list_jobs(self, request: web.Request) -> web.Response:
        """`GET jobs`: the newest first; none has failed."""
        begin = int(request.query.get("cursor", 0))
        found = self.jobs[::-1] if "failed" not in request.query.getall("state", []) else []
        next_ = str(begin + PAGE_SIZE) if begin + PAGE_SIZE < len(found) else None
        page = {"jobs": found[begin : begin + PAGE_SIZE], "next": next_}
        return web.Response(body=orjson.dumps(page), content_type="application/json")

    async def _say(self, socket: web.WebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        begin, said = loop.time(), 0
        while True:
            await asyncio.sleep(0.02)
            if not self.targets:
                begin, said = loop.time(), 0
                continue
            while said < (loop.time() - begin) * PER_SECOND:
                said += 1
                await _send(socket, self._change(random.choice(self.targets)))

    def _change(self, index: int) -> dict[str, Any]:
        job = self.jobs[index]
        progress = min(job["progress"] + random.random(), 99.0)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        job |= {"seq": job["seq"] + 1, "progress": progress, "eta": 3.0 * (100 - progress)}
        job |= {"message": f"step {job['seq']} of many", "updated": now}
        names = "job seq state condition progress message eta complete".split()
        return {"type": "progress", "at": now} | {name: job[name] for name in names}


def run(*, quick: bool) -> dict[str, Any]:
    """Measure; print, and return the figures."""
    return asyncio.run(_run(seconds=8 if quick else 30, minutes=1 if quick else 10))


async def _run(*, seconds: float, minutes: int) -> dict[str, Any]:
    server = PlayedServer(_render())
    async with _open(server) as (page, session):
        everywhere = range(ROWS)
        top = range(ROWS - TOP_ROWS, ROWS)
        sides = {
            "no events": await _measure(page, session, seconds),
            f"{PER_SECOND}/s anywhere": await _under(server, everywhere, page, session, seconds),
            f"{PER_SECOND}/s in sight": await _under(server, top, page, session, seconds),
        }
        await page.evaluate("() => { window.scrollSpeed = 120; }")
        sides |= {"the same, scrolled": await _under(server, top, page, session, seconds)}
        await page.evaluate("() => { window.scrollSpeed = 0; scrollTo(0, 0); }")
        server.targets = everywhere
        heap = await _heaps(session, minutes)
    memory = {f"after {minute:g} min": {"heap, MB": size} for minute, size in heap.items()}
    print(report.table(f"The list in a browser, {ROWS:,} rows", sides))
    print(report.table(f"Its heap, {PER_SECOND} events a second", memory))
    return {"browser": sides, "browser heap": memory}


async def _under(
    server: PlayedServer, targets: Sequence[int], page: Page, session: CDPSession, seconds: float
) -> dict[str, float]:
    server.targets = targets
    try:
        return await _measure(page, session, seconds)
    finally:
        server.targets = ()


async def _measure(page: Page, session: CDPSession, seconds: float) -> dict[str, float]:
    begin, before = time.monotonic(), await _metrics(session)
    frames = await page.evaluate(COUNT_FRAMES, seconds)
    after = await _metrics(session)
    spent = time.monotonic() - begin

    def share(name: str) -> float:
        return 100 * (after[name] - before[name]) / spent

    return {
        "main thread, %": share("TaskDuration"),
        "scripts, %": share("ScriptDuration"),
        "style and layout, %": share("RecalcStyleDuration") + share("LayoutDuration"),
        "frames dropped, %": 100 * frames["dropped"] / (frames["dropped"] + frames["frames"]),
        "longest frame, ms": frames["longest"],
    }


async def _heaps(session: CDPSession, minutes: int) -> dict[float, float]:
    """Return the heap in MB at the start and after each tenth of the time."""
    found = {}
    for tenth in range(11):
        await session.send("HeapProfiler.collectGarbage")
        found[minutes * tenth / 10] = (await _metrics(session))["JSHeapUsedSize"] / 1e6
        if tenth < 10:
            await asyncio.sleep(minutes * 6)
    return found


async def _metrics(session: CDPSession) -> dict[str, float]:
    told = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in told["metrics"]}


@asynccontextmanager
async def _open(server: PlayedServer) -> AsyncIterator[tuple[Page, CDPSession]]:
    app = web.Application()
    app.router.add_get("/", lambda _: _html(server.page))
    app.router.add_get("/prog/", server.watch)
    app.router.add_get("/api/v1/jobs", server.list_jobs)
    app.router.add_static("/static", STATIC)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM)
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await page.goto(f"http://127.0.0.1:{port}/")
            await page.wait_for_selector(f'.row[aria-setsize="{ROWS}"]')
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable", {"timeDomain": "threadTicks"})
            yield page, session
            await browser.close()
    finally:
        await runner.cleanup()


async def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


async def _send(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    await socket.send_str(orjson.dumps(frame).decode())


def _render() -> str:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SECRET_KEY", "of a page that is only looked at")
    import django  # noqa: PLC0415  # reads the settings above

    django.setup()
    from django.template.loader import render_to_string  # noqa: PLC0415

    from progrock.dashboard.queries import Wanted  # noqa: PLC0415

    board = {"user": None, "backends": {"bench": "Bench"}, "jobs": []}
    return render_to_string("progrock/index.html", {"wanted": Wanted(), "board": board})


def _snapshot(index: int) -> dict[str, Any]:
    at = f"2026-11-21T{index // 3600:02}:{index // 60 % 60:02}:{index % 60:02}.000Z"
    nothing = "current total unit result error owner retry_of finished".split()
    return dict.fromkeys(nothing) | {
        "job": f"{index:08}",
        "seq": 1,
        "backend": "bench",
        "title": f"Job {index} of the bench",
        "state": "running",
        "condition": "ok",
        "complete": False,
        "progress": random.random() * 50,
        "message": "begins",
        "eta": 300.0,
        "eta_range": [200.0, 500.0],
        "steps": [],
        "params": {},
        "labels": ["bench"],
        "note": "",
        "pinned": False,
        "version": 1,
        "created": at,
        "started": at,
        "updated": at,
        "watchers": 1,
        "can": ["cancel", "edit", "comment", "share"],
    }
