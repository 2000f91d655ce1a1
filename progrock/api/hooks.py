"""`POST hooks/BACKEND`: a backend says that something changed (Standard Webhooks).

A hook never says what changed: it brings the next poll forward, and what the poll finds counts.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from standardwebhooks import Webhook, WebhookVerificationError

from progrock import clock
from progrock.api.describing import also, parameter
from progrock.api.jobs import json_response
from progrock.backends import registry
from progrock.errors import RequestError
from progrock.models import Job
from progrock.polling import lanes
from progrock.polling.claim import hasten
from progrock.protocol.answers import Hooked
from progrock.protocol.codec import decode_json
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import HookRequest, as_job_id

router = Router(tags=["hooks"])
MAX_BODY_BYTES = 64 * 1024
MAX_JOBS = 100  # that one hook brings forward: an operation should name one
_HEADERS = {
    "webhook-id": "A name of the message of the sender's own.",
    "webhook-timestamp": "Unix seconds, not more than five minutes off.",
    "webhook-signature": "`v1,` and the signature by the backend's secret.",
}


@router.post(
    "/{name}",
    auth=None,
    summary="Tell that something changed",
    response={202: Hooked},
    openapi_extra=also(
        refuses={401: [ErrorCode.NOT_AUTHENTICATED], 404: [ErrorCode.UNKNOWN_BACKEND]},
        security=[],
        parameters=[parameter("header", name, text) for name, text in _HEADERS.items()],
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": HookRequest.model_json_schema()}},
        },
    ),
)
def take_hook(request: HttpRequest, name: str) -> HttpResponse:
    """202 for a signed {operation} or {job}, also where it is known to none of our jobs."""
    backend = registry.backends().by_name.get(name)
    if backend is None or not backend.hook_secrets:
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"No backend {name[:100]!r} takes hooks.")
    if len(request.body) > MAX_BODY_BYTES:
        raise RequestError(ErrorCode.TOO_LARGE, f"At most {MAX_BODY_BYTES} bytes of body.")
    headers = {key: request.headers.get(key, "") for key in _HEADERS}
    if not any(_is_signed(secret, request.body, headers) for secret in backend.hook_secrets):
        raise RequestError(
            ErrorCode.NOT_AUTHENTICATED,
            "The signature is not right, or its time is more than five minutes off.",
        )
    jobs = _jobs_named(name, decode_json(request.body))
    now = clock.now()
    for job in jobs:
        if hasten(job.id, now):
            lanes.arm(job.backend, job.shard, now, now)
    return json_response({"jobs": len(jobs)}, status=202)


def _is_signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a malformed header
        return False
    return True


def _jobs_named(backend: str, body: Any) -> list[Job]:
    told = body if isinstance(body, dict) else {}
    operation, job = told.get("operation"), told.get("job")
    open_jobs = Job.objects.filter(backend=backend, due_at__isnull=False)
    if isinstance(job, str):
        id_ = as_job_id(job)
        return list(open_jobs.filter(id=id_)) if id_ else []
    if isinstance(operation, str | int) and not isinstance(operation, bool):
        return list(open_jobs.filter(operation=str(operation))[:MAX_JOBS])
    raise RequestError(ErrorCode.BAD_MESSAGE, 'Send {"operation": "…"} or {"job": "…"}.')
