"""The log of a job on its backend: when to ask for it, and all that it has to tell. Pure.

A log costs a second request, so it is not asked for at each poll. A backend that tells how far
its log reaches (`map.log_size`) is asked when there is more of it; another one soon after its
status said something new, and seldom while it says the same.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from progrock.backends import building, reading
from progrock.backends.backend import Backend
from progrock.backends.errors import BackendError
from progrock.backends.http import HttpReply, HttpRequest, LogLook
from progrock.jobs.values import JobValue

# Seconds from one look at a log to the next, at least. The first is just short of a second, so
# that with poll.min = 1 each poll may bring one.
NEWS_SECONDS = 0.9
SAME_SECONDS = 5.0  # while the status says the same
ABSENT_SECONDS = 60.0  # where there was no log to be had
LAST_PAGES = 20  # fetched at the end of a job, so that its last lines are told

Ask = Callable[[HttpRequest], Generator[HttpRequest, HttpReply, HttpReply]]


@dataclass(frozen=True, slots=True)
class Pages:
    """What was fetched: new lines, where the log goes on, and whether there was a log."""

    lines: tuple[str, ...]
    offset: int
    is_there: bool


def is_due(
    backend: Backend,
    job: JobValue,
    latest: LogLook | None,
    at: datetime,
    *,
    size: float | None,
    is_news: bool,
    is_last: bool = False,
) -> bool:
    """Return whether a job is to be asked for its log at a time.

    `latest` is the last look at the log, where one is remembered; `size` is how far the log
    reaches, as the status told it; `is_news`: the status says something new; `is_last`: the end.
    """
    if backend.log is None:
        return False
    is_sized = "log_size" in backend.poll_fields.names
    if is_sized and (size is None or size <= job.log_offset):
        return False
    if latest is None or is_last:
        return True
    wait = NEWS_SECONDS if is_sized or is_news else SAME_SECONDS
    return (at - latest.at).total_seconds() >= (wait if latest.is_there else ABSENT_SECONDS)


def fetch(
    backend: Backend,
    job: JobValue,
    params: Mapping[str, Any],
    ask: Ask,
    *,
    is_last: bool,
) -> Generator[HttpRequest, HttpReply, Pages]:
    """Fetch a page of new lines, at the end all that are left. A log only adds: never raises."""
    lines: list[str] = []
    if backend.log is None:
        return Pages((), job.log_offset, is_there=False)
    for _ in range(LAST_PAGES if is_last else 1):
        try:
            context = building.context_of(job, params)
            reply = yield from ask(building.build(backend, backend.log, context))
            if not 200 <= reply.status < 300:
                return Pages(tuple(lines), job.log_offset, is_there=bool(lines))
            new, offset = reading.read_log(backend, job, params, reply, is_last=is_last)
        except BackendError:
            break  # the next poll asks again
        lines += new
        is_over = not new or offset == job.log_offset
        job = replace(job, log_offset=offset)
        if is_over:
            break
    return Pages(tuple(lines), job.log_offset, is_there=True)
