"""Long polling: wait for a job's next event, as one more watcher of the hub."""

import asyncio

from channels.db import database_sync_to_async

from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import queries
from progrock.live.hub import hub
from progrock.live.publishing import Published
from progrock.models import Job
from progrock.protocol.codes import ErrorCode


class _Waiter:
    """A watcher that is woken by the first event beyond a seq."""

    def __init__(self, who: Who, after: int) -> None:
        self.who: Who | None = who
        self.after = after
        self.woken = asyncio.Event()

    def deliver(self, event: Published) -> None:
        if event.seq > self.after:
            self.woken.set()

    def fail(self) -> None:
        self.woken.set()

    def on_beat(self, now: float) -> None:
        """A request needs no heartbeat."""


async def wait_for_change(who: Who, job: Job, after: int, seconds: float) -> None:
    """Return when the job's seq is beyond `after`, or when the seconds are over.

    Raises RequestError(not_authenticated) where the visitor has lost its rights meanwhile.
    """
    waiter, id_, home = _Waiter(who, after), str(job.id), hub()
    home.join(waiter)
    home.watch(waiter, id_, job.seq, queries.facts_of(job), job.shard)
    try:
        # Read after the hub knows us, so that nothing falls between.
        present = await database_sync_to_async(queries.find_job)(who, id_)
        if present.seq > after:
            return
        async with asyncio.timeout(seconds):
            await waiter.woken.wait()
            if waiter.who is None:
                raise RequestError(
                    ErrorCode.NOT_AUTHENTICATED, "This session or token is no longer valid."
                )
    except TimeoutError:
        return
    finally:
        home.leave(waiter)
