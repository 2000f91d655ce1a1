"""What is told of a job: the models behind the published schemas (PROTOCOL sections 2.4 and 2.5).

What the server sends is made as plain JSON objects, since validating each frame would cost more
than making it. These models describe them; the conformance suite holds every frame and every
answer against the documents that are made from here. A newer server may send more keys.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from progrock.protocol.messages import LABEL_LENGTH, LABELS, MAX_SEQ, NOTE_LENGTH, TITLE_LENGTH
from progrock.protocol.schemas import drop_default
from progrock.protocol.states import Condition, JobErrorCode, State

MAY_LACK = Field(json_schema_extra=drop_default)
_EXAMPLE = "019a6f0c-7c1e-7d3a-9b1f-2f0d2d6b8a11"
JobId = Annotated[
    str,
    Field(
        description="The job's id, a UUIDv7 in text form.",
        examples=[_EXAMPLE],
        json_schema_extra={"format": "uuid"},
    ),
]
Timestamp = Annotated[
    str,
    Field(
        description="RFC 3339, UTC, milliseconds.",
        examples=["2026-11-21T05:54:51.019Z"],
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        json_schema_extra={"format": "date-time"},
    ),
]
EventSeq = Annotated[int, Field(ge=1, le=MAX_SEQ, description="1, 2, 3 … for each job.")]
Percent = Annotated[float, Field(ge=0, le=100)]
Progress = Annotated[Percent | None, Field(description="0 to 100; null: unknown.")]
Seconds = Annotated[float, Field(ge=0)]
Version = Annotated[int, Field(ge=1, description="Counts the edits, from 1.")]
UserName = Annotated[str | None, Field(description="null: somebody without an account.")]
ToldLabels = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=LABEL_LENGTH)]], Field(max_length=LABELS)
]


class Told(BaseModel):
    """Something that the server tells."""

    model_config = ConfigDict(frozen=True)


class JobStep(Told):
    """One step of a job's work, as its backend tells it; `weight` is 1 where it lacks."""

    name: str
    state: str | None
    progress: Progress
    weight: Annotated[float, Field(gt=0), MAY_LACK] = 1.0


class JobFailure(Told):
    """Why a job ended without success."""

    code: JobErrorCode
    message: str


class JobComment(Told):
    """What somebody said to a job."""

    id: str
    author: UserName
    text: str
    at: Timestamp


class PresentValues(Told):
    """What edits work on, as it is now: the `details` of a `conflict`."""

    title: Annotated[str, Field(max_length=TITLE_LENGTH)]
    note: Annotated[str, Field(max_length=NOTE_LENGTH)]
    labels: ToldLabels
    pinned: bool
    version: Version


class Snapshot(PresentValues):
    """A job's full present state, and the `seq` that it includes. All keys are always there."""

    job: JobId
    seq: EventSeq
    backend: str
    state: State
    condition: Condition
    complete: Annotated[bool, Field(description="Whether the job has ended.")]
    progress: Progress
    current: float | None
    total: float | None
    unit: str | None
    message: str | None
    eta: Annotated[Seconds | None, Field(description="Seconds left; null: no honest estimate.")]
    eta_range: Annotated[
        list[Seconds] | None,
        Field(
            min_length=2,
            max_length=2,
            description="[low, high] in seconds; holds the end in about eight of ten cases.",
        ),
    ]
    steps: list[JobStep]
    params: dict[str, Any]
    result: Any
    error: JobFailure | None
    owner: UserName
    retry_of: Annotated[JobId | None, Field(description="The job that this one does once more.")]
    created: Timestamp
    started: Timestamp | None
    updated: Timestamp
    finished: Timestamp | None
    watchers: Annotated[
        Annotated[int, Field(ge=0)] | None, Field(description="null while it cannot be known.")
    ]
    can: Annotated[
        list[Literal["cancel", "retry", "edit", "comment", "share"]],
        Field(description="What the asker may do with the job now."),
    ]


class ReportToken(Told):
    """What a program needs to report a job of its own."""

    report_token: Annotated[
        str,
        MAY_LACK,
        Field(description="Of a reported job: Bearer for `POST jobs/ID/report`, and no more."),
    ] = ""


class StartedJob(ReportToken, Snapshot):
    """A new job: its snapshot; where a program reports it itself, with a token for that."""
