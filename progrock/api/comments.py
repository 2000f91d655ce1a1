"""The calls under `/api/v1/jobs/ID/comments`."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from progrock.api.jobs import json_response, who_of
from progrock.jobs import commenting
from progrock.protocol.answers import CommentPage
from progrock.protocol.jobs import JobComment
from progrock.protocol.messages import CommentRequest, Text

router = Router(tags=["comments"])


class Paging(Schema):
    """Which page: what was said after the comment `after`, or from `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Text | None = None
    after: Text | None = None


@router.get(
    "/{job}/comments",
    summary="What was said to a job",
    response={200: CommentPage},
)
def list_comments(request: HttpRequest, job: str, paging: Query[Paging]) -> HttpResponse:
    """{comments: [{id, author, text, at}], next}: the first said first; `next` is a cursor."""
    cursor = paging.cursor if paging.cursor is not None else paging.after
    page, next_ = commenting.page_of_comments(who_of(request), job, paging.limit, cursor)
    told = [commenting.told(comment) for comment in page]
    return json_response({"comments": told, "next": next_})


@router.post(
    "/{job}/comments",
    summary="Say something to a job",
    response={201: JobComment},
)
def add_comment(request: HttpRequest, job: str, body: CommentRequest) -> HttpResponse:
    """201 with the comment, {id, author, text, at}; all who watch get the event."""
    said = commenting.comment_on(who_of(request), job, body.text)
    return json_response(commenting.told(said), status=201)
