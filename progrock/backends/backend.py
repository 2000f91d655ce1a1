"""A backend, ready for use: templates parsed, expressions compiled, origins known. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast
from urllib.parse import SplitResult, urlsplit

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry

from progrock.backends.cookies import Jar
from progrock.backends.expressions import Fields, Stream
from progrock.backends.masking import Mask
from progrock.backends.templates import Template
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import State

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Return the origin of an absolute http or https URL. Raises ValueError otherwise."""
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url[:200]!r} is not an absolute http:// or https:// address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address must not hold a user or password; use auth")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname.lower(), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTemplate:
    """One request of a description. `query`, `json` and `form` are trees of templates."""

    method: str
    path: Template | None = None
    url: Template | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    body: Template | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One request that asks for the state of up to `size` jobs; `each` reads its reply."""

    request: RequestTemplate
    size: int
    each: Stream


@dataclass(slots=True)
class Remembered:
    """What a backend told this process: its latest challenge, and the cookies of all jobs."""

    challenge: str | None = None
    cookies: Jar = field(default_factory=dict)
    unknown_words: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a client may start by its name: params are checked by a JSON Schema."""

    name: str
    title: str
    description: str = ""
    params_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})

    def filled_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the params with the schema's defaults for what is missing."""
        properties = self.params_schema.get("properties", {})
        defaults = {
            name: schema["default"]
            for name, schema in properties.items()
            if isinstance(schema, Mapping) and "default" in schema
        }
        return defaults | dict(params)

    def params_problems(self, params: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return what is wrong with the params, as [{field, pointer, message}]; empty when valid.

        `pointer` is a JSON Pointer (RFC 6901), of what is missing that to its place.
        """
        validator = Draft202012Validator(
            self.params_schema, registry=Registry(), format_checker=FormatChecker()
        )
        errors = sorted(validator.iter_errors(params), key=lambda error: list(map(str, error.path)))
        return [_problem(error) for error in errors[:50]]


def _problem(error: ValidationError) -> dict[str, str]:
    place = [str(part) for part in error.path]
    if error.validator == "required":  # its path is that of the object around it
        names = [str(name) for name in cast("list[Any]", error.validator_value)]
        place += [name for name in names if error.message.startswith(f"{name!r} is a ")][:1]
    pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place)
    return {
        "field": ".".join(map(str, error.path)),
        "pointer": pointer,
        "message": error.message[:500],
    }


@dataclass(frozen=True, kw_only=True)
class Backend(Offer):
    """One configured service that is polled. Clients know its name, never its URL."""

    base_url: str
    origins: frozenset[Origin]
    headers: Mapping[str, str]
    cookies: Literal["none", "job", "backend"] = "none"
    challenge_status: int | None = None
    challenge_header: str = ""
    hook_secrets: tuple[str, ...] = ()
    mask: Mask = field(default_factory=Mask)
    lookup: RequestTemplate | None = None
    start: RequestTemplate
    is_idempotent: bool
    status: RequestTemplate | None  # None: only in batches
    is_by_code: bool = False
    batch: Batch | None = None
    also: RequestTemplate | None = None
    outcome: RequestTemplate | None = None
    cancel: RequestTemplate | None = None
    log: RequestTemplate | None = None
    lookup_fields: Fields
    start_fields: Fields
    poll_fields: Fields
    log_fields: Fields
    cancel_fields: Fields
    states: Mapping[str, State]
    policy: PollPolicy
    not_found_grace: float
    remembered: Remembered = field(default_factory=Remembered, compare=False)

    @cached_property
    def says_all_at_once(self) -> bool:
        """Whether the same status reply again says nothing new: neither log lines nor a wait."""
        return not {"log", "retry_after"} & set(self.poll_fields.names)
