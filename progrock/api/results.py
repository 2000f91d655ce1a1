"""A job's result: its JSON, or the picture that it names, brought through the site.

Browsers need not reach a backend, and its address stays unknown to them. Only pictures are
brought: a page or script of a backend must never run under the site's own origin.
"""

from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse
from ninja import Router

from progrock.api.describing import also, content
from progrock.api.jobs import json_response, who_of
from progrock.backends import building, registry
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpRequest as BackendRequest
from progrock.backends.single_call import send_once
from progrock.errors import RequestError
from progrock.jobs import queries
from progrock.jobs.states import State
from progrock.models import Job
from progrock.polling.limits import NotNow, turn
from progrock.protocol.answers import ResultBody
from progrock.protocol.codes import ErrorCode

router = Router(tags=["jobs"])
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
TURN_SECONDS = 10.0  # that a reader waits for a turn at the backend
MAX_PICTURE_BYTES = 64 * 1024 * 1024


@router.get(
    "/{job}/result",
    summary="A job's result",
    response={200: ResultBody},
    openapi_extra=also(
        refuses={409: [ErrorCode.NOT_FINISHED]},
        responses={200: content(*sorted(PICTURES), format="binary")},
    ),
)
async def get_result(request: HttpRequest, job: str) -> HttpResponse:
    """The picture where the result is {url, media_type: image/…}, else {result}."""
    found = await database_sync_to_async(queries.find_job)(who_of(request), job)
    if found.state != State.SUCCEEDED:
        raise RequestError(
            ErrorCode.NOT_FINISHED, "The job has no result (yet): it has not succeeded.", job=job
        )
    url = _picture_url(found.result)
    if url is None:
        return json_response({"result": found.result})
    return await database_sync_to_async(_picture)(found, url)


def _picture_url(result: Any) -> str | None:
    """Return the address of a result of the form {url, media_type: image/…}."""
    if not isinstance(result, dict) or result.get("media_type") not in PICTURES:
        return None
    url = result.get("url")
    return url if isinstance(url, str) else None


def _picture(job: Job, url: str) -> HttpResponse:
    backend = registry.find(job.backend)
    if backend is None:
        raise _unavailable(f"no backend {job.backend!r} is configured any longer")
    try:
        request = BackendRequest(
            method="GET", url=building.checked(backend, url), headers=backend.headers
        )
        with turn(backend, job.id, wait_seconds=TURN_SECONDS) as its_turn:
            reply = send_once(request, backend.policy.timeout, MAX_PICTURE_BYTES)
            its_turn.note_reply(reply)
    except (NotNow, TimeoutError) as exc:
        raise _unavailable(str(exc) or "the backend is busy") from exc
    except BackendError as exc:
        raise _unavailable(backend.mask.text(str(exc))) from exc
    reply = backend.mask.reply(reply)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if reply.status != 200 or kind not in PICTURES:
        raise _unavailable(f"the backend answers with HTTP {reply.status} and {kind or 'no type'}")
    response = HttpResponse(reply.content, content_type=kind)
    response["Cache-Control"] = "private, max-age=3600"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _unavailable(reason: str) -> RequestError:
    return RequestError(ErrorCode.UNAVAILABLE, f"The picture cannot be had now: {reason}.")
