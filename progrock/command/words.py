"""Figures and texts as people read them in a terminal. Pure."""

import unicodedata

from progrock.client import Snapshot

_DIRECTIONS = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"}


def shown(text: str | None) -> str:
    """Return text on one line, without what would steer the terminal: it is not ours."""
    return "".join(
        " " if char in "\n\r\t" else "\ufffd" if _steers(char) else char for char in text or ""
    ).strip()


def _steers(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs"} or char in _DIRECTIONS


def percent(progress: float | None) -> str:
    """Return progress such as `42 %`; nothing where it is unknown. 100 only at 100."""
    return "" if progress is None else f"{int(progress)} %"


def duration(seconds: float) -> str:
    """Return seconds such as `0:07`, `12:30` or `3:00:00`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(job: Snapshot) -> str:
    """Return how much is done, such as `204/480 rows`; nothing where nobody said."""
    if job.current is None:
        return ""
    of_total = "" if job.total is None else f"/{number(job.total)}"
    return f"{number(job.current)}{of_total} {shown(job.unit)}".strip()


def number(value: float) -> str:
    """Return a figure with at most one place."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"


def ending(job: Snapshot) -> str:
    """Return how a job ended, such as `failed after 0:12: the disk is full`."""
    words = str(job.state).replace("_", " ")
    if job.finished and job.created:
        words += f" after {duration((job.finished - (job.started or job.created)).total_seconds())}"
    reason = shown(job.error.message) if job.error and job.state != "cancelled" else ""
    return f"{words}: {reason}" if reason else words
