"""Reports of programs that do their own work, gathered and written a few at a time.

A program may report faster than anyone can look. What comes for one job between two writes is
merged: the latest figures, all log lines, and the end when it is among them. So a flood of reports
costs one transaction for many, and few events.
"""

import asyncio
import contextvars
from dataclasses import dataclass, replace
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction

from progrock import clock
from progrock.backends import push, registry
from progrock.backends.values import TEXT_LENGTH, as_steps
from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import log
from progrock.jobs.access import may_report
from progrock.jobs.changes import Observation, Reported
from progrock.jobs.queries import find_job
from progrock.jobs.states import State
from progrock.models import Job
from progrock.polling import lanes
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import Report, ReportedError

GATHER_SECONDS = 0.05
MOST_WAITING = 2_000  # jobs with a report that is not yet written
PER_SECOND = 20.0  # reports of one job
BURST = 100.0


@dataclass(slots=True)
class _Waiting:
    """What is to be written for one job, and who waits for it."""

    observation: Observation
    number: int
    written: asyncio.Future[None]


class Reports:
    """Gathers the reports of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, _Waiting] = {}
        self._rates: dict[UUID, tuple[float, float]] = {}
        self._task: asyncio.Task[None] | None = None

    async def take(self, who: Who, job: str, report: Report) -> Job:
        """Write a report, and return the job as it is then.

        A report whose `number` was taken before changes nothing. Raises RequestError:
        unknown_job, not_permitted, conflict (not a reported job, or it has ended), rate_limited.
        """
        found = await database_sync_to_async(_reportable)(who, job)
        if report.number is not None and report.number <= found.report_number:
            return found
        if found.is_terminal:
            raise RequestError(ErrorCode.CONFLICT, "The job has ended.", job=job)
        self._check_rate(found.id, is_end=report.is_end)
        await asyncio.shield(self._gather(found.id, report))
        return await database_sync_to_async(find_job)(who, job)

    def _gather(self, id_: UUID, report: Report) -> "asyncio.Future[None]":
        waiting = self._waiting.get(id_)
        seen = observation_of(report)
        if waiting is None:
            if len(self._waiting) >= MOST_WAITING:
                raise RequestError(
                    ErrorCode.UNAVAILABLE, "Too many reports are waiting.", retry_after=1
                )
            loop = asyncio.get_running_loop()
            waiting = self._waiting[id_] = _Waiting(seen, 0, loop.create_future())
            if self._task is None:
                # Not in the context of the first request, which ends before the writer does.
                self._task = loop.create_task(self._write(), context=contextvars.Context())
        elif report.number is not None and report.number <= waiting.number:
            return waiting.written  # the same report once more
        else:
            waiting.observation = merged(waiting.observation, seen)
        waiting.number = max(waiting.number, report.number or 0)
        return waiting.written

    async def _write(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_SECONDS)
                batch, self._waiting = self._waiting, {}
                await self._write_batch(batch)
        finally:
            self._task = None

    async def _write_batch(self, batch: dict[UUID, _Waiting]) -> None:
        try:
            await database_sync_to_async(_record)(batch)
        except Exception as exc:  # noqa: BLE001 - each who waits is told
            for waiting in batch.values():
                waiting.written.set_exception(exc)
        else:
            for waiting in batch.values():
                waiting.written.set_result(None)

    def _check_rate(self, id_: UUID, *, is_end: bool) -> None:
        """Let so many reports of a job through; the end of a job always."""
        now = asyncio.get_running_loop().time()
        tokens, at = self._rates.pop(id_, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        is_allowed = tokens >= 1.0 or is_end
        self._rates[id_] = (tokens - 1.0 if is_allowed else tokens, now)
        while len(self._rates) > MOST_WAITING:
            self._rates.pop(next(iter(self._rates)))
        if not is_allowed:
            raise RequestError(
                ErrorCode.RATE_LIMITED,
                f"At most {PER_SECOND:g} reports a second of one job; send the latest a bit later.",
                retry_after=round((1.0 - tokens) / PER_SECOND, 3),
            )


def observation_of(report: Report) -> Observation:
    """Return what a report says, in the form of a backend's reply."""
    error = report.error.message if isinstance(report.error, ReportedError) else report.error
    lines = report.log.splitlines() if isinstance(report.log, str) else report.log or []
    return Observation(
        look=0,
        state=State(report.state) if report.state else None,
        progress=report.progress,
        current=report.current,
        total=report.total,
        unit=report.unit,
        message=report.message,
        steps=as_steps(report.steps),
        result=report.result,
        error=error,
        log=tuple(line[:TEXT_LENGTH] for line in lines),
    )


def merged(earlier: Observation, later: Observation) -> Observation:
    """Return two reports as one: what was told last of each field, and all log lines."""
    kept = {
        name: getattr(later, name) if getattr(later, name) is not None else getattr(earlier, name)
        for name in ("total", "unit", "message", "steps", "result", "error")
    }
    has_figures = later.progress is not None or later.current is not None
    figures = later if has_figures else earlier
    is_over = earlier.state is not None and earlier.state.is_terminal
    return replace(
        later,
        **kept,
        state=earlier.state if is_over or later.state is None else later.state,
        progress=figures.progress,
        current=figures.current,
        log=earlier.log + later.log,
    )


def _reportable(who: Who, job: str) -> Job:
    found = find_job(who, job)
    if not may_report(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not report it.")
    if found.backend != push.NAME:
        raise RequestError(
            ErrorCode.CONFLICT, f"The job runs on {found.backend}, which is polled.", job=job
        )
    return found


def _record(batch: dict[UUID, _Waiting]) -> None:
    """Write a batch; a report that another process was quicker with is left out."""
    clock.check()
    with transaction.atomic():
        entries = []
        for id_, waiting in sorted(batch.items()):
            if waiting.number:
                unseen = Job.objects.filter(id=id_, report_number__lt=waiting.number)
                if not unseen.update(report_number=waiting.number):
                    continue
            entries.append(log.Entry(job=id_, change=Reported(observation=waiting.observation)))
        now = clock.now()
        lanes.arm_all(log.record(entries, registry.policy_of, now), now)


_reports: dict[asyncio.AbstractEventLoop, Reports] = {}


def reports() -> Reports:
    """Return the gatherer of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _reports:
        for closed in [other for other in _reports if other.is_closed()]:
            del _reports[closed]
        _reports[loop] = Reports()
    return _reports[loop]
