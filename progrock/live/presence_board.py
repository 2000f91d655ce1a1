"""Where the web processes post who watches which job: Redis, by lease.

Each process has a hash, from job to its own watchers, that expires unless it is renewed: so a
process that dies is gone by itself, and so is all when Redis is emptied, until the processes post
again. A stream tells the others which jobs to read anew.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

import redis
import redis.asyncio
import structlog
from django.conf import settings

from progrock.protocol.codec import decode_json, encode

logger = structlog.get_logger(__name__)
LEASE_SECONDS = 20
FORGOTTEN_SECONDS = 3_600  # after which a process that posts nothing is no longer asked
CHANGES_KEPT = 1_000
WAIT_SECONDS = 1.0  # for an answer of Redis
PAUSE_SECONDS = 5.0  # without asking, after Redis gave none

_PROCESSES = "progrock:presence"
_CHANGES = "progrock:presence:changes"


class Post(NamedTuple):
    """The watchers of a job in one process: how many, and the names of some that have one."""

    size: int
    names: tuple[str, ...]


NOBODY = Post(0, ())


class News(NamedTuple):
    """What an exchange brought: whether our lease was lost, and what others have posted since."""

    is_lost: bool
    changes: list[tuple[str, list[str]]]  # a process and jobs
    processes: list[str] | None  # all others; None when not asked


class Board:
    """The board as one process sees it. Belongs to one event loop. All calls raise RedisError."""

    def __init__(self) -> None:
        self.process = uuid4().hex[:12]
        self._seen: str | None = None  # the last change that was read
        # Its stubs know nothing of decode_responses.
        self._redis: Any = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=WAIT_SECONDS,
            socket_connect_timeout=WAIT_SECONDS,
            decode_responses=True,
        )

    async def exchange(
        self, posts: Mapping[str, Post], held: int | None, *, anew: bool = False
    ) -> News:
        """Post what changed, and return what others have posted since the last call.

        With `anew` whatever we had posted before goes. With `held`, how many jobs we have on the
        board, our lease is renewed, it is looked whether they are all there still, and the other
        processes are asked for.
        """
        own, now, renew = _key(self.process), time.time(), held is not None
        pipeline = self._redis.pipeline(transaction=False)
        if anew:
            pipeline.unlink(own)
        pipeline.hlen(own)
        if self._seen is None:
            pipeline.xrevrange(_CHANGES, count=1)
        else:
            pipeline.xrange(_CHANGES, min=f"({self._seen}")
        if renew:
            pipeline.zrange(_PROCESSES, 0, -1)
        if posts:
            present = {job: encode([*post]) for job, post in posts.items() if post.size}
            absent = [job for job, post in posts.items() if not post.size]
            if present:
                pipeline.hset(own, mapping=present)
            if absent:
                pipeline.hdel(own, *absent)
            told = {"process": self.process, "jobs": " ".join(posts)}
            pipeline.xadd(_CHANGES, told, maxlen=CHANGES_KEPT, approximate=True)
        if renew or posts:
            pipeline.expire(own, LEASE_SECONDS)
            pipeline.zadd(_PROCESSES, {self.process: now})
            pipeline.zremrangebyscore(_PROCESSES, "-inf", now - FORGOTTEN_SECONDS)
        length, entries, *more = (await pipeline.execute())[int(anew) :]
        changes = []
        if self._seen is None:
            self._seen = entries[0][0] if entries else "0-0"
        elif entries:
            self._seen = entries[-1][0]
            changes = [(each["process"], each["jobs"].split(" ")) for _, each in entries]
        return News(
            is_lost=renew and length != held,
            changes=[change for change in changes if change[0] != self.process],
            processes=self._others(more[0]) if renew else None,
        )

    async def processes(self) -> list[str]:
        """Return the other processes."""
        return self._others(await self._redis.zrange(_PROCESSES, 0, -1))

    async def read(self, wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Post]]:
        """Return what each process has posted of the jobs that are wanted of it."""
        asked = {process: list(jobs) for process, jobs in wanted.items()}
        asked = {process: jobs for process, jobs in asked.items() if jobs}
        pipeline = self._redis.pipeline(transaction=False)
        for process, jobs in asked.items():
            pipeline.hmget(_key(process), jobs)
        answers = await pipeline.execute() if asked else []
        return {
            process: {job: _post(text) for job, text in zip(jobs, texts, strict=True)}
            for (process, jobs), texts in zip(asked.items(), answers, strict=True)
        }

    async def gone(self, processes: Sequence[str]) -> set[str]:
        """Return those of some processes whose lease has ended."""
        pipeline = self._redis.pipeline(transaction=False)
        for process in processes:
            pipeline.exists(_key(process))
        found = await pipeline.execute() if processes else []
        return {process for process, is_there in zip(processes, found, strict=True) if not is_there}

    async def close(self) -> None:
        """Close the connections; the next call opens others and begins anew."""
        self._seen = None
        with suppress(OSError, redis.RedisError):  # TimeoutError is an OSError
            async with asyncio.timeout(WAIT_SECONDS):
                await self._redis.aclose()

    def _others(self, processes: Sequence[str]) -> list[str]:
        return [process for process in processes if process != self.process]


# --- for HTTP, in threads ------------------------------------------------------------------------

_pause_until = 0.0


def watchers_of(jobs: Sequence[str]) -> dict[str, int | None]:
    """Return how many watch each job, over all processes; None when Redis does not answer."""
    global _pause_until  # noqa: PLW0603 - one pause for the process
    unknown: dict[str, int | None] = dict.fromkeys(jobs)
    if not jobs or time.monotonic() < _pause_until:
        return unknown
    try:
        client = _client(settings.REDIS_URL)
        pipeline = client.pipeline(transaction=False)
        for process in client.zrange(_PROCESSES, 0, -1):
            pipeline.hmget(_key(process), list(jobs))
        answers = pipeline.execute()
    except (redis.RedisError, OSError) as exc:
        _pause_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("not known who watches", error=str(exc))
        return unknown
    return {
        job: sum(_post(texts[place]).size for texts in answers) for place, job in enumerate(jobs)
    }


@cache
def _client(url: str) -> Any:
    return redis.Redis.from_url(
        url,
        socket_timeout=WAIT_SECONDS,
        socket_connect_timeout=WAIT_SECONDS,
        decode_responses=True,
    )


def _key(process: str) -> str:
    return f"{_PROCESSES}:of:{process}"


def _post(text: str | None) -> Post:
    if text is None:
        return NOBODY
    size, names = decode_json(text)
    return Post(size, tuple(names))
