"""Comments on a job: said once, told to all who watch, and kept beside the log.

The log keeps the latest events only; the history of comments stays in a table of its own.
"""

from datetime import datetime
from typing import Any

from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import log
from progrock.jobs.access import may_control
from progrock.jobs.log import Remark
from progrock.jobs.queries import find_job
from progrock.models import Comment, Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.frames import timestamp


def comment_on(who: Who, job: str, text: str) -> Comment:
    """Return what was said to a job, also after its end; all who watch get the event.

    Raises RequestError: unknown_job, or not_permitted.
    """
    found = find_job(who, job)
    if not may_control(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not comment on it.")
    said = Comment(job=found, author_id=who.user, text=text)

    def remark_on(row: Job, at: datetime) -> Remark:
        said.at = at
        said.save(force_insert=True)  # while the row is held: ids rise as events do
        return Remark(type="comment", more={"comment": told(said)})

    log.remark(found.id, remark_on)
    return said


def page_of_comments(
    who: Who, job: str, limit: int, cursor: str | None
) -> tuple[list[Comment], str | None]:
    """Return up to `limit` comments on a job, the first said first, and the next page's cursor.

    The cursor is the id of the last comment seen. Raises RequestError: unknown_job, or
    bad_message for a cursor that is none.
    """
    comments = find_job(who, job).comments.select_related("author").order_by("id")
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
            raise RequestError(
                ErrorCode.BAD_MESSAGE, "The cursor is not one of ours; take it from next."
            )
        comments = comments.filter(id__gt=int(cursor))
    page = list(comments[: limit + 1])
    more = len(page) > limit
    page = page[:limit]
    return page, str(page[-1].pk) if more else None


def told(comment: Comment) -> dict[str, Any]:
    """Return a comment as clients get it: {id, author, text, at}."""
    return {
        "id": str(comment.pk),
        "author": comment.author.get_username() if comment.author else None,
        "text": comment.text,
        "at": timestamp(comment.at),
    }
