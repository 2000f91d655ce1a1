"""`openapi.json`: OpenAPI 3.1 from the views, their models and what `api.describing` adds.

Ninja describes parameters, bodies and good answers. Here come the refusals, which follow from the
method, the parameters and the body, and the headers of answers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from ninja import NinjaAPI
from pydantic import BaseModel

from progrock.api.describing import HEADERS, REFUSES
from progrock.api.guard import SAFE_METHODS
from progrock.protocol import answers, events
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode
from progrock.protocol.problems import CHALLENGE, MEDIA_TYPE
from progrock.protocol.schemas import reference_to, schemas_of, tidied

Document = dict[str, Any]
PREFIX = "/api/v1/"
_BESIDE: tuple[type[BaseModel], ...] = (
    answers.Problem,
    answers.BackendList,
    *events.KEPT,
    events.SnapshotEvent,
    events.FeedSnapshotEvent,
)
_REASONS: Final = {
    ErrorCode.BAD_JSON: "the body is not JSON",
    ErrorCode.BAD_MESSAGE: "the request is not of the right form; see `details`",
    ErrorCode.UNKNOWN_BACKEND: "there is no such backend",
    ErrorCode.BAD_PARAMS: "the params are against the backend's schema; see `details`",
    ErrorCode.UNKNOWN_JOB: "there is no such job that you may see",
    ErrorCode.NOT_AUTHENTICATED: "who you are is not known, or no longer",
    ErrorCode.NOT_PERMITTED: "you may not do this",
    ErrorCode.NOT_CANCELLABLE: "the job has ended",
    ErrorCode.NOT_FINISHED: "the job has not ended so",
    ErrorCode.CONFLICT: "something else came first; see `details`",
    ErrorCode.TOO_LARGE: "the body is too large",
    ErrorCode.RATE_LIMITED: "too many at once",
    ErrorCode.UNAVAILABLE: "this cannot be answered just now",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "the body is said to be something else than JSON",
    ErrorCode.NOT_ACCEPTABLE: "`Accept` asks for what there is not",
    ErrorCode.NOT_FOUND: "there is nothing at this address",
}
_BROKEN = "the request cannot be read, or names a foreign host"
_RESPONSE_HEADERS: Final[dict[str, Document]] = {
    "Location": {
        "description": "Where the new job is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "ETag": {
        "description": "The job's `seq`, as a weak tag.",
        "required": True,
        "schema": {"type": "string", "pattern": '^W/"[0-9]+"$'},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds; where it is known when to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": CHALLENGE}},
}
_SECURITY: Final[Document] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's token, a share token (watches one job) or a report token.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A session of the site; unsafe calls need its `X-CSRFToken` too.",
    },
}
_TAGS: Final = {
    "jobs": "Start jobs, see how they are, stop them, start them once more.",
    "events": "A job's numbered events: page by page, or as a stream.",
    "comments": "What people say to a job.",
    "shares": "Links by which somebody without an account watches a job.",
    "backends": "What can be started.",
    "descriptions": "What you are reading, for programs and for people.",
    "hooks": "For backends: say that something changed.",
}


@cache
def describe_http(api: NinjaAPI) -> Document:
    """Return the OpenAPI document of the API, as JSON types."""
    made: Document = tidied(dict(api.get_openapi_schema(path_prefix=PREFIX)))
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete(path, method.upper(), operation)
    return {
        "openapi": made["openapi"],
        "info": {**made["info"], "title": "ProgRock", "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}, {}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": made["paths"],
        "components": {
            "schemas": _used(made, made["components"]["schemas"] | schemas_of(_BESIDE)),
            "securitySchemes": _SECURITY,
        },
    }


def _used(made: Document, schemas: Document) -> Document:
    """Return the schemas that something refers to; the parameters' models are told as such."""
    text = encode([made["paths"], schemas])
    return {name: schemas[name] for name in sorted(schemas) if f'/schemas/{name}"' in text}


def _complete(path: str, method: str, operation: Document) -> None:
    refusals = _refusals(path, method, operation)
    headers = operation.pop(HEADERS, {})
    operation["parameters"] = [_parameter(each) for each in operation["parameters"]]
    found = operation["responses"]
    for status, names in headers.items():
        found[status]["headers"] = {name: _RESPONSE_HEADERS[name] for name in names}
    for status, codes in sorted(refusals.items()):
        found[status] = _refusal(status, codes)
    operation["responses"] = {str(status): found[status] for status in sorted(found)}


def _refusals(path: str, method: str, operation: Document) -> dict[int, list[ErrorCode]]:
    """Return by status the codes with which an operation may be refused."""
    own: dict[int, list[ErrorCode]] = operation.pop(REFUSES, {})
    all_: defaultdict[int, list[ErrorCode]] = defaultdict(list)
    for code in _implied(path, method, operation):
        all_[code.status].append(code)
    all_[400].append(ErrorCode.BAD_MESSAGE)  # such as a foreign Host: Django's own refusals
    for status, codes in own.items():
        all_[status].extend(codes)
    return all_


def _implied(path: str, method: str, operation: Document) -> Iterator[ErrorCode]:
    """Give the codes that follow from what an operation takes."""
    is_public = operation.get("security") == []
    if not is_public:
        yield ErrorCode.NOT_AUTHENTICATED
    yield ErrorCode.UNAVAILABLE
    places = {each["in"] for each in operation["parameters"]}
    if "path" in places:
        yield ErrorCode.NOT_FOUND
    if "{job}" in path:
        yield ErrorCode.UNKNOWN_JOB
    if places & {"query", "header"} or "requestBody" in operation:
        yield ErrorCode.BAD_MESSAGE
    if "requestBody" in operation:
        yield ErrorCode.BAD_JSON
    if method not in SAFE_METHODS:
        yield ErrorCode.TOO_LARGE
        if not is_public:
            yield ErrorCode.NOT_PERMITTED
            yield ErrorCode.UNSUPPORTED_MEDIA_TYPE


def _refusal(status: int, codes: Iterable[ErrorCode]) -> Document:
    codes = sorted(set(codes))
    reasons = _REASONS | ({ErrorCode.BAD_MESSAGE: _BROKEN} if status == 400 else {})
    problem = reference_to(answers.Problem) | {
        "properties": {"status": {"const": status}, "code": {"enum": [str(code) for code in codes]}}
    }
    refusal: Document = {
        "description": "; ".join(f"`{code}`: {reasons[code]}" for code in codes) + ".",
        "content": {MEDIA_TYPE: {"schema": problem}},
    }
    name = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
    if name is not None:
        refusal["headers"] = {name: _RESPONSE_HEADERS[name]}
    return refusal


def _parameter(parameter: Document) -> Document:
    """Return a parameter as it is on the wire, where there is no null."""
    schema: Document = parameter["schema"]
    if "anyOf" in schema:
        (real,) = [each for each in schema["anyOf"] if each != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        schema = real | rest
    if (parameter["in"], parameter["name"]) == ("path", "job"):
        schema = schema | {"format": "uuid", "description": "The job's id."}
    description = schema.pop("description", None)
    if description is not None:
        parameter = parameter | {"description": description}
    return parameter | {"schema": schema}
