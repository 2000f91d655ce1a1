"""The API object: routers, admission, and errors as problem documents."""

from typing import Any

from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser
from redis import RedisError

from progrock import __version__
from progrock.api import (
    backends,
    comments,
    descriptions,
    edits,
    events,
    hooks,
    problems,
    results,
    shares,
)
from progrock.api.guard import admit
from progrock.errors import RequestError
from progrock.protocol.codec import decode_json, describe
from progrock.protocol.codes import ErrorCode


class StrictParser(Parser):
    """Reads bodies as frames are read: what is no JSON, such as NaN, is refused."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the JSON value of a body. Raises RequestError(bad_json)."""
        return decode_json(request.body)


class Api(NinjaAPI):
    """The API under `/api/v1/`; its description is made by `api.openapi`."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the name of the view: a generated client's function is called so."""
        return operation.view_func.__name__


api = Api(
    parser=StrictParser(),
    title="ProgRock",
    version=__version__,
    description="Start long-running jobs by name and follow them by numbered events.",
    urls_namespace="api-v1",
    auth=admit,
    docs_url=None,
    openapi_url=None,
)
api.add_router("/jobs", edits.router)  # that of jobs, with PATCH
api.add_router("/jobs", comments.router)
api.add_router("/jobs", shares.router)
api.add_router("/jobs", results.router)
api.add_router("/jobs", events.router)
api.add_router("/events", events.feed_router)
api.add_router("/backends", backends.router)
api.add_router("/hooks", hooks.router)
api.add_router("", descriptions.router_of(api))


@api.exception_handler(RequestError)
def _refused(request: HttpRequest, exc: RequestError) -> HttpResponse:
    is_address = any(place in request.path for place in ("/backends/", "/hooks/"))
    is_lookup = exc.code is ErrorCode.UNKNOWN_BACKEND and is_address
    return problems.response_to(exc, status=404 if is_lookup else None)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    if request.method == "POST" and not request.body:
        return problems.response_to(RequestError(ErrorCode.BAD_JSON, "The body is empty."))
    details = [_problem(error) for error in exc.errors]
    return problems.response_to(
        RequestError(ErrorCode.BAD_MESSAGE, describe(details), details=details)
    )


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    """Ninja's own: a body that is not JSON."""
    code = ErrorCode.BAD_JSON if exc.status_code == 400 else ErrorCode.BAD_MESSAGE
    return problems.response_to(RequestError(code, "The body is not JSON."))


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, exc: Http404) -> HttpResponse:
    return problems.response_to(RequestError(ErrorCode.NOT_FOUND, "There is nothing here."))


@api.exception_handler(DatabaseError)
@api.exception_handler(RedisError)
@api.exception_handler(Exception)
def _failed(request: HttpRequest, exc: Exception) -> HttpResponse:
    return problems.unavailable(request, exc)


def _problem(error: dict[str, Any]) -> dict[str, str]:
    """Return one of pydantic's errors as {field, message}; the place of our wrapper is left out."""
    place = [str(part) for part in error["loc"] if part not in {"body", "query", "header"}]
    return {
        "field": ".".join(place),
        "message": str(error["msg"]).removeprefix("Value error, "),
    }
