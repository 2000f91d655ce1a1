"""`PATCH jobs/ID`: edit title, note, labels and pin, under If-Match (RFC 9110, 13.1.1)."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Header

from progrock.api import problems
from progrock.api.describing import also
from progrock.api.jobs import json_response, router, who_of
from progrock.errors import RequestError
from progrock.jobs import editing
from progrock.live.snapshots import snapshot_of
from progrock.protocol.codes import ErrorCode
from progrock.protocol.jobs import Snapshot
from progrock.protocol.messages import JobEdit

__all__ = ["edit_job", "router"]  # one address takes its methods from one router


@router.patch(
    "/{job}",
    summary="Edit title, note, labels and pin",
    response={200: Snapshot},
    openapi_extra=also(refuses={412: [ErrorCode.CONFLICT]}, headers={200: ["ETag"]}),
)
def edit_job(
    request: HttpRequest,
    job: str,
    body: JobEdit,
    if_match: Annotated[
        str | None,
        Header(alias="If-Match", description='The version that was seen, such as `"3"`.'),
    ] = None,
) -> HttpResponse:
    """200 with the snapshot; 412 with the present values where If-Match names another version."""
    who = who_of(request)
    try:
        edited = editing.edit_job(who, job, body, _versions(if_match))
    except RequestError as exc:
        if exc.code is not ErrorCode.CONFLICT:
            raise
        return problems.response_to(exc, status=412)
    response = json_response(snapshot_of(edited, who))
    response["ETag"] = f'W/"{edited.seq}"'
    return response


def _versions(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that a header names, None for any. A weak tag names none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip().strip('"') for tag in if_match.split(","))
    return frozenset(int(tag) for tag in tags if tag.isdecimal() and len(tag) <= 20)
