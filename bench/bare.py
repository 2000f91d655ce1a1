"""The limit: an aiohttp loop that sends the same requests and does nothing with the replies.

python -m bench.bare URL JOBS CONCURRENCY
"""

import asyncio
import itertools
import sys

import aiohttp
import orjson
import uvloop


async def ask(url: str, jobs: int, concurrency: int) -> None:
    """Ask for ever, so many requests at once; each reply is parsed."""
    numbers = itertools.cycle(range(jobs))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def one_after_the_other() -> None:
            while True:
                async with session.get(f"{url}/jobs/op-{next(numbers)}") as reply:
                    orjson.loads(await reply.read())

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(one_after_the_other())


if __name__ == "__main__":
    uvloop.run(ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
