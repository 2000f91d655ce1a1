"""The closed sets of the protocol: error codes and close codes (PROTOCOL section 2.7)."""

from enum import IntEnum, StrEnum
from typing import Final


class ErrorCode(StrEnum):
    """What went wrong, for a program. `status` is the HTTP status of the same error."""

    BAD_JSON = "bad_json"
    BAD_MESSAGE = "bad_message"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_BACKEND = "unknown_backend"
    BAD_PARAMS = "bad_params"
    UNKNOWN_JOB = "unknown_job"
    NOT_AUTHENTICATED = "not_authenticated"
    NOT_PERMITTED = "not_permitted"
    NOT_CANCELLABLE = "not_cancellable"
    NOT_FINISHED = "not_finished"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_WATCHES = "too_many_watches"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"  # HTTP only; beyond PROTOCOL
    NOT_ACCEPTABLE = "not_acceptable"  # HTTP only; beyond PROTOCOL
    NOT_FOUND = "not_found"  # HTTP only: no such address or nothing there; beyond PROTOCOL

    @property
    def status(self) -> int:
        """The HTTP status, 400 to 503."""
        return _STATUS[self]

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return self in {self.RATE_LIMITED, self.UNAVAILABLE}


_STATUS: Final = {
    ErrorCode.BAD_JSON: 400,
    ErrorCode.BAD_MESSAGE: 422,
    ErrorCode.UNKNOWN_ACTION: 404,
    ErrorCode.UNKNOWN_BACKEND: 422,
    ErrorCode.BAD_PARAMS: 422,
    ErrorCode.UNKNOWN_JOB: 404,
    ErrorCode.NOT_AUTHENTICATED: 401,
    ErrorCode.NOT_PERMITTED: 403,
    ErrorCode.NOT_CANCELLABLE: 409,
    ErrorCode.NOT_FINISHED: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.TOO_MANY_WATCHES: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.NOT_FOUND: 404,
}


class CloseCode(IntEnum):
    """Why the server closed a WebSocket (RFC 6455 section 7.4, and our own from 4400)."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    RESTARTING = 1012
    TRY_LATER = 1013  # too slow to read, or the server is overloaded
    BAD_FRAMES = 4400
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    AUTH_TIMEOUT = 4408
    FLOODING = 4429

    @property
    def may_reconnect(self) -> bool:
        """Whether a client may connect again with the same request, after a pause."""
        return self < 4400 or self in {self.AUTH_TIMEOUT, self.FLOODING}
