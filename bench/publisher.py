"""Publish events as the workers do: for each byte on standard input, one for each job.

    python -m bench.publisher IDS SIDE

Ours goes through `publishing.publish` in batches, as the log does; the plain one sends to each
job's group, the bare one to Redis in the same batches, that of mosquitto to a topic for each job.
"""

import asyncio
import itertools
import os
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import django
import orjson
import redis

from bench import bare_web, mqtt
from bench.stack import BACKEND_NAME

BATCH = 250  # jobs in one transaction of the log, and so in one publication
_SEQ = '"seq":2'


def ours(ids: list[str]) -> Callable[[], None]:
    """Return what publishes the next event of each job. Their frames are made only once."""
    from progrock.live import publishing  # noqa: PLC0415

    facts = publishing.Facts(owner=None, backend=BACKEND_NAME, labels=(), state="running")
    rounds = _rounds(ids)

    def publish() -> None:
        events = [
            publishing.Published(
                job=id_, seq=seq, type="progress", frame=frame, facts=facts, shard=0
            )
            for id_, seq, frame in next(rounds)
        ]
        for start in range(0, len(events), BATCH):
            publishing.publish(events[start : start + BATCH])

    return publish


def bare(ids: list[str]) -> Callable[[], None]:
    """Return what publishes the next event of each job on one Redis channel."""
    client = redis.Redis.from_url(os.environ["BARE_REDIS"])
    rounds = _rounds(ids)

    def publish() -> None:
        events = [(id_, frame) for id_, _, frame in next(rounds)]
        for start in range(0, len(events), BATCH):
            client.publish(bare_web.CHANNEL, orjson.dumps(events[start : start + BATCH]))

    return publish


def mosquitto(ids: list[str]) -> Callable[[], None]:
    """Return what publishes the next event of each job to its topic."""
    connection = socket.create_connection(("127.0.0.1", int(os.environ["MQTT_PORT"])))
    connection.sendall(mqtt.connect("publisher"))
    connection.recv(4)
    rounds = _rounds(ids)

    def publish() -> None:
        packets = (mqtt.publish(id_, frame.encode()) for id_, _, frame in next(rounds))
        connection.sendall(b"".join(packets))

    return publish


def _rounds(ids: list[str]) -> Iterator[list[tuple[str, int, str]]]:
    """Yield for ever the next event of each job: its id, seq and frame, which is made only once."""
    frames = [_frame(id_).split(_SEQ, 1) for id_ in ids]
    for seq in itertools.count(2):
        number = f'"seq":{seq}'
        yield [(id_, seq, number.join(frame)) for id_, frame in zip(ids, frames, strict=True)]


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
    publish = {"plain": plain, "ours": ours, "bare": bare, "mosquitto": mosquitto}[sys.argv[2]](ids)
    while rounds := os.read(0, 100):
        for _ in rounds:
            publish()


if __name__ == "__main__":
    main()
