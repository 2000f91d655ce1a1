"""What HTTP answers beside snapshots, as models (PROTOCOL section 3), for the published schemas."""

from typing import Annotated, Any, Literal

from pydantic import Field

from progrock.protocol.codes import ErrorCode
from progrock.protocol.events import KeptEvent
from progrock.protocol.figures import BackendFigures
from progrock.protocol.jobs import (
    MAY_LACK,
    JobComment,
    PresentValues,
    Seconds,
    Snapshot,
    Timestamp,
    Told,
)
from progrock.protocol.messages import MAX_SEQ
from progrock.protocol.states import Condition

Next = Annotated[str | None, Field(description="The `cursor` of the following page; null: none.")]


class FieldProblem(Told):
    """What is wrong with one field of what was sent; `field` is empty for the whole."""

    field: str
    message: str
    pointer: Annotated[str, Field(description="JSON Pointer to it; told of params."), MAY_LACK] = ""


class Problem(Told):
    """Why a request is refused (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: ErrorCode
    detail: Annotated[str, Field(description="What is wrong and what to do, for a person.")]
    message: Annotated[str, Field(description="The same as `detail`, as on the WebSocket.")]
    retryable: Annotated[bool, Field(description="The same request may succeed later.")]
    retry_after: Annotated[Seconds, MAY_LACK] = 0.0
    details: Annotated[list[FieldProblem] | PresentValues, MAY_LACK] = []
    job: Annotated[str, MAY_LACK] = ""


class JobPage(Told):
    """Some jobs, newest first."""

    jobs: list[Snapshot]
    next: Next


class EventPage(Told):
    """A part of a job's log, in order."""

    events: list[KeptEvent]
    next: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SEQ)] | None,
        Field(description="The `after` of the following page; null where the log ends here."),
    ]
    recovered: Annotated[
        bool,
        Field(description="false where events after `after` are no longer kept, or it is beyond."),
    ]


class CommentPage(Told):
    """Some comments, the first said first."""

    comments: list[JobComment]
    next: Next


class SharedLink(Told):
    """A link by which somebody without an account watches one job."""

    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    token: Annotated[str, Field(pattern="^prs_")]
    expires: Timestamp


class ResultBody(Told):
    """What a job made."""

    result: Any


class Hooked(Told):
    """How many jobs a hook named."""

    jobs: Annotated[int, Field(ge=0)]


class BackendOffer(Told):
    """What can be started, and how it is."""

    name: str
    title: str
    description: str
    default: Annotated[bool, Field(description="Takes the starts that name no backend.")]
    condition: Condition
    circuit: Literal["closed", "open", "half_open"]
    since: Annotated[Timestamp | None, Field(description="Its first unanswered request.")]
    retry_at: Annotated[Timestamp | None, Field(description="When it is asked again.")]
    held_until: Annotated[Timestamp | None, Field(description="Until then it is left alone.")]
    params: Annotated[
        dict[str, Any], Field(description="The JSON Schema of the `params` of a start.")
    ]
    figures: Annotated[BackendFigures | None, MAY_LACK] = None


class BackendList(Told):
    """All that can be started."""

    backends: list[BackendOffer]
