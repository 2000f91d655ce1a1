"""Read a backend's replies into changes of a job. Pure: values in, values out.

Replies are hostile input: numbers are bounded, texts are cut, nothing is trusted to have a type.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from progrock.backends import building
from progrock.backends.backend import Backend, Batch
from progrock.backends.errors import BadReply, Unreachable
from progrock.backends.http import HttpReply
from progrock.backends.templates import Address
from progrock.backends.values import (
    TEXT_LENGTH,
    as_number,
    as_scalar,
    as_steps,
    as_text,
    cleaned,
    retry_after_of,
)
from progrock.jobs.changes import Change, JobError, Observation, PollFailed, Started, StartFailed
from progrock.jobs.states import JobErrorCode, State
from progrock.jobs.values import JobValue
from progrock.protocol.codec import encode

TRY_LATER = frozenset({408, 425, 429}) | frozenset(range(500, 600))


def read_start(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply
) -> Change:
    """Return Started or StartFailed for the reply to the start request.

    Raises BadReply or Refused when the reply cannot be taken.
    """
    retry_after = retry_after_of(reply)
    if reply.status in TRY_LATER:
        return StartFailed(
            look=job.look,
            error=_error(JobErrorCode.BACKEND_REFUSED, _refusal(reply)),
            try_again=backend.is_idempotent,
            retry_after=retry_after,
        )
    start: dict[str, Any] = cleaned(reply.as_json())
    found = backend.start_fields.read(document(reply, job, params, start=start))
    if not 200 <= reply.status < 300 or found.get("refused") is True:
        message = as_text(found.get("error")) or _refusal(reply)
        return StartFailed(look=job.look, error=_error(JobErrorCode.BACKEND_REFUSED, message))
    operation = found.get("operation")
    observation = _observation(backend, job, found, reply, retry_after)
    if backend.is_by_code and reply.status != 202 and observation.status_url is None:
        observation = replace(observation, state=State.SUCCEEDED)  # answered at once
    if not _ends(observation) and not _can_be_followed(backend, operation, observation):
        what = "id" if "operation" in backend.start_fields.names else "address"
        raise BadReply(f"The backend accepted the job and told no {what} to ask for it by.")
    return Started(
        look=job.look,
        operation=None if operation is None else as_scalar(operation),
        start=start,
        observation=observation,
    )


def begun_job(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply
) -> JobValue:
    """Return a job with what its start's reply tells templates. Raises BadReply."""
    start: dict[str, Any] = cleaned(reply.as_json())
    operation = backend.start_fields.read(document(reply, job, params, start=start)).get(
        "operation"
    )
    return replace(job, start=start, operation=None if operation is None else as_scalar(operation))


def read_cancel_url(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply | None
) -> Address | None:
    """Return where a job is stopped: what `reply` tells of its status, else what its start told.

    Raises Refused for a foreign address.
    """
    told = [] if reply is None else [(document(reply, job, params, start=job.start), reply.url)]
    told.append(({**(job.start or {}), **_beside(job, params, job.start)}, ""))
    for said, base in told:
        url = backend.cancel_fields.read(said).get("cancel_url")
        if isinstance(url, str) and url.strip():
            return Address(building.checked(backend, url, base))
    return None


def _can_be_followed(backend: Backend, operation: Any, seen: Observation) -> bool:
    if seen.status_url is not None:
        return True
    has_address = backend.status is not None and (
        backend.status.path is not None or backend.status.url is not None
    )
    needs_operation = "operation" in backend.start_fields.names
    return (has_address or backend.batch is not None) and (
        operation is not None or not needs_operation
    )


def read_poll(
    backend: Backend,
    job: JobValue,
    params: Mapping[str, Any],
    reply: HttpReply,
    at: datetime | None = None,
    *,
    also: HttpReply | None = None,
    outcome: HttpReply | None = None,
) -> Change:
    """Return an Observation, or PollFailed when nothing can be learnt from the reply.

    Raises BadReply when it cannot be read, Refused when it names a foreign address.
    """
    at = at or datetime.now(UTC)
    retry_after = retry_after_of(reply)
    fields = backend.poll_fields
    found = fields.read(
        {"body": reply.body}
        if fields.reads_body_alone
        else document(reply, job, params, start=job.start, also=also, outcome=outcome)
    )
    if _is_gone(backend, reply, found):
        began = job.started or job.created
        is_early = (at - began).total_seconds() < backend.not_found_grace
        is_cancelled = job.cancel_requested is not None
        return Observation(look=job.look, gone=is_cancelled or not is_early)
    if reply.status in TRY_LATER or 300 <= reply.status < 400:
        return _unanswered(job, reply, retry_after)
    observation = _observation(backend, job, found, reply, retry_after)
    if backend.is_by_code:
        return _by_code(job, observation, reply, retry_after)
    if not 200 <= reply.status < 300 and observation.state is None:
        message = f"The backend answers with HTTP {reply.status}: {reason_of(reply)}"
        return _failed(job, JobErrorCode.BAD_REPLY, message, retry_after)
    if not reply.is_json and all(value is None for value in found.values()):
        message = f"The backend's answer says nothing that can be read: {_excerpt(reply)}"
        return _failed(job, JobErrorCode.BAD_REPLY, message, retry_after)
    return observation


