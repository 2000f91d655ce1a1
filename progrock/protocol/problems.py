"""Errors as problem documents (RFC 9457), with the codes of the protocol. Pure."""

from http import HTTPStatus
from typing import Any

from progrock.errors import RequestError

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="ProgRock"'  # WWW-Authenticate, which each 401 carries


def document(exc: RequestError, status: int) -> dict[str, Any]:
    """Return the document for a request that is refused with an HTTP status."""
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
    return problem
