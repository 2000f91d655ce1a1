"""Do an ended job once more: a new job that names the first one."""

from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import services
from progrock.jobs.access import may_control
from progrock.jobs.queries import find_job
from progrock.models import Job
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import RetryRequest, StartRequest


def retry_job(who: Who, job: str, request: RetryRequest, key: str | None = None) -> Job:
    """Return a new job with the backend, params, title and labels of an ended one.

    The request's params replace those of the same name, or with `replace` all of them, and its
    title the first job's; the same `key` gives the same job again.
    Raises RequestError: unknown_job, not_permitted, not_finished, and what `services.start_job`
    raises, since the description of the backend may have changed.
    """
    found = find_job(who, job)
    if not may_control(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not retry it.")
    if not found.is_terminal:
        raise RequestError(
            ErrorCode.NOT_FINISHED,
            "The job has not ended: cancel it first, or wait for its end.",
            job=job,
        )
    again = StartRequest(
        backend=found.backend,
        params=request.params if request.replace else found.params | request.params,
        title=request.title or found.title,
        labels=found.labels,
    )
    return services.start_job(who, again, key, retry_of=found)