def _unanswered(job: JobValue, reply: HttpReply, retry_after: float | None) -> PollFailed:
    if reply.status in TRY_LATER:
        code = JobErrorCode.BACKEND_UNREACHABLE
        message = f"The backend answers with HTTP {reply.status}."
    else:
        code = JobErrorCode.BAD_REPLY
        message = f"The backend answers with a redirect (HTTP {reply.status}); none is followed."
    return _failed(job, code, message, retry_after)


_BY_CODE = {202: State.RUNNING, 200: State.SUCCEEDED, 201: State.SUCCEEDED, 204: State.SUCCEEDED}


def _by_code(
    job: JobValue, seen: Observation, reply: HttpReply, retry_after: float | None
) -> Change:
    """Read the state from the status code alone (RFC 9110, 15.3.3: 202 means not yet done)."""
    state = _BY_CODE.get(reply.status)
    if state is None and 400 <= reply.status < 500:
        return replace(seen, state=State.FAILED, error=seen.error or reason_of(reply))
    if state is None:
        message = f"The backend answers with HTTP {reply.status}, which tells no state."
        return _failed(job, JobErrorCode.BAD_REPLY, message, retry_after)
    return replace(seen, state=state)


def digest(backend: Backend, reply: HttpReply, also: HttpReply | None) -> int | None:
    """Return a number that is the same for replies that say the same of a job.

    None where even the same reply may say something new: it has failed, is not yet known there,
    sets a cookie, or tells how long to wait.
    """
    if not 200 <= reply.status < 300 or reply.set_cookie:
        return None
    if also is None:
        return hash(_said(backend, reply))
    return hash((_said(backend, reply), _said(backend, also)))


def _said(backend: Backend, reply: HttpReply) -> tuple[object, ...]:
    if not backend.poll_fields.reads_headers:
        return reply.status, reply.url, reply.content
    headers = ((name, value) for name, value in reply.headers.items() if name != "date")
    return reply.status, reply.url, reply.content, *headers


def read_lookup(
    backend: Backend, job: JobValue, params: Mapping[str, Any], reply: HttpReply
) -> Any:
    """Return the value for `{lookup}`. Raises BadReply when there is none."""
    found = backend.lookup_fields.read(document(reply, job, params)).get("lookup")
    if found is None:
        raise BadReply("The lookup found nothing: map.lookup gave no value.")
    return cleaned(found)


def read_batch(batch: Batch, reply: HttpReply) -> dict[str, HttpReply]:
    """Return each job's part of a batch reply, by operation. Raises BadReply or Unreachable."""
    if reply.status in TRY_LATER:
        raise Unreachable(f"The backend answers the batch with HTTP {reply.status}.")
    if not 200 <= reply.status < 300:
        raise BadReply(f"The backend refuses the batch: {reason_of(reply)}")
    parts = {}
    for item in batch.each.read(reply.as_json()):
        if isinstance(item, Mapping) and item.get("operation") is not None:
            content = encode(cleaned(item.get("body"))).encode()
            parts[as_scalar(item["operation"])] = replace(reply, content=content)
    return parts


def read_log(
    backend: Backend,
    job: JobValue,
    params: Mapping[str, Any],
    reply: HttpReply,
    *,
    is_last: bool,
) -> tuple[list[str], int]:
    """Return the new lines of a log reply, and the next offset.

    A last line without its end is left for the next time, unless there is none. Raises BadReply.
    """
    names, offset = backend.log_fields.names, job.log_offset
    found = backend.log_fields.read(document(reply, job, params, start=job.start))
    text = found.get("log") if "log" in names else reply.content.decode("utf-8", "replace")
    told = as_number(found.get("log_offset"))
    if isinstance(text, str) and told is None and not is_last and "log" not in names:
        whole = reply.content.rpartition(b"\n")[0]
        kept = len(whole) + 1 if whole or reply.content.startswith(b"\n") else 0
        return _lines(whole.decode("utf-8", "replace")) if kept else [], offset + kept
    following = offset + len(reply.content) if told is None else max(int(told), 0)
    return _lines(text), following


