"""The Python client: start jobs on a ProgRock server, follow them, report your own.

    from progrock.client import Client, track

    with Client("http://127.0.0.1:8000") as client:
        job = client.start("fractal", width=4000)
        for event in job:
            print(event.progress, event.message)
        print(job.result())

    for row in track(rows, title="Nightly import"):
        ...

`AsyncClient` is the same with `await` and `async for`. It imports nothing of the server. What a
call asks and what the answer means is written once, in plans that do no I/O (`effects`);
`blocking` and `asynchronous` perform them.
"""

from progrock.client.asynchronous import AsyncClient, AsyncJob
from progrock.client.blocking import Client, Job
from progrock.client.errors import (
    BadAddress,
    BadAnswer,
    Cancelled,
    ClientError,
    Conflict,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobTimedOut,
    Refused,
    ServerAway,
    WaitedTooLong,
)
from progrock.client.events import (
    CommentEvent,
    CompleteEvent,
    EditedEvent,
    Event,
    LogEvent,
    ProgressEvent,
    SnapshotEvent,
    StateEvent,
)
from progrock.client.tracking import Tracked, track
from progrock.client.values import Backend, Comment, JobError, Share, Snapshot, Step
from progrock.protocol.states import Condition, State

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Backend",
    "BadAddress",
    "BadAnswer",
    "Cancelled",
    "Client",
    "ClientError",
    "Comment",
    "CommentEvent",
    "CompleteEvent",
    "Condition",
    "Conflict",
    "EditedEvent",
    "Event",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobError",
    "JobFailed",
    "JobTimedOut",
    "LogEvent",
    "ProgressEvent",
    "Refused",
    "ServerAway",
    "Share",
    "Snapshot",
    "SnapshotEvent",
    "State",
    "StateEvent",
    "Step",
    "Tracked",
    "WaitedTooLong",
    "track",
]
