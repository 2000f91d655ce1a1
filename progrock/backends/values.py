"""Values out of a reply: each is hostile input until it has gone through one of these. Pure."""

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from progrock.backends.http import HttpReply
from progrock.protocol.codec import encode

TEXT_LENGTH = 4_000
STEPS = 200
DEPTH = 64
MAX_WEIGHT = 1e9


def as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_scalar(value: Any) -> str:
    """Return a JSON value as one text, cut at 4,000 characters."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if not isinstance(value, str):
        value = encode(cleaned(value))
    return str(cleaned(value[:TEXT_LENGTH]))


def as_text(value: Any, length: int = TEXT_LENGTH) -> str | None:
    """Return a text for a person, cut at `length`; of an error object its message."""
    if value is None:
        return None
    value = cleaned(value)
    if type(value) is str:
        return value[: min(length, TEXT_LENGTH)] or None
    if isinstance(value, Mapping):
        value = value.get("message") or value.get("code") or value
    if value is None or value == "":
        return None
    return as_scalar(value)[:length]


def cleaned(value: Any, depth: int = DEPTH) -> Any:
    """Return JSON that can be stored and sent: without NUL, huge integers and endless depth."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**64 else float(value)
    if isinstance(value, list | dict) and depth == 0:
        return "…"
    if isinstance(value, list):
        return [cleaned(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item, depth - 1) for key, item in value.items()}
    return value


def as_steps(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    steps = []
    for item in value[:STEPS]:
        if not isinstance(item, Mapping):
            continue
        progress, weight = as_number(item.get("progress")), as_number(item.get("weight"))
        step: dict[str, Any] = {
            "name": as_text(item.get("name"), 200) or "",
            "state": as_text(item.get("state"), 60),
            "progress": None if progress is None else min(max(progress, 0.0), 100.0),
        }
        if weight is not None and weight > 0:
            step["weight"] = min(weight, MAX_WEIGHT)
        steps.append(step)
    return steps


def retry_after_of(reply: HttpReply, now: datetime | None = None) -> float | None:
    """Return Retry-After in seconds (RFC 9110, 10.2.3: seconds or a date); nonsense is None."""
    text = reply.headers.get("retry-after")
    if text is None:
        return None
    seconds = as_number(text)
    if seconds is None:
        try:
            at = email.utils.parsedate_to_datetime(text)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            seconds = (at - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0)
