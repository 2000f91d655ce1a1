"""Publish events as the workers do: for each byte on standard input, one for each job.

    python -m bench.publisher IDS

The side is the one whose settings are in the environment. Ours goes through `publishing.publish`
in batches, as the log does; the plain one sends to each job's group.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import django
import orjson

from bench.stack import BACKEND_NAME

BATCH = 250  # jobs in one transaction of the log, and so in one publication
_SEQ = '"seq":2'


def ours(ids: list[str]) -> Callable[[], None]:
    """Return what publishes the next event of each job. Their frames are made only once."""
    from progrock.live import publishing  # noqa: PLC0415

    facts = publishing.Facts(owner=None, backend=BACKEND_NAME, labels=(), state="running")
    frames = [_frame(id_).split(_SEQ, 1) for id_ in ids]
    numbers = itertools.count(2)

    def publish() -> None:
        seq = next(numbers)
        number = f'"seq":{seq}'
        events = [
            publishing.Published(
                job=id_, seq=seq, type="progress", frame=number.join(frame), facts=facts, shard=0
            )
            for id_, frame in zip(ids, frames, strict=True)
        ]
        for start in range(0, len(events), BATCH):
            publishing.publish(events[start : start + BATCH])

    return publish


def _frame(job: str) -> str:
    """Return the frame of an event as the log would write it."""
    from progrock.jobs import transitions  # noqa: PLC0415
    from progrock.jobs.changes import Observation  # noqa: PLC0415
    from progrock.jobs.policy import PollPolicy  # noqa: PLC0415
    from progrock.jobs.states import State  # noqa: PLC0415
    from progrock.jobs.values import JobValue  # noqa: PLC0415
    from progrock.protocol.codec import encode  # noqa: PLC0415

    now = datetime.now(UTC)
    value = JobValue(
        id=UUID(job),
        backend=BACKEND_NAME,
        seq=1,
        state=State.RUNNING,
        created=now,
        started=now,
        updated=now,
        moved_at=now,
    )
    seen = Observation(look=0, current=2, total=1_000_000, message=_message(2))
    (event,) = transitions.advance(value, seen, PollPolicy(), now).events
    return encode(event.frame)


def plain(ids: list[str]) -> Callable[[], None]:
    """Return what sends the next event of each job to its group."""
    from channels.layers import get_channel_layer  # noqa: PLC0415

    from bench.plain.models import Job  # noqa: PLC0415
    from bench.plain.tasks import frame_of, group_of  # noqa: PLC0415

    loop = asyncio.new_event_loop()
    layer = get_channel_layer()
    jobs = [Job(id=UUID(id_), polls=1, total=1_000_000) for id_ in ids]

    async def send() -> None:
        for job in jobs:
            job.polls += 1
            job.current, job.progress = job.polls, job.polls / 10_000
            job.message, job.updated = _message(job.polls), datetime.now(UTC)
            message = {"type": "job.progress", "frame": frame_of(job)}
            await layer.group_send(group_of(str(job.id)), message)

    return lambda: loop.run_until_complete(send())


def _message(number: int) -> str:
    return f"Tile {number} is being rendered"


def main() -> None:
    """Run with the words of the command line, until standard input ends."""
    django.setup()
    ids = orjson.loads(Path(sys.argv[1]).read_bytes())
    is_plain = os.environ["DJANGO_SETTINGS_MODULE"].startswith("bench.plain")
    publish = (plain if is_plain else ours)(ids)
    while rounds := os.read(0, 100):
        for _ in rounds:
            publish()


if __name__ == "__main__":
    main()
