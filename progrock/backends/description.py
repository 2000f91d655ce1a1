"""The form of the TOML file: what may stand there, checked as a whole (BACKENDS).

These models say what keys and types are allowed. What they mean together is checked, and turned
into a `Backend`, by `progrock.backends.backend`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthTable(_Table):
    """How to say who asks: a bearer token, or `user:password`."""

    bearer: str | None = None
    basic: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "AuthTable":
        if (self.bearer is None) == (self.basic is None):
            raise ValueError("give one of bearer and basic")
        return self


class ChallengeTable(_Table):
    """On this status: copy the header from the reply, and send the request again with it."""

    status: Annotated[int, Field(ge=400, le=499)]
    header: str


class RequestTable(_Table):
    """One request of a backend, with templates."""

    needs_address: ClassVar[bool] = True

    method: Method | None = None
    path: str | None = None
    url: str | None = None
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    json_: Any = Field(default=None, alias="json")
    form: dict[str, Any] | None = None
    body: str | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> "RequestTable":
        if self.path is not None and self.url is not None:
            raise ValueError("give one of path and url, not both")
        if self.needs_address and self.path is None and self.url is None:
            raise ValueError("give a path or a url")
        if sum(part is not None for part in (self.json_, self.form, self.body)) > 1:
            raise ValueError("give only one of json, form and body")
        return self


class StartTable(RequestTable):
    """The request that starts the work."""

    idempotent: bool = False


class StatusTable(RequestTable):
    """The request that asks for the state; without an address it goes to the `status_url`."""

    needs_address: ClassVar[bool] = False


class BatchTable(RequestTable):
    """One request that asks for the state of many."""

    size: Annotated[int, Field(ge=1, le=10_000)] = 100
    each: str


class PollTable(_Table):
    """When to look, and when to give up; see PollPolicy for the units."""

    min: Seconds = 1.0
    max: Seconds = 30.0
    deadline: Seconds = 86_400.0
    stall_after: Seconds = 600.0
    failures: Annotated[int, Field(ge=1, le=100_000)] = 20
    unreachable_for: Annotated[float, Field(ge=0)] = 300.0
    per_second: Annotated[float, Field(gt=0, le=100_000)] = 50.0
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 16
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0

    @model_validator(mode="after")
    def _ordered(self) -> "PollTable":
        if self.min > self.max:
            raise ValueError("min is larger than max")
        return self


class BackendTable(_Table):
    """One backend."""

    preset: str | None = None
    title: str | None = None
    description: str = ""
    base_url: str
    origins: list[str] = []
    auth: AuthTable | None = None
    headers: dict[str, str] = {}
    cookies: Literal["none", "job", "backend"] = "none"
    challenge: ChallengeTable | None = None
    hook_secrets: list[str] = []
    not_found_grace: Annotated[float, Field(ge=0, le=3600)] = 10.0
    params: dict[str, Any] = {"type": "object"}
    lookup: RequestTable | None = None
    start: StartTable
    status: StatusTable | Literal["code"] | None = None
    batch: BatchTable | None = None
    also: RequestTable | None = None
    outcome: RequestTable | None = None
    cancel: RequestTable | None = None
    log: RequestTable | None = None
    map: dict[str, str] = {}
    states: dict[str, str] = {}
    poll: PollTable = PollTable()

    @model_validator(mode="after")
    def _can_be_asked(self) -> "BackendTable":
        if self.status is None and self.batch is None:
            raise ValueError('needs a status table, status = "code", or a batch table')
        is_at_url = self.status == "code" or (
            isinstance(self.status, StatusTable) and not (self.status.path or self.status.url)
        )
        if is_at_url and "status_url" not in self.map:
            raise ValueError(
                "status has no address of its own: give status.path, status.url, or map.status_url"
            )
        return self


class BackendsFile(_Table):
    """The whole file."""

    default: str | None = None
    backends: dict[str, BackendTable] = {}
