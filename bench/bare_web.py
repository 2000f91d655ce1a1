"""The limit of a server: a bare ASGI application that hands on what Redis publishes.

    BARE_REDIS=unix://… uvicorn bench.bare_web:application

`/ws/jobs/ID/` follows a job. A message on the Redis channel `bare` is a JSON list of [job, frame].
There are no rights, no rooms, no log and no bounds: what is left is the server and its sockets.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import redis.asyncio

CHANNEL = "bare"
Send = Callable[[dict[str, Any]], Awaitable[None]]

_watchers: dict[str, set[Send]] = defaultdict(set)
_tasks: set[asyncio.Task[None]] = set()


async def application(scope: dict[str, Any], receive: Callable[[], Any], send: Send) -> None:
    """Serve one connection."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] != "websocket":
        return
    job = scope["path"].split("/")[3]
    await receive()
    await send({"type": "websocket.accept"})
    _watchers[job].add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _watchers[job].discard(send)


async def _live(receive: Callable[[], Any], send: Send) -> None:
    await receive()
    _tasks.add(asyncio.create_task(_hand_on()))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in _tasks:
        task.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def _hand_on() -> None:
    async with redis.asyncio.from_url(os.environ["BARE_REDIS"]) as client:
        subscription = client.pubsub(ignore_subscribe_messages=True)
        await subscription.subscribe(CHANNEL)
        async for message in subscription.listen():
            for job, frame in orjson.loads(message["data"]):
                event = {"type": "websocket.send", "text": frame}
                for send in tuple(_watchers[job]):
                    await send(event)
