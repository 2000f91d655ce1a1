"""What a client may send: one model an action (PROTOCOL section 2.2).

Unknown fields are ignored, so that a newer client can talk to an older server. No text may hold
NUL, which PostgreSQL cannot store.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from progrock.protocol.schemas import Also, drop_default
from progrock.protocol.states import State

TITLE_LENGTH = 200
NOTE_LENGTH = 10_000
COMMENT_LENGTH = 4_000
SHARE_SECONDS = 7 * 86_400
MIN_SHARE_SECONDS = 60
MAX_SHARE_SECONDS = 30 * 86_400
LABEL_LENGTH = 60
LABELS = 20
KEY_LENGTH = 255


DEPTH = 64  # of nested JSON: far more than people write, far less than encoders can bear


def _storable(value: Any, depth: int = DEPTH) -> Any:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("must not contain the character NUL")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise ValueError(f"is nested deeper than {DEPTH} levels")
        for item in value:
            _storable(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _storable(item, depth - 1)
    return value


Text = Annotated[str, AfterValidator(_storable), Also(pattern=r"^[^\u0000]*$")]
Label = Annotated[Text, Field(min_length=1, max_length=LABEL_LENGTH)]
Labels = Annotated[list[Label], Field(max_length=LABELS)]
Params = Annotated[dict[str, Any], AfterValidator(_storable)]
MAX_SEQ = 2**53  # what JSON numbers hold exactly in every language


def _as_whole(value: Any) -> Any:
    """Return 5.0 as 5: JSON knows one kind of numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_as_whole)
Seq = Annotated[int, Field(strict=True, ge=0, le=MAX_SEQ), WHOLE]


def _spoken(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def _each_once(labels: list[str]) -> list[str]:
    return list(dict.fromkeys(labels))


def as_job_id(text: str) -> UUID | None:
    """Return the UUID of a job id in text form, or None where it cannot be one."""
    try:
        job = UUID(text)
    except ValueError:
        return None
    return job if str(job) == text.lower() else None


class Message(BaseModel):
    """One frame from a client. `id`, where given, comes back in the answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[Text, Field(max_length=64)] | None = None


class StartRequest(BaseModel):
    """A wish for a new job; shared by the `start` message and `POST jobs`."""

    model_config = ConfigDict(extra="ignore")

    backend: Text | None = None
    params: Params = {}
    title: Annotated[Text, Field(max_length=TITLE_LENGTH)] | None = None
    labels: Labels = []


class RetryRequest(BaseModel):
    """A wish for an ended job once more; shared by the `retry` message and `POST jobs/ID/retry`.

    `params` are those that shall differ from the first job's; with `replace` they are all of them.
    """

    model_config = ConfigDict(extra="ignore")

    params: Params = {}
    replace: bool = False
    title: Annotated[Text, Field(max_length=TITLE_LENGTH)] | None = None


class JobEdit(BaseModel):
    """What people write to a job: the `set` of `edit`, and the body of `PATCH jobs/ID`.

    What is left out stays as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"minProperties": 1})

    title: Annotated[
        Text,
        Field(max_length=TITLE_LENGTH, json_schema_extra=drop_default),
        AfterValidator(_spoken),
        Also(minLength=1, pattern=r"^[^\u0000]*[^\u0000\s][^\u0000]*$"),
    ] = ""
    note: Annotated[Text, Field(max_length=NOTE_LENGTH, json_schema_extra=drop_default)] = ""
    labels: Annotated[
        Labels, Field(json_schema_extra=drop_default), AfterValidator(_each_once)
    ] = []
    pinned: Annotated[bool, Field(strict=True, json_schema_extra=drop_default)] = False

    @model_validator(mode="after")
    def _something(self) -> "JobEdit":
        if not self.model_fields_set:
            raise ValueError("name at least one of title, note, labels and pinned")
        return self


class CommentRequest(BaseModel):
    """What somebody says to a job; shared by the `comment` message and `POST jobs/ID/comments`."""

    model_config = ConfigDict(extra="ignore")

    text: Annotated[Text, Field(min_length=1, max_length=COMMENT_LENGTH)]


class ShareRequest(BaseModel):
    """A wish for a link to one job: `POST jobs/ID/share`. `expires_in` is in seconds."""

    model_config = ConfigDict(extra="ignore")

    expires_in: Annotated[
        int, Field(strict=True, ge=MIN_SHARE_SECONDS, le=MAX_SHARE_SECONDS), WHOLE
    ] = SHARE_SECONDS


