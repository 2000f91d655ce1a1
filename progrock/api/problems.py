"""Problem documents as HTTP answers."""

from http import HTTPStatus

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from progrock.errors import RequestError
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode
from progrock.protocol.problems import CHALLENGE, MEDIA_TYPE, document

logger = structlog.get_logger(__name__)


def response_to(exc: RequestError, status: int | None = None) -> HttpResponse:
    """Return the answer to a refused request; `status` overrides that of the code."""
    status = status or exc.code.status
    response = HttpResponse(encode(document(exc, status)), status=status, content_type=MEDIA_TYPE)
    if exc.retry_after is not None:
        response["Retry-After"] = str(max(1, round(exc.retry_after)))
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = CHALLENGE
    return response


def unavailable(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Return the answer when something of ours failed; the reason goes to the log alone."""
    if isinstance(exc, OperationalError | InterfaceError):  # it is known where that comes from
        logger.error("the database does not answer a request", path=request.path, error=str(exc))
    else:
        logger.error("a request failed", path=request.path, exc_info=exc)
    return response_to(sorry())


def sorry() -> RequestError:
    """Return the error for what failed on our side."""
    return RequestError(
        ErrorCode.UNAVAILABLE, "This cannot be answered just now; try again.", retry_after=1
    )
