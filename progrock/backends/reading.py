"""Read a backend's replies into changes of a job. Pure: values in, values out.

Replies are hostile input: numbers are bounded, texts are cut, nothing is trusted to have a type.
"""

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from progrock.backends import building
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply
from progrock.jobs.changes import Change, JobError, Observation, PollFailed, Started, StartFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.jobs.values import JobValue
from progrock.protocol.codec import encode

TEXT_LENGTH = 4_000
STEPS = 200
TRY_LATER = frozenset({408, 425, 429}) | frozenset(range(500, 600))


def read_start(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply
) -> Change:
    """Return Started or StartFailed for the reply to the start request."""
    retry_after = _retry_after(reply)
    if reply.status in TRY_LATER:
        return StartFailed(
            look=job.look,
            error=_error(JobErrorCode.BACKEND_REFUSED, _refusal(reply)),
            try_again=backend.is_idempotent,
            retry_after=retry_after,
        )
    start = reply.as_json()
    reply_error: str | None = None
    try:
        found = backend.start_fields.read(_document(reply, job, params, start))
    except BackendError as exc:
        found = {}
        reply_error = str(exc)
    if not 200 <= reply.status < 300 or found.get("refused") is True:
        message = _text(found.get("error")) or _refusal(reply)
        return StartFailed(look=job.look, error=_error(JobErrorCode.BACKEND_REFUSED, message))
    operation = found.get("operation")
    observation = _observation(backend, job, found, retry_after)
    is_unfollowable = operation is None and "operation" in backend.start_fields.names
    if (is_unfollowable or reply_error) and not _ends(observation):
        message = reply_error or "The backend accepted the job and told no id to ask for it by."
        return StartFailed(look=job.look, error=_error(JobErrorCode.BAD_REPLY, message))
    return Started(
        look=job.look,
        operation=None if operation is None else _scalar(operation),
        start=start,
        observation=observation,
    )


def read_poll(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply
) -> Change:
    """Return an Observation, or PollFailed when nothing can be learnt from the reply."""
    retry_after = _retry_after(reply)
    try:
        found = backend.poll_fields.read(_document(reply, job, params, job.start))
    except BackendError as exc:
        return _failed(job, JobErrorCode.BAD_REPLY, str(exc), retry_after)
    if _is_gone(backend, reply, found):
        return Observation(look=job.look, gone=True)
    if reply.status in TRY_LATER:
        message = f"The backend answers with HTTP {reply.status}."
        return _failed(job, JobErrorCode.BACKEND_UNREACHABLE, message, retry_after)
    observation = _observation(backend, job, found, retry_after)
    if not 200 <= reply.status < 300 and observation.state is None:
        message = f"The backend answers with HTTP {reply.status}: {_excerpt(reply)}"
        return _failed(job, JobErrorCode.BAD_REPLY, message, retry_after)
    if not reply.is_json and all(value is None for value in found.values()):
        message = f"The backend's answer says nothing that can be read: {_excerpt(reply)}"
        return _failed(job, JobErrorCode.BAD_REPLY, message, retry_after)
    return observation


def _is_gone(backend: Backend, reply: HttpReply, found: Mapping[str, Any]) -> bool:
    if "gone" in backend.poll_fields.names:
        return found.get("gone") is True
    return reply.status in {404, 410}


def _observation(
    backend: Backend, job: JobValue, found: Mapping[str, Any], retry_after: float | None
) -> Observation:
    told = _number(found.get("retry_after"))
    status_url = found.get("status_url")
    return Observation(
        look=job.look,
        state=_state(backend, found.get("state")),
        progress=_number(found.get("progress")),
        current=_number(found.get("current")),
        total=_number(found.get("total")),
        unit=_text(found.get("unit"), 60),
        message=_text(found.get("message")),
        steps=_steps(found.get("steps")),
        result=_clean(found.get("result")),
        error=_text(found.get("error")),
        status_url=building.checked(backend, status_url) if isinstance(status_url, str) else None,
        retry_after=retry_after if told is None else told,
    )


def _ends(observation: Observation) -> bool:
    return observation.state is not None and observation.state.is_terminal


def _state(backend: Backend, word: Any) -> State | None:
    """Return our state for a backend's word; None for an unknown word, which changes nothing."""
    if word is None:
        return None
    text = _scalar(word)
    if text in backend.states:
        return backend.states[text]
    try:
        return State(text)
    except ValueError:
        return None


def _document(reply: HttpReply, job: JobValue, params: Mapping[str, Any], start: Any) -> str:
    return encode(
        reply.as_json()
        | {
            "params": params,
            "operation": job.operation,
            "start": start,
            "also": None,
            "outcome": None,
            "lookup": None,
            "cancelled": job.cancel_requested is not None,
        }
    )


# --- values from outside -------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _scalar(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value[:TEXT_LENGTH] if isinstance(value, str) else encode(value)[:TEXT_LENGTH]


def _text(value: Any, length: int = TEXT_LENGTH) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("message") or value.get("code") or encode(value)
    if value is None or value == "":
        return None
    return str(_clean(_scalar(value)))[:length]


def _clean(value: Any) -> Any:
    """Return JSON without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _steps(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    steps = []
    for item in value[:STEPS]:
        if not isinstance(item, Mapping):
            continue
        progress = _number(item.get("progress"))
        steps.append(
            {
                "name": _text(item.get("name"), 200) or "",
                "state": _text(item.get("state"), 60),
                "progress": None if progress is None else min(max(progress, 0.0), 100.0),
            }
        )
    return steps


def _retry_after(reply: HttpReply, now: datetime | None = None) -> float | None:
    """Return Retry-After in seconds (RFC 9110, 10.2.3: seconds or a date); nonsense is None."""
    text = reply.headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0)


def _excerpt(reply: HttpReply) -> str:
    text = reply.content[:200].decode("utf-8", "replace").strip()
    return str(_clean(text)) or "(empty)"


def _refusal(reply: HttpReply) -> str:
    """Say why a start was refused, in the backend's own words where it has some."""
    body = reply.body
    reason = None
    if isinstance(body, Mapping):
        for key in ("error", "detail", "message", "title"):
            reason = reason or _text(body.get(key))
    return f"The backend refused the job (HTTP {reply.status}): {reason or _excerpt(reply)}"


def _error(code: JobErrorCode, message: str) -> JobError:
    return JobError(code=code, message=message[:TEXT_LENGTH])


def _failed(
    job: JobValue, code: JobErrorCode, message: str, retry_after: float | None
) -> PollFailed:
    return PollFailed(look=job.look, error=_error(code, message), retry_after=retry_after)
