"""`POST jobs/ID/share`: a link by which somebody without an account watches one job."""

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from progrock import sharing
from progrock.api.describing import also
from progrock.api.jobs import json_response, who_of
from progrock.errors import RequestError
from progrock.jobs.access import may_control
from progrock.jobs.queries import find_job
from progrock.protocol.answers import SharedLink
from progrock.protocol.codes import ErrorCode
from progrock.protocol.frames import timestamp
from progrock.protocol.messages import ShareRequest
from progrock.sharing import Share

router = Router(tags=["shares"])


@router.post(
    "/{job}/share",
    summary="Make a link to watch a job",
    response={200: SharedLink},
    openapi_extra=also(headers={200: ["Cache-Control"]}),
)
def share_job(request: HttpRequest, job: str, body: ShareRequest | None = None) -> HttpResponse:
    """{url, token, expires}. The token is Bearer for this job alone, and good for watching only.

    It stands in the fragment of the address, which browsers send to no server.
    """
    who = who_of(request)
    found = find_job(who, job)
    if not may_control(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not share it.")
    seconds = (body or ShareRequest()).expires_in
    share = Share(
        str(found.id), datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    )
    token = sharing.token_for(share)
    page = request.build_absolute_uri(reverse("job", args=[found.id]))
    answer = {"url": f"{page}#share={token}", "token": token, "expires": timestamp(share.expires)}
    response = json_response(answer)
    response["Cache-Control"] = "no-store"
    return response
