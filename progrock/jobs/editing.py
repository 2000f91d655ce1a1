"""Edit what people write to a job: title, note, labels and pin, under `version`.

Who edits names the version that was seen; when another edit came first, nothing is written and
the refusal tells the present values. An edit is an event like any other, also after the end.
"""

from collections.abc import Container
from datetime import datetime
from typing import Any

from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import log
from progrock.jobs.access import may_control
from progrock.jobs.log import Remark
from progrock.jobs.queries import find_job
from progrock.models import Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import JobEdit

FIELDS = ("title", "note", "labels", "pinned")


def edit_job(
    who: Who,
    job: str,
    edit: JobEdit,
    versions: Container[int] | None = None,
    by_connection: str | None = None,
) -> Job:
    """Return the job as edited, its `version` one higher. Without `versions`, any is right.

    Raises RequestError: unknown_job, not_permitted, or conflict where the present version is none
    of `versions`; its details are the present values.
    """
    found = find_job(who, job)
    if not may_control(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not edit it.")
    new = edit.model_dump(exclude_unset=True)

    def remark_on(row: Job, at: datetime) -> Remark:
        if versions is not None and row.version not in versions:
            raise _conflict(row)
        version = row.version + 1
        told = {"set": new, "version": version, "by": who.name, "by_connection": by_connection}
        return Remark(type="edited", more=told, columns=new | {"version": version})

    return log.remark(found.id, remark_on)


def present_values(row: Job) -> dict[str, Any]:
    """Return what edits work on, as it is now: {title, note, labels, pinned, version}."""
    return {name: getattr(row, name) for name in (*FIELDS, "version")}


def _conflict(row: Job) -> RequestError:
    return RequestError(
        ErrorCode.CONFLICT,
        f"Another edit came first: the present version is {row.version}. Look at the present "
        "values, and edit them under their version.",
        details=present_values(row),
        job=str(row.id),
    )
