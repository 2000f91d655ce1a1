"""What became of a job, in a sentence. Pure."""

from progrock.backends.http import HttpReply
from progrock.backends.trying import shaping
from progrock.backends.trying.happenings import Advanced
from progrock.jobs.changes import Observation, PollFailed, StartFailed
from progrock.jobs.states import Condition
from progrock.jobs.values import JobValue


def outcome_of(advanced: Advanced, reply: HttpReply | None) -> str:
    """Return what a look did to the job, or nothing; `reply` is the latest one to a poll."""
    change, after = advanced.change, advanced.after
    if any(event.type != "log" for event in advanced.events) and after.state.is_terminal:
        return summary(after)
    if isinstance(change, PollFailed):
        return f"this poll failed, {after.failures} in a row: {change.error.message}"
    if isinstance(change, StartFailed):
        return f"not started, to be tried again: {change.error.message}"
    if any(event.type != "log" for event in advanced.events):
        return summary(after)
    is_unknown = reply is not None and reply.status in {404, 410}
    if isinstance(change, Observation) and is_unknown:
        return "not known there yet, within not_found_grace"
    return ""


def summary(job: JobValue) -> str:
    """Return how a job stands: state, figures, message, time left, error."""
    state = job.state.value
    if job.condition is not Condition.OK:
        state += f", {job.condition.value}"
    parts = [state, *_figures(job)]
    if job.error is not None:
        parts.append(f"{job.error.code.value}: {job.error.message}")
    elif job.message:
        parts.append(job.message)
    if job.eta is not None:
        parts.append(f"about {shaping.duration(max(job.eta, 1.0))} left")
    return " · ".join(parts)


def _figures(job: JobValue) -> list[str]:
    figures = []
    if job.progress is not None:
        figures.append(f"{shaping.number(job.progress)} %")
    if job.current is not None:
        of_total = "" if job.total is None else f" of {shaping.number(job.total)}"
        unit = f" {job.unit}" if job.unit else ""
        figures.append(f"{shaping.number(job.current)}{of_total}{unit}")
    if not figures and not job.state.is_terminal:
        figures.append("progress unknown")
    return figures


def count(number: int, what: str) -> str:
    """Return `1 poll` or `2 polls`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
