"""The end of a trial in lines: how it ended, what the description did not need of itself. Pure."""

from progrock.backends.trying import shaping, telling
from progrock.backends.trying.auditing import Coverage
from progrock.backends.trying.happenings import Role
from progrock.backends.trying.lines import BLANK, Line, Page, Style
from progrock.backends.trying.recording import Recording
from progrock.jobs.states import State
from progrock.jobs.values import JobValue

RESULT_LINES = 24


def ending(job: JobValue, polls: int, requests: int, page: Page) -> list[Line]:
    """Return how a job ended, or how it stood when it was left."""
    seconds = ((job.finished or job.updated) - job.created).total_seconds()
    counts = f"{telling.count(polls, 'poll')}, {telling.count(requests, 'request')}"
    state = job.state.value if job.state.is_terminal else f"still {job.state.value}"
    verdict = f"{state} after {shaping.duration(seconds)}: {counts}"
    lines = [Line(verdict, Style.GOOD if job.state is State.SUCCEEDED else Style.BAD)]
    if job.error is not None:
        lines += page.text(f"{job.error.code.value}: {job.error.message}", "  ", Style.BAD)
    if job.result is not None:
        shown = shaping.shortened(shaping.pretty(job.result, page.width - 10), RESULT_LINES)
        shown[0] = f"result: {shown[0]}"
        lines += [page.cut(f"  {line}", Style.JOB) for line in shown]
    return lines


def unused(coverage: Coverage, page: Page) -> list[Line]:
    """Return which fields and words of a description did not come up."""
    words = (f"{word} ({state.value})" for word, state in coverage.unseen_words.items())
    told = {
        "fields of map that never gave a value: ": ", ".join(coverage.silent_fields),
        "words of states that never came: ": ", ".join(words),
    }
    return [
        line
        for title, text in told.items()
        for line in page.text(title + (text or "none"), "", Style.JOB, rest="  ")
    ]


def comparison(
    recording: Recording, unasked: dict[Role, int], state: State, page: Page
) -> list[Line]:
    """Return how a replay was another trial than the recorded one."""
    lines: list[Line] = []
    if recording.state != state:
        told = f"the recording's own description read it as {recording.state}"
        lines += page.text(told, "! ", Style.WARNING)
    if unasked:
        parts = (f"{role} ({number})" for role, number in unasked.items())
        told = f"recorded, and not asked for now: {', '.join(parts)}"
        lines += page.text(told, "! ", Style.WARNING)
    if recording.left_out:
        told = f"the recording leaves out {recording.left_out:,} exchanges of its middle"
        lines += page.text(told, "! ", Style.WARNING)
    return [BLANK, *lines] if lines else []
