"""A backend's figures, as a model (docs/protocol.md, Figures), for the published schemas."""

from typing import Annotated, Literal

from pydantic import Field

from progrock.protocol.jobs import JobId, Seconds, Timestamp, Told
from progrock.protocol.states import JobErrorCode, State

Count = Annotated[int, Field(ge=0)]
Part = Annotated[float, Field(ge=0, le=1)]
Since = Annotated[Timestamp, Field(alias="from")]


class Latency(Told):
    """Seconds until a reply, of half and of nearly all polls; null while nothing answered."""

    p50: Seconds | None
    p99: Seconds | None


class PollSeries(Told):
    """Polls by stretches of time, the first one from `from`."""

    since: Since
    seconds: Annotated[Seconds, Field(description="The length of a stretch.")]
    count: list[Count]
    failed: list[Count]
    p50: list[Seconds | None]
    p99: list[Seconds | None]


class PollFigures(Told):
    """The polls of all workers within the last `seconds`."""

    seconds: Seconds
    count: Count
    failed: Count
    per_second: Annotated[float, Field(ge=0)]
    error_rate: Annotated[Part | None, Field(description="null: none was polled.")]
    latency: Latency
    series: PollSeries


class JobFigures(Told):
    """The jobs of a backend."""

    active: Count
    states: Annotated[dict[State, Count], Field(description="The active ones by state.")]
    stalled: Count
    unreachable: Count
    lag: Annotated[Seconds, Field(description="The earliest due job has waited so long.")]
    ended: Annotated[dict[State, Count], Field(description="The latest ones that ended.")]


class DurationBox(Told):
    """How long jobs took that ended between `from` and `to`: a part lies below each figure."""

    since: Since
    to: Timestamp
    count: Annotated[int, Field(ge=1)]
    p5: Seconds
    p25: Seconds
    p50: Seconds
    p75: Seconds
    p95: Seconds


class Durations(DurationBox):
    """How long the latest jobs took that succeeded, also in boxes by the time of their end."""

    boxes: list[DurationBox]


class LastFailure(Told):
    """The last request that came to nothing. Only those who may see its job are told what."""

    at: Timestamp
    asked: Literal["poll", "call"]
    code: JobErrorCode
    status: int | None
    job: JobId | None
    message: str | None
    headers: dict[str, str]
    body: str | None
    is_cut: bool
    is_hidden: bool


class BackendFigures(Told):
    """How a backend does, at most a second ago. Times are in seconds."""

    at: Timestamp
    polls: Annotated[PollFigures | None, Field(description="null: it cannot be known now.")]
    jobs: JobFigures
    durations: Annotated[Durations | None, Field(description="null before the first.")]
    last_failure: LastFailure | None
