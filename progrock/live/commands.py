"""The commands of a connection that are asked, done and answered, and leave nothing behind.

What a connection follows stands in `live.consumer`.
"""

from progrock.identity import Who
from progrock.jobs import commenting, editing, queries, services
from progrock.live.snapshots import snapshots_of
from progrock.protocol import frames, messages
from progrock.protocol.frames import Frame

Command = messages.Cancel | messages.Edit | messages.Comment | messages.ListJobs


def answer(who: Who, connection: str, asked: Command) -> Frame:
    """Do what is asked on a connection and return the answering frame. Raises RequestError."""
    match asked:
        case messages.Cancel():
            job = services.cancel_job(who, asked.job)
            return frames.ack(asked.id, str(job.id))
        case messages.Edit():
            versions = None if asked.version is None else {asked.version}
            job = editing.edit_job(who, asked.job, asked.set, versions, connection)
            return frames.ack(asked.id, str(job.id), version=job.version)
        case messages.Comment():
            said = commenting.comment_on(who, asked.job, asked.text)
            return frames.ack(asked.id, str(said.job_id), comment=commenting.told(said))
        case messages.ListJobs():
            page, next_ = page_of_snapshots(who, asked.filter, asked.limit, asked.cursor)
            return frames.jobs(asked.id, page, next_)


def page_of_snapshots(
    who: Who, wanted: messages.Filter, limit: int, cursor: str | None
) -> tuple[list[Frame], str | None]:
    """Return up to `limit` jobs as snapshots, and the cursor of the next page."""
    page, next_ = queries.page_of_jobs(who, wanted, limit, cursor)
    return snapshots_of(page, who), next_
