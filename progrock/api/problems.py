"""Problem documents as HTTP answers."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from progrock.errors import RequestError
from progrock.failures import try_again
from progrock.protocol.codec import encode
from progrock.protocol.problems import CHALLENGE, MEDIA_TYPE, document


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
    return response_to(try_again(exc, "a request failed", path=request.path))
