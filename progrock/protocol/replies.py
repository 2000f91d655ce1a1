"""What the server says on a WebSocket beside events (PROTOCOL section 2.3), as models.

The frames themselves are made in `protocol.frames`.
"""

from typing import Annotated, Literal

from pydantic import Field

from progrock.protocol.answers import FieldProblem
from progrock.protocol.codes import ErrorCode
from progrock.protocol.jobs import (
    MAY_LACK,
    EventSeq,
    JobComment,
    JobId,
    PresentValues,
    ReportToken,
    Seconds,
    Snapshot,
    Timestamp,
    Told,
    UserName,
    Version,
)

ReplyId = Annotated[
    str | None, Field(max_length=64, description="That of the message; null where it had none.")
]
FrameErrorCode = Literal[
    ErrorCode.BAD_JSON,
    ErrorCode.BAD_MESSAGE,
    ErrorCode.UNKNOWN_ACTION,
    ErrorCode.UNKNOWN_BACKEND,
    ErrorCode.BAD_PARAMS,
    ErrorCode.UNKNOWN_JOB,
    ErrorCode.NOT_AUTHENTICATED,
    ErrorCode.NOT_PERMITTED,
    ErrorCode.NOT_CANCELLABLE,
    ErrorCode.NOT_FINISHED,
    ErrorCode.CONFLICT,
    ErrorCode.RATE_LIMITED,
    ErrorCode.TOO_MANY_WATCHES,
    ErrorCode.UNAVAILABLE,
]


class ConnectedUser(Told):
    """Who the server takes the other side for."""

    name: UserName
    anonymous: bool


class Limits(Told):
    """What one connection may do."""

    frame_bytes: int
    watches: int
    messages_per_second: float
    burst: float


class Hello(Told):
    """The first frame; and the answer to `auth`, which alone carries an `id`."""

    type: Literal["hello"]
    protocol: Literal["progrock.v1"]
    connection: str
    user: ConnectedUser
    heartbeat: Annotated[int, Field(ge=1, description="Seconds of silence at most.")]
    limits: Limits
    id: Annotated[ReplyId, MAY_LACK] = None


class Started(ReportToken):
    """The answer to `start` and `retry`; the job's events follow."""

    type: Literal["started"]
    id: ReplyId
    job: JobId
    seq: EventSeq
    snapshot: Snapshot
    recovered: Literal[False]


class WatchingRecovered(Told):
    """The answer to `watch`: all events after `after` follow, none missing."""

    type: Literal["watching"]
    id: ReplyId
    job: JobId
    seq: Annotated[EventSeq, Field(description="The job's present one.")]
    recovered: Literal[True]


class WatchingAnew(Told):
    """The answer to `watch`: begin again from the snapshot; later events follow."""

    type: Literal["watching"]
    id: ReplyId
    job: JobId
    seq: EventSeq
    recovered: Literal[False]
    snapshot: Snapshot


class WatchingFeed(Told):
    """The answer to a `watch` of the feed; the events of every job that matches follow."""

    type: Literal["watching"]
    id: ReplyId
    feed: Literal["jobs"]
    jobs: list[Snapshot]
    next: str | None


class UnwatchedJob(Told):
    """The answer to `unwatch` of a job."""

    type: Literal["unwatched"]
    id: ReplyId
    job: str


class UnwatchedFeed(Told):
    """The answer to `unwatch` of the feed."""

    type: Literal["unwatched"]
    id: ReplyId
    feed: Literal["jobs"]


class Ack(Told):
    """The answer to `cancel`: the job turns `cancelling`; the end comes as an event."""

    type: Literal["ack"]
    id: ReplyId
    job: JobId


class EditAck(Ack):
    """The answer to `edit`."""

    version: Version


class CommentAck(Ack):
    """The answer to `comment`."""

    comment: JobComment


class Jobs(Told):
    """The answer to `list`: newest first; `next` is the cursor of the following page."""

    type: Literal["jobs"]
    id: ReplyId
    jobs: list[Snapshot]
    next: str | None


class Pong(Told):
    """The answer to `ping`."""

    type: Literal["pong"]
    id: ReplyId


class Heartbeat(Told):
    """A sign of life on a silent connection."""

    type: Literal["heartbeat"]
    at: Timestamp


class Error(Told):
    """A message that was refused. The connection stays open."""

    type: Literal["error"]
    id: ReplyId
    code: FrameErrorCode
    message: Annotated[str, Field(description="What is wrong and what to do, for a person.")]
    retryable: Annotated[bool, Field(description="The same message may succeed later.")]
    retry_after: Annotated[Seconds, MAY_LACK] = 0.0
    details: Annotated[list[FieldProblem] | PresentValues, MAY_LACK] = []
    job: Annotated[str, MAY_LACK] = ""
