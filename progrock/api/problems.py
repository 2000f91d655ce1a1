"""Errors as problem documents (RFC 9457), with the codes of the protocol."""

from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

from progrock.errors import RequestError
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode

logger = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"


def response_to(exc: RequestError, status: int | None = None) -> HttpResponse:
    """Return the answer to a refused request; `status` overrides that of the code."""
    status = status or exc.code.status
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": exc.code.value,
        "detail": exc.message,
        "message": exc.message,
        "retryable": exc.code.is_retryable,
    }
    if exc.details is not None:
        problem["details"] = exc.details
    if exc.job is not None:
        problem["job"] = exc.job
    if exc.retry_after is not None:
        problem["retry_after"] = exc.retry_after
    response = HttpResponse(encode(problem), status=status, content_type=CONTENT_TYPE)
    if exc.retry_after is not None:
        response["Retry-After"] = str(max(1, round(exc.retry_after)))
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="ProgRock"'
    return response


def unavailable(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Return the answer when something of ours failed; the reason goes to the log alone."""
    logger.error("a request failed", path=request.path, exc_info=exc)
    sorry = RequestError(
        ErrorCode.UNAVAILABLE, "This cannot be answered just now; try again.", retry_after=1
    )
    return response_to(sorry)
