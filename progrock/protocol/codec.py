"""Frames to messages, and objects to frames. No I/O: used by every transport.

orjson refuses what JSON (RFC 8259) does not know, such as NaN, and lone surrogates.
"""

from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import (
    Auth,
    Cancel,
    ClientMessage,
    Comment,
    Edit,
    ListJobs,
    Ping,
    Retry,
    Start,
    Unwatch,
    Watch,
)

MAX_FRAME_BYTES = 64 * 1024
_ACTIONS: dict[str, TypeAdapter[Any]] = {
    "auth": TypeAdapter(Auth),
    "start": TypeAdapter(Start),
    "watch": TypeAdapter(Watch),
    "unwatch": TypeAdapter(Unwatch),
    "cancel": TypeAdapter(Cancel),
    "retry": TypeAdapter(Retry),
    "edit": TypeAdapter(Edit),
    "comment": TypeAdapter(Comment),
    "list": TypeAdapter(ListJobs),
    "ping": TypeAdapter(Ping),
}


class BadFrame(RequestError):
    """Raised by `decode` for a frame that holds no valid message; `frame_id` is its id."""

    def __init__(
        self, code: ErrorCode, message: str, *, frame_id: str | None = None, details: Any = None
    ) -> None:
        super().__init__(code, message, details=details)
        self.frame_id = frame_id


def encode(value: Any) -> str:
    """Return `value` (JSON types, str-keyed) as one line of JSON text."""
    return orjson.dumps(value).decode()


def decode_json(data: str | bytes) -> Any:
    """Return the JSON value in `data`. Raises RequestError(bad_json)."""
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise RequestError(ErrorCode.BAD_JSON, f"This is not JSON: {exc}.") from exc


def id_of(frame: str | bytes) -> str | None:
    """Return the `id` of a frame that is not to be read further, or None where it has none."""
    try:
        value = orjson.loads(frame)
    except ValueError:
        return None
    return _id_in(value)


def _id_in(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= 64 else None


def decode(frame: str | bytes) -> ClientMessage:
    """Return the message in one text frame. Raises BadFrame, which says what is wrong."""
    if not isinstance(frame, str):
        raise BadFrame(ErrorCode.BAD_MESSAGE, "Send text frames; this one is binary.")
    try:
        value = decode_json(frame)
    except RequestError as exc:
        raise BadFrame(exc.code, exc.message) from exc
    if not isinstance(value, dict):
        raise BadFrame(ErrorCode.BAD_MESSAGE, 'Send one JSON object, such as {"action":"ping"}.')
    id_ = _id_in(value)
    action = value.get("action")
    if not isinstance(action, str):
        raise BadFrame(ErrorCode.BAD_MESSAGE, 'The message needs "action", a string.', frame_id=id_)
    adapter = _ACTIONS.get(action)
    if adapter is None:
        raise BadFrame(
            ErrorCode.UNKNOWN_ACTION,
            f"There is no action {action[:64]!r}. Known: {', '.join(sorted(_ACTIONS))}.",
            frame_id=id_,
        )
    try:
        return adapter.validate_python(value)  # type: ignore[no-any-return]
    except ValidationError as exc:
        details = problems(exc)
        raise BadFrame(
            ErrorCode.BAD_MESSAGE, describe(details), frame_id=id_, details=details
        ) from exc


def problems(exc: ValidationError) -> list[dict[str, str]]:
    """Return a validation error as [{field, message}], without the values that were sent."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"]),
            "message": error["msg"].removeprefix("Value error, "),
        }
        for error in exc.errors(include_url=False, include_input=False, include_context=False)
    ]


def describe(details: list[dict[str, str]]) -> str:
    """Return `problems` as one sentence a problem."""
    return "; ".join(
        f"{item['field']}: {item['message']}" if item["field"] else item["message"]
        for item in details
    )
