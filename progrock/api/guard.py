"""What every API request must fulfil before a view sees it (PROTOCOL section 2.1)."""

from django.http import HttpRequest
from ninja.utils import check_csrf

from progrock import identity
from progrock.errors import RequestError
from progrock.identity import Who
from progrock.protocol.codes import ErrorCode

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 1024 * 1024


def admit(request: HttpRequest) -> Who:
    """Return who asks, or raise RequestError. Used as the API's authentication.

    An unsafe call needs a JSON body type, the site's own Origin where one is sent, and with a
    session its CSRF token: so no page of another site can act for its visitor.
    """
    is_unsafe = request.method not in SAFE_METHODS
    if is_unsafe:
        _check_origin(request)
        _check_body(request)
    who = identity.of_request(request)
    by_session = not who.is_anonymous and "Authorization" not in request.headers
    if is_unsafe and by_session and check_csrf(request) is not None:
        raise RequestError(
            ErrorCode.NOT_PERMITTED, "The CSRF token is missing or wrong: send X-CSRFToken."
        )
    return who


def _check_origin(request: HttpRequest) -> None:
    origin = request.headers.get("Origin")
    scheme = request.scheme or "http"
    if origin is not None and not identity.is_own_origin(origin, request.get_host(), scheme):
        raise RequestError(ErrorCode.NOT_PERMITTED, "Pages of other sites may not do this.")


def _check_body(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise RequestError(ErrorCode.TOO_LARGE, f"At most {MAX_BODY_BYTES} bytes of body.")
    kind = (request.content_type or "").lower()
    if kind == "application/json" or (not kind and length == "0"):
        return
    raise RequestError(
        ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json."
    )
