"""The events of a job as frames (PROTOCOL section 2.4), for the published schemas.

The frames themselves are made in `jobs.transitions`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from progrock.protocol.jobs import (
    MAY_LACK,
    EventSeq,
    JobComment,
    JobFailure,
    JobId,
    JobStep,
    Progress,
    Seconds,
    Snapshot,
    Timestamp,
    Told,
    UserName,
    Version,
)
from progrock.protocol.messages import JobEdit
from progrock.protocol.states import Condition, State

Open = Literal[State.PENDING, State.QUEUED, State.RUNNING, State.CANCELLING]
Ended = Literal[State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT]


class JobEvent(Told):
    """A numbered record of a change to a job; any one frame is enough to draw its bar."""

    job: JobId
    seq: EventSeq
    at: Timestamp
    state: State
    condition: Condition
    progress: Progress
    current: float | None
    total: float | None
    unit: str | None
    message: str | None
    eta: Annotated[Seconds | None, Field(description="Seconds left, as of this event.")]
    complete: bool
    steps: Annotated[list[JobStep], MAY_LACK] = []


class StateEvent(JobEvent):
    """The state or the condition changed, not to a terminal one."""

    type: Literal["state"]
    state: Open
    complete: Literal[False]


class ProgressEvent(JobEvent):
    """Progress, current, total, unit, message or steps changed."""

    type: Literal["progress"]
    state: Open
    complete: Literal[False]
    skipped: Annotated[
        int, Field(ge=1, description="So many events before it were merged into it."), MAY_LACK
    ] = 1


class LogEvent(JobEvent):
    """Lines from the job."""

    type: Literal["log"]
    state: Open
    complete: Literal[False]
    lines: Annotated[list[str], Field(min_length=1)]


class CommentEvent(JobEvent):
    """Somebody said something to the job; also after its end."""

    type: Literal["comment"]
    comment: JobComment


class EditedEvent(JobEvent):
    """Somebody edited the job; also after its end."""

    type: Literal["edited"]
    set: JobEdit
    version: Version
    by: UserName
    by_connection: Annotated[
        str | None, Field(description="The `connection` of the editor's hello; null over HTTP.")
    ]


class CompleteEvent(JobEvent):
    """The end. There is one for each job, and after it only comments and edits come."""

    type: Literal["complete"]
    state: Ended
    complete: Literal[True]
    result: Any
    error: JobFailure | None


class Watchers(Told):
    """Who watches: how many connections, and some of their users."""

    count: Annotated[int, Field(ge=0)]
    names: Annotated[list[str], Field(max_length=20)]


class PresenceEvent(Told):
    """Who watches a job. It is not kept, and has no `seq`."""

    type: Literal["presence"]
    job: JobId
    at: Timestamp
    watchers: Watchers


class SnapshotEvent(Snapshot):
    """The first event of a job's stream where not all events can be told again."""

    type: Literal["snapshot"]


class FeedSnapshotEvent(Told):
    """The first event of the feed's stream: a page of the jobs."""

    type: Literal["snapshot"]
    feed: Literal["jobs"]
    jobs: list[Snapshot]
    next: str | None


KEPT: tuple[type[BaseModel], ...] = (
    StateEvent,
    ProgressEvent,
    LogEvent,
    CommentEvent,
    EditedEvent,
    CompleteEvent,
)
"""The events that have a `seq` and stand in the log."""

KeptEvent = Annotated[
    StateEvent | ProgressEvent | LogEvent | CommentEvent | EditedEvent | CompleteEvent,
    Field(discriminator="type"),
]
