"""Every refusal under `/api/` is a problem document, also those of Django itself."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from progrock.api import problems
from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode

_CODES = {
    400: (ErrorCode.BAD_MESSAGE, "The request, or the host that it names, is not right."),
    403: (ErrorCode.NOT_PERMITTED, "This is not permitted."),
    404: (ErrorCode.NOT_FOUND, "There is nothing at this address."),
    405: (ErrorCode.UNKNOWN_ACTION, "This address does not take this method."),
    413: (ErrorCode.TOO_LARGE, "The request is too large."),
}


@sync_and_async_middleware
def problem_documents(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Replace an HTML or empty refusal under `/api/` by a problem document; the outermost."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            answer = cast("Awaitable[HttpResponse]", get_response(request))
            return _as_problem(request, await answer)

        return markcoroutinefunction(asynchronous)

    def synchronous(request: HttpRequest) -> HttpResponse:
        return _as_problem(request, get_response(request))

    return synchronous


def _as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    known = _CODES.get(response.status_code)
    is_json = "json" in response.headers.get("Content-Type", "")
    if known is None or is_json or not request.path.startswith("/api/"):
        return response
    code, message = known
    allowed = response.headers.get("Allow")
    if allowed:
        message = f"{message} It takes: {allowed}."
    problem = problems.response_to(RequestError(code, message), status=response.status_code)
    if allowed:
        problem["Allow"] = allowed
    return problem
