"""`GET jobs/ID/events`: a part of a job's log as JSON; and what the streams beside it are asked.

The same addresses as event streams stand in `api.event_streams`.
"""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from progrock.api.accepting import wants_stream
from progrock.api.describing import also, parameter, stream
from progrock.api.jobs import who_of
from progrock.errors import RequestError
from progrock.jobs import queries
from progrock.live import attendance
from progrock.protocol.answers import EventPage
from progrock.protocol.codes import ErrorCode
from progrock.protocol.events import KEPT, FeedSnapshotEvent, SnapshotEvent
from progrock.protocol.messages import MAX_SEQ, Filter, Text
from progrock.protocol.schemas import constant_of
from progrock.protocol.states import State

_LAST_EVENT_ID = parameter(
    "header", "Last-Event-ID", "The stream goes on after it; comes before `after`."
)
_KEPT = {constant_of(model, "type"): model for model in KEPT}
router = Router(tags=["events"])
feed_router = Router(tags=["events"])


class JobEventsQuery(Schema):
    """Which events of a job."""

    after: Annotated[int | None, Field(ge=0, le=MAX_SEQ)] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class FeedQuery(Schema):
    """The events of which jobs; `after` is the id of the last event that the client has."""

    state: list[State] = []
    backend: Text | None = None
    label: Text | None = None
    mine: bool = False
    after: Text | None = None

    @property
    def filter(self) -> Filter:
        """The same as a filter of the feed."""
        return Filter(
            state=self.state or None, backend=self.backend, label=self.label, mine=self.mine
        )


@router.get(
    "/{job}/events",
    summary="A job's events",
    response={200: EventPage, 204: None},
    openapi_extra=also(
        refuses={406: [ErrorCode.NOT_ACCEPTABLE]},
        parameters=[
            _LAST_EVENT_ID,
            parameter("query", "token", "A share token, for those who can send no header."),
        ],
        responses={
            200: stream(
                "With `Accept: text/event-stream`: `id` is the seq, `event` the type, `data` the "
                "frame. Begins with a `snapshot` where not all events after are kept.",
                {"snapshot": SnapshotEvent, **_KEPT},
            ),
            204: {"description": "The stream is over: do not come again."},
        },
    ),
)
def list_events(request: HttpRequest, job: str, asked: Query[JobEventsQuery]) -> HttpResponse:
    """{events, next, recovered}: the frames with seq > `after`, in order.

    `next` is the `after` of the following page, or null where this one ends at the job's seq.
    `recovered` is false where events between `after` and the first one here are no longer kept, or
    `after` is beyond the log.
    """
    if wants_stream(request.headers.get("Accept", "")):
        raise _not_acceptable("This process answers with JSON only; ask the ASGI server.")
    found = queries.find_job(who_of(request), job)
    attendance.look_in(str(found.id), found.backend, found.state)
    after = asked.after or 0
    events = queries.events_after(found.id, after, asked.limit + 1)
    page = events[: asked.limit]
    is_recovered = page[0].seq == after + 1 if page else after == found.seq
    next_ = str(page[-1].seq) if len(events) > len(page) else "null"
    # The frames are JSON already.
    body = (
        f'{{"events":[{",".join(event.frame for event in page)}],"next":{next_},'
        f'"recovered":{"true" if is_recovered else "false"}}}'
    )
    response = HttpResponse(body, content_type="application/json")
    response["Cache-Control"] = "private, no-cache"
    return response


@feed_router.get(
    "",
    summary="The events of all jobs, as a stream",
    response={200: None},
    openapi_extra=also(
        refuses={403: [ErrorCode.NOT_PERMITTED], 406: [ErrorCode.NOT_ACCEPTABLE]},
        parameters=[_LAST_EVENT_ID],
        responses={
            200: stream(
                "`id` is opaque, `event` the type, `data` the frame. Begins with a `snapshot` "
                "where there is none to go on after.",
                {"snapshot": FeedSnapshotEvent, **_KEPT},
            )
        },
    ),
)
def feed(request: HttpRequest, asked: Query[FeedQuery]) -> HttpResponse:
    """An event stream; see there (406 for who takes none)."""
    raise _not_acceptable("The feed is an event stream: send Accept: text/event-stream.")


def _not_acceptable(message: str) -> RequestError:
    return RequestError(ErrorCode.NOT_ACCEPTABLE, message)