class ReportedError(BaseModel):
    """Why a program's job failed."""

    code: Text | None = None
    message: Text


Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Report(BaseModel):
    """A program's report of its own job: `POST jobs/ID/report`. What is left out stays as it is.

    `number` makes a report idempotent: it counts up, and one that was taken before is ignored.
    """

    model_config = ConfigDict(extra="forbid")

    number: Annotated[int, Field(ge=1, le=2**53)] | None = None
    progress: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    current: Figure | None = None
    total: Figure | None = None
    unit: Annotated[Text, Field(max_length=60)] | None = None
    message: Annotated[Text, Field(max_length=2_000)] | None = None
    log: (
        Annotated[Text, Field(max_length=100_000)]
        | Annotated[list[Annotated[Text, Field(max_length=4_000)]], Field(max_length=1_000)]
        | None
    ) = None
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = None
    result: Annotated[Any, AfterValidator(_storable)] = None
    error: Text | ReportedError | None = None
    steps: Annotated[list[dict[str, Any]], Field(max_length=200)] | None = None

    @property
    def is_end(self) -> bool:
        """Whether the job is over with this report."""
        return self.state in {"succeeded", "failed", "cancelled"}


class HookRequest(BaseModel):
    """What a backend sends to `POST hooks/BACKEND`: which work changed, by its name or by ours."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["operation"]}, {"required": ["job"]}]}
    )

    operation: Annotated[str | int, Field(json_schema_extra=drop_default)] = ""
    job: Annotated[str, Field(json_schema_extra=drop_default)] = ""


class Filter(BaseModel):
    """Which jobs: all fields must match; an absent field matches every job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State | list[State] | None = None
    backend: Text | None = None
    label: Text | None = None
    mine: bool = False


class Auth(Message):
    """Say who is there, by a token."""

    action: Literal["auth"]
    token: Text


class Start(Message, StartRequest):
    """Start a job and watch it. `key` makes a repetition give the same job."""

    action: Literal["start"]
    key: Annotated[Text, Field(min_length=1, max_length=KEY_LENGTH)] | None = None


_ONE_TARGET: dict[str, Any] = {"oneOf": [{"required": ["job"]}, {"required": ["feed"]}]}


class Watch(Message):
    """Follow one job (`job`, `after`) or all that match (`feed`, `filter`)."""

    model_config = ConfigDict(json_schema_extra=_ONE_TARGET)

    action: Literal["watch"]
    job: Text | None = None
    after: Seq | None = None
    feed: Literal["jobs"] | None = None
    filter: Filter = Filter()

    @model_validator(mode="after")
    def _one_target(self) -> "Watch":
        if (self.job is None) == (self.feed is None):
            raise ValueError('give either "job" or "feed": "jobs"')
        return self


class Unwatch(Message):
    """Stop following a job or the feed."""

    model_config = ConfigDict(json_schema_extra=_ONE_TARGET)

    action: Literal["unwatch"]
    job: Text | None = None
    feed: Literal["jobs"] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "Unwatch":
        if (self.job is None) == (self.feed is None):
            raise ValueError('give either "job" or "feed": "jobs"')
        return self


class Cancel(Message):
    """Ask the backend to stop a job."""

    action: Literal["cancel"]
    job: Text


class Retry(Message, RetryRequest):
    """Start an ended job once more, as a new job, and watch it. `key` is that of `start`."""

    action: Literal["retry"]
    job: Text
    key: Annotated[Text, Field(min_length=1, max_length=KEY_LENGTH)] | None = None


class Edit(Message):
    """Edit what people write to a job. Without `version`, whatever it is now."""

    action: Literal["edit"]
    job: Text
    set: JobEdit
    version: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = None


class Comment(Message, CommentRequest):
    """Say something to a job and all who watch it."""

    action: Literal["comment"]
    job: Text


class ListJobs(Message):
    """One page of the jobs that match, newest first."""

    action: Literal["list"]
    filter: Filter = Filter()
    limit: Annotated[int, Field(strict=True, ge=1, le=200), WHOLE] = 50
    cursor: Text | None = None


class Ping(Message):
    """Ask for a sign of life."""

    action: Literal["ping"]


ClientMessage = Auth | Start | Watch | Unwatch | Cancel | Retry | Edit | Comment | ListJobs | Ping
