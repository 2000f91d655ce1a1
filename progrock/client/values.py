"""What the server says of a job, a backend or a comment, as frozen values.

Times are in UTC, progress is 0 to 100 or None, `eta` is in seconds. Fields that a newer server adds
are in `raw`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from progrock.client.errors import BadAnswer
from progrock.protocol.states import Condition, State

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job ended without success."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the parts that a job tells of."""

    name: str
    state: str
    progress: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A job's full state as of event `seq` (PROTOCOL section 2.5)."""

    job: str
    seq: int
    backend: str
    title: str
    state: State
    condition: Condition
    complete: bool
    progress: float | None
    current: float | None
    total: float | None
    unit: str | None
    message: str | None
    eta: float | None
    eta_range: tuple[float, float] | None
    steps: tuple[Step, ...]
    params: Json
    result: Any
    error: JobError | None
    owner: str | None
    labels: tuple[str, ...]
    note: str
    pinned: bool
    version: int
    retry_of: str | None
    created: datetime | None
    started: datetime | None
    updated: datetime | None
    finished: datetime | None
    watchers: int | None
    can: tuple[str, ...]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, data: Any) -> Self:
        """Return the snapshot in a JSON object. Raises BadAnswer."""
        try:
            eta_range = data.get("eta_range")
            return cls(
                job=str(data["job"]),
                seq=int(data["seq"]),
                backend=str(data["backend"]),
                title=str(data.get("title") or ""),
                state=State(data["state"]),
                condition=Condition(data["condition"]),
                complete=bool(data["complete"]),
                progress=data["progress"],
                current=data.get("current"),
                total=data.get("total"),
                unit=data.get("unit"),
                message=data.get("message"),
                eta=data.get("eta"),
                eta_range=(eta_range[0], eta_range[1]) if eta_range else None,
                steps=steps_of(data.get("steps")),
                params=data.get("params") or {},
                result=data.get("result"),
                error=error_of(data.get("error")),
                owner=data.get("owner"),
                labels=tuple(data.get("labels") or ()),
                note=str(data.get("note") or ""),
                pinned=bool(data.get("pinned")),
                version=int(data.get("version") or 1),
                retry_of=data.get("retry_of"),
                created=time_of(data.get("created")),
                started=time_of(data.get("started")),
                updated=time_of(data.get("updated")),
                finished=time_of(data.get("finished")),
                watchers=data.get("watchers"),
                can=tuple(data.get("can") or ()),
                raw=data,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise BadAnswer(f"The server's answer is not the state of a job: {exc!r}.") from exc

    def after(self, frame: Json) -> "Snapshot":
        """Return the snapshot with a kept event taken in; an old event changes nothing."""
        if frame["seq"] <= self.seq:
            return self
        merged = {**self.raw, **{name: frame[name] for name in _TOLD if name in frame}}
        merged["updated"] = frame["at"]
        if frame["type"] == "edited":
            merged |= {**frame.get("set", {}), "version": frame.get("version", self.version)}
        if self.started is None and merged["state"] in {State.QUEUED, State.RUNNING}:
            merged["started"] = frame["at"]
        if frame["type"] == "complete":
            merged |= {"finished": frame["at"], "eta_range": None, "can": []}
        return Snapshot.read(merged)

    def with_watchers(self, watchers: int | None) -> "Snapshot":
        """Return the snapshot with another number of watchers."""
        return replace(self, watchers=watchers)


_TOLD = (
    "seq state condition complete progress current total unit message eta steps result error"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A service on which jobs can be started; `params` is the JSON Schema of its parameters."""

    name: str
    title: str
    description: str
    default: bool
    condition: str
    params: Json
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, data: Any) -> Self:
        """Return the backend in a JSON object. Raises BadAnswer."""
        try:
            return cls(
                name=str(data["name"]),
                title=str(data.get("title") or data["name"]),
                description=str(data.get("description") or ""),
                default=bool(data.get("default")),
                condition=str(data.get("condition") or "ok"),
                params=data.get("params") or {},
                raw=data,
            )
        except (AttributeError, KeyError, TypeError) as exc:
            raise BadAnswer(f"The server's answer is not a backend: {exc!r}.") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody said about a job."""

    id: str
    author: str | None
    text: str
    at: datetime | None

    @classmethod
    def read(cls, data: Any) -> Self:
        """Return the comment in a JSON object. Raises BadAnswer."""
        try:
            return cls(
                id=str(data["id"]),
                author=data.get("author"),
                text=str(data["text"]),
                at=time_of(data.get("at")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise BadAnswer(f"The server's answer is not a comment: {exc!r}.") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link by which anybody may watch one job; `token` works as Bearer for it."""

    url: str = field(repr=False)  # it holds the token
    token: str = field(repr=False)
    expires: datetime | None

    @classmethod
    def read(cls, data: Any) -> Self:
        """Return the link in a JSON object. Raises BadAnswer."""
        try:
            return cls(
                url=str(data["url"]),
                token=str(data["token"]),
                expires=time_of(data.get("expires")),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise BadAnswer(f"The server's answer is not a share link: {exc!r}.") from exc


def time_of(text: str | None) -> datetime | None:
    """Return an RFC 3339 time. Raises ValueError."""
    return None if text is None else datetime.fromisoformat(text)


def error_of(data: Json | None) -> JobError | None:
    """Return a job's {code, message}."""
    if data is None:
        return None
    return JobError(str(data.get("code") or "failed"), str(data.get("message") or ""))


def steps_of(data: Any) -> tuple[Step, ...]:
    """Return a job's [{name, state, progress}]."""
    return tuple(
        Step(str(item.get("name")), str(item.get("state")), item.get("progress"))
        for item in data or ()
    )
