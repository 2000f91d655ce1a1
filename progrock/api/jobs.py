"""The calls under `/api/v1/jobs`."""

from typing import Annotated, Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Header, Query, Router, Schema
from pydantic import Field

from progrock import identity
from progrock.api.describing import also, content
from progrock.api.waiting import wait_for_change
from progrock.backends import conversation, push, registry
from progrock.backends.errors import BackendError
from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import queries, retrying, services
from progrock.jobs.reporting import reports
from progrock.jobs.rows import value_of
from progrock.jobs.snapshot import snapshot
from progrock.live import attendance
from progrock.live.snapshots import snapshot_of, snapshots_of
from progrock.models import Job
from progrock.polling.limits import NotNow, turn
from progrock.polling.starting import drive
from progrock.protocol.answers import JobPage
from progrock.protocol.codec import encode
from progrock.protocol.codes import ErrorCode
from progrock.protocol.jobs import Snapshot, StartedJob
from progrock.protocol.messages import KEY_LENGTH, Filter, Report, RetryRequest, StartRequest, Text
from progrock.protocol.states import State

router = Router(tags=["jobs"])
MAX_WAIT_SECONDS = 60.0
_TAGGED = ("ETag", "Cache-Control")
TURN_SECONDS = 10.0  # that a reader waits for a turn at the backend
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH,
        description="The same key from the same user gives the same job, for 24 hours.",
    ),
]


def who_of(request: HttpRequest) -> Who:
    """Return the visitor that the guard admitted."""
    return request.auth  # type: ignore[attr-defined,no-any-return]


@router.post(
    "",
    summary="Start a job",
    response={202: StartedJob},
    openapi_extra=also(
        refuses={
            409: [ErrorCode.CONFLICT],
            422: [ErrorCode.UNKNOWN_BACKEND, ErrorCode.BAD_PARAMS],
        },
        headers={202: ["Location"]},
    ),
)
def start_job(
    request: HttpRequest, body: StartRequest, idempotency_key: IdempotencyKey = None
) -> HttpResponse:
    """202 with the snapshot; the backend is asked afterwards, what it says comes as events."""
    who = who_of(request)
    return _started(services.start_job(who, body, idempotency_key), who)


@router.post(
    "/{job}/retry",
    summary="Start an ended job once more",
    response={202: StartedJob},
    openapi_extra=also(
        refuses={
            409: [ErrorCode.NOT_FINISHED, ErrorCode.CONFLICT],
            422: [ErrorCode.UNKNOWN_BACKEND, ErrorCode.BAD_PARAMS],
        },
        headers={202: ["Location"]},
    ),
)
def retry_job(
    request: HttpRequest,
    job: str,
    body: RetryRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> HttpResponse:
    """202 with the snapshot of a new job, whose `retry_of` names the first one."""
    who = who_of(request)
    changed = body or RetryRequest()
    return _started(retrying.retry_job(who, job, changed, idempotency_key), who)


def _started(job: Job, who: Who) -> HttpResponse:
    answer = snapshot_of(job, who)
    if job.backend == push.NAME:
        answer["report_token"] = identity.report_token(job.id)
    response = json_response(answer, status=202)
    response["Location"] = reverse("api-v1:job", args=[job.id])
    return response


class Listing(Schema):
    """Which jobs, and which page of them."""

    state: list[State] = []
    backend: Text | None = None
    label: Text | None = None
    q: Annotated[Text, Field(max_length=200)] | None = None
    mine: bool = False
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Text | None = None


@router.get(
    "",
    summary="List jobs",
    response={200: JobPage},
    openapi_extra=also(refuses={403: [ErrorCode.NOT_PERMITTED]}),
)
def list_jobs(request: HttpRequest, listing: Query[Listing]) -> HttpResponse:
    """{jobs, next}: newest first; `next` is the cursor of the following page, or null."""
    who = who_of(request)
    wanted = Filter(
        state=listing.state or None,
        backend=listing.backend,
        label=listing.label,
        mine=listing.mine,
    )
    jobs, next_ = queries.page_of_jobs(who, wanted, listing.limit, listing.cursor, listing.q)
    return json_response({"jobs": snapshots_of(jobs, who), "next": next_})


@router.get(
    "/{job}",
    url_name="job",
    summary="One job, at once or when it changes",
    response={200: Snapshot, 304: None},
    openapi_extra=also(headers={200: _TAGGED, 304: _TAGGED}),
)
async def get_job(
    request: HttpRequest,
    job: str,
    after: Annotated[int | None, Query(ge=0)] = None,
    wait: Annotated[float, Query(ge=0)] = 0.0,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> HttpResponse:
    """The snapshot, with its seq as ETag; with `after` and `wait`, when seq is beyond `after`."""
    who = who_of(request)
    read = database_sync_to_async(_looked_in)
    found = await read(who, job)
    if after is not None and wait > 0 and found.seq <= after and not found.is_terminal:
        await wait_for_change(who, found, after, min(wait, MAX_WAIT_SECONDS))
        found = await read(who, job)
    etag = f'W/"{found.seq}"'
    if after is None and if_none_match is not None and _names(if_none_match, etag):
        response = HttpResponse(status=304)
    else:
        response = json_response(await database_sync_to_async(snapshot_of)(found, who))
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@router.post(
    "/{job}/cancel",
    summary="Cancel a job",
    response={202: Snapshot},
    openapi_extra=also(refuses={409: [ErrorCode.NOT_CANCELLABLE]}),
)
def cancel_job(request: HttpRequest, job: str) -> HttpResponse:
    """202 with the snapshot, now `cancelling`; `cancelled` follows when the backend says so."""
    who = who_of(request)
    return json_response(snapshot_of(services.cancel_job(who, job), who), status=202)


@router.post(
    "/{job}/report",
    summary="Report the progress of a program's own job",
    response={200: Snapshot},
    openapi_extra=also(refuses={409: [ErrorCode.CONFLICT], 429: [ErrorCode.RATE_LIMITED]}),
)
async def report_job(request: HttpRequest, job: str, body: Report) -> HttpResponse:
    """200 with the snapshot after the report; `state: cancelling` asks the program to stop."""
    who = who_of(request)
    return json_response(snapshot(await reports().take(who, job, body), who))


@router.get(
    "/{job}/log",
    summary="A job's whole log, as its backend tells it",
    response={200: None},
    openapi_extra=also(responses={200: content("text/plain")}),
)
def get_log(request: HttpRequest, job: str) -> HttpResponse:
    """Text: what the backend's log request gives from the beginning, at most 1 MiB."""
    found = queries.find_job(who_of(request), job)
    backend = registry.find(found.backend)
    if backend is None or backend.log is None or found.started is None:
        raise RequestError(ErrorCode.NOT_FOUND, "The backend of this job tells no log.")
    try:
        with turn(backend, found.id, wait_seconds=TURN_SECONDS) as its_turn:
            text = drive(conversation.whole_log(backend, value_of(found), found.params), its_turn)
    except (BackendError, NotNow, TimeoutError) as exc:
        reason = str(exc) or "The backend is busy."
        raise RequestError(ErrorCode.UNAVAILABLE, reason, retry_after=5) from exc
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def json_response(value: dict[str, Any], status: int = 200) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(encode(value), status=status, content_type="application/json")


def _looked_in(who: Who, job: str) -> Job:
    """Return a job, and have the worker know that somebody asks for it."""
    found = queries.find_job(who, job)
    attendance.look_in(str(found.id), found.backend, found.state)
    return found


def _names(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names the tag (RFC 9110, 13.1.2: weak comparison)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
