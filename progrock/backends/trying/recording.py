"""What was said in a trial, as readable JSON that can be read again offline. Pure.

A recording holds requests and replies without their secrets, and times as seconds since the trial
began. It is bounded: of a long trial the first and the last exchanges are kept, with a count of
what lies between.
"""

import base64
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError, BadReply, Refused, Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.masking import Mask
from progrock.backends.trying.happenings import (
    Advanced,
    CancelAsked,
    Exchanged,
    Happening,
    Role,
)
from progrock.backends.values import cleaned
from progrock.errors import ProgRockError
from progrock.jobs.values import JobValue

VERSION = 1
KEPT_FIRST = 1_000  # exchanges
KEPT_LAST = 1_000


class BadRecording(ProgRockError):
    """Raised when a file is no recording, or one of another version."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(_Part):
    """A body in the most readable form that brings the same bytes, or the same JSON, back."""

    json_: Any = Field(default=None, alias="json")
    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, content: bytes | None, *, is_text: bool = False) -> "Body | None":
        """Return the body of some bytes, None for none; with `is_text`, JSON stays as it is."""
        if not content:
            return None
        if not is_text:
            try:
                value = orjson.loads(content)
                if cleaned(value) == value:  # else it is too deep, or too large a number
                    return cls(json=value)
            except ValueError:
                pass
        try:
            return cls(text=content.decode())
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(content).decode())

    @property
    def content(self) -> bytes:
        """The bytes of the body; JSON in its shortest form."""
        if self.text is not None:
            return self.text.encode()
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return orjson.dumps(self.json_)


class RecordedRequest(_Part):
    """One request as it was sent, but for its secrets."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: Body | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> "RecordedRequest":
        """Return a masked request as it is recorded."""
        return cls(
            method=request.method,
            url=request.url,
            headers=dict(request.headers),
            body=Body.of(request.body),
        )


class RecordedReply(_Part):
    """One reply, but for secrets in it."""

    status: int
    headers: dict[str, str] = {}
    set_cookie: list[str] = []
    body: Body | None = None

    @classmethod
    def of(cls, reply: HttpReply, role: Role) -> "RecordedReply":
        """Return a masked reply as it is recorded; of a log every byte counts."""
        return cls(
            status=reply.status,
            headers=dict(reply.headers),
            set_cookie=list(reply.set_cookie),
            body=Body.of(reply.content, is_text=role is Role.LOG),
        )

    def as_reply(self) -> HttpReply:
        """Return the reply as a transport gives it."""
        return HttpReply(
            status=self.status,
            headers=self.headers,
            content=self.body.content if self.body else b"",
            set_cookie=tuple(self.set_cookie),
        )


class RecordedError(_Part):
    """Why there was no reply."""

    kind: Literal["unreachable", "bad_reply", "refused"]
    message: str
    was_sent: bool = True

    @classmethod
    def of(cls, error: BackendError) -> "RecordedError":
        """Return an error of a transport as it is recorded."""
        if isinstance(error, Unreachable):
            return cls(kind="unreachable", message=str(error), was_sent=error.was_sent)
        return cls(kind="refused" if error.is_permanent else "bad_reply", message=str(error))

    def as_error(self) -> BackendError:
        """Return the error as a transport raises it."""
        if self.kind == "unreachable":
            return Unreachable(self.message, was_sent=self.was_sent)
        return Refused(self.message) if self.kind == "refused" else BadReply(self.message)


class RecordedExchange(_Part):
    """One request with its reply or error; `at` and `seconds` (how long it took) in seconds."""

    role: Role
    at: float
    seconds: float
    request: RecordedRequest
    reply: RecordedReply | None = None
    error: RecordedError | None = None


class Recording(_Part):
    """A whole trial. `params` are those given, before the defaults of the schema."""

    version: Literal[1]
    backend: str
    job: UUID
    began: AwareDatetime
    params: dict[str, Any]
    cancel_asked: float | None = None
    state: str
    left_out: int = 0
    exchanges: list[RecordedExchange]


class Recorder:
    """Hears a trial, and gives its recording at any time."""

    def __init__(
        self, backend: Backend, params: Mapping[str, Any], *, id_: UUID, began: datetime
    ) -> None:
        self._backend = backend
        self._params = params
        self._id = id_
        self._began = began
        self._state = "pending"
        self._cancel_asked: float | None = None
        self._first: list[RecordedExchange] = []
        self._last: deque[RecordedExchange] = deque(maxlen=KEPT_LAST)
        self._count = 0

    def hear(self, happening: Happening) -> None:
        """Keep what belongs into a recording."""
        match happening:
            case Exchanged():
                kept = self._first if len(self._first) < KEPT_FIRST else self._last
                kept.append(_recorded(happening))
                self._count += 1
            case CancelAsked(at=at):
                self._cancel_asked = round(at, 3)
            case Advanced(after=JobValue(state=state)):
                self._state = state.value

    def text(self) -> str:
        """Return the recording so far as JSON text."""
        exchanges = [*self._first, *self._last]
        recording = Recording(
            version=VERSION,
            backend=self._backend.name,
            job=self._id,
            began=self._began,
            params=_masked(dict(self._params), self._backend.mask),
            cancel_asked=self._cancel_asked,
            state=self._state,
            left_out=self._count - len(exchanges),
            exchanges=exchanges,
        )
        return recording.model_dump_json(indent=2, by_alias=True, exclude_defaults=True) + "\n"


def read(text: str | bytes) -> Recording:
    """Return the recording in a text. Raises BadRecording."""
    try:
        value = orjson.loads(text)
    except ValueError as exc:
        raise BadRecording(f"This is no recording: it is not JSON ({exc}).") from exc
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise BadRecording(
            "This is no recording of `backends try --record`: it has no version."
            if version is None
            else f"This recording has version {version}; only version {VERSION} is known here."
        )
    try:
        return Recording.model_validate(value)
    except ValidationError as exc:
        lines = [
            f"  {'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors()[:20]
        ]
        raise BadRecording("This recording is damaged:\n" + "\n".join(lines)) from exc


def _recorded(exchanged: Exchanged) -> RecordedExchange:
    answer = exchanged.answer
    return RecordedExchange(
        role=exchanged.role,
        at=round(exchanged.at, 3),
        seconds=round(answer.seconds, 4),
        request=RecordedRequest.of(exchanged.request),
        reply=RecordedReply.of(answer.reply, exchanged.role) if answer.reply else None,
        error=RecordedError.of(answer.error) if answer.error else None,
    )


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, str):
        return mask.text(value)
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {key: _masked(item, mask) for key, item in value.items()}
    return value