def _lines(value: Any) -> list[str]:
    """Return log lines from a text or a list of texts, each cut at a bound."""
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, list):
        return []
    return [str(cleaned(as_scalar(line)))[:TEXT_LENGTH] for line in value if line is not None]


def _is_gone(backend: Backend, reply: HttpReply, found: Mapping[str, Any]) -> bool:
    if "gone" in backend.poll_fields.names:
        return found.get("gone") is True
    return reply.status in {404, 410}


def _observation(
    backend: Backend,
    job: JobValue,
    found: Mapping[str, Any],
    reply: HttpReply,
    retry_after: float | None,
) -> Observation:
    told: dict[str, Any] = {"look": job.look}
    for name, value in found.items():
        if value is not None and name in _READERS:
            told[name] = _READERS[name](value)
    word = found.get("state")
    if word is not None:
        told["state"], told["unknown_word"] = _state(backend, word)
    if "steps" in told:
        told["steps"] = _named(backend, told["steps"])
    status_url = found.get("status_url")
    if isinstance(status_url, str) and status_url.strip():
        told["status_url"] = building.checked(backend, status_url, reply.url)
    if told.get("retry_after") is None:
        told["retry_after"] = retry_after
    return Observation.of(told)


_READERS: dict[str, Callable[[Any], Any]] = {
    "progress": as_number,
    "current": as_number,
    "total": as_number,
    "retry_after": as_number,
    "log_size": as_number,
    "unit": lambda value: as_text(value, 60),
    "message": as_text,
    "error": as_text,
    "result": cleaned,
    "steps": as_steps,
    "log": lambda value: tuple(_lines(value)),
}


def _ends(observation: Observation) -> bool:
    return observation.state is not None and observation.state.is_terminal


def _state(backend: Backend, word: Any) -> tuple[State, str | None]:
    """Return our state for a backend's word, and the word where it is an unknown one.

    A job whose backend says something unknown is at work on something: it is running.
    """
    text = word if type(word) is str and word in backend.states else as_scalar(word)
    if text in backend.states:
        return backend.states[text], None
    try:
        return State(text), None
    except ValueError:
        return State.RUNNING, text[:200]


def _named(backend: Backend, steps: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return steps whose state is one of ours where `states` knows its word."""
    for step in steps or ():
        ours = backend.states.get(step["state"])
        if ours is not None:
            step["state"] = ours.value
    return steps


def document(
    reply: HttpReply,
    job: JobValue,
    params: Mapping[str, Any],
    *,
    start: Any = None,
    also: HttpReply | None = None,
    outcome: HttpReply | None = None,
) -> dict[str, Any]:
    """Return the document that expressions see (BACKENDS)."""
    others = {"also": also and also.as_json(), "outcome": outcome and outcome.as_json()}
    return reply.as_json() | _beside(job, params, start) | others


def _beside(job: JobValue, params: Mapping[str, Any], start: Any) -> dict[str, Any]:
    """Return what a document has beside the replies."""
    return {
        "params": params,
        "operation": job.operation,
        "start": start,
        "lookup": job.lookup,
        "cancelled": job.cancel_requested is not None,
        "offset": job.log_offset,
    }


def _excerpt(reply: HttpReply) -> str:
    text = reply.content[:200].decode("utf-8", "replace").strip()
    return str(cleaned(text)) or "(empty)"


def reason_of(reply: HttpReply) -> str:
    """Return why something was refused, in the backend's own words where it has some."""
    body = reply.body
    if isinstance(body, Mapping):
        for key in ("error", "detail", "message", "title", "reason"):
            reason = as_text(body.get(key))
            if reason:
                return reason
    return _excerpt(reply)


def _refusal(reply: HttpReply) -> str:
    return f"The backend refused the job (HTTP {reply.status}): {reason_of(reply)}"


def _error(code: JobErrorCode, message: str) -> JobError:
    return JobError(code=code, message=message[:TEXT_LENGTH])


def _failed(
    job: JobValue, code: JobErrorCode, message: str, retry_after: float | None
) -> PollFailed:
    return PollFailed(look=job.look, error=_error(code, message), retry_after=retry_after)
