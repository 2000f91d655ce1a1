"""Lists in the terminal; where there is none, fields separated by tabs, one job a line."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from progrock.client import Backend, Snapshot, State
from progrock.command.words import duration, percent, shown

STYLES = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.CANCELLED: "yellow",
    State.CANCELLING: "yellow",
}


def print_jobs(jobs: Sequence[Snapshot]) -> None:
    """Print jobs, with their whole ids: they are what the other commands take."""
    if not sys.stdout.isatty():
        for job in jobs:
            words = (job.job, job.state, percent(job.progress), job.backend, shown(job.title))
            print("\t".join(words))
        return
    table = _table("job", "state", "", "title", "age")
    table.columns[0].no_wrap = True
    table.columns[0].min_width = 36
    table.columns[2].justify = "right"
    table.columns[4].justify = "right"
    now = datetime.now(UTC)
    for job in jobs:
        age = "" if job.created is None else duration((now - job.created).total_seconds())
        state = Text(str(job.state).replace("_", " "), STYLES.get(job.state, ""))
        table.add_row(job.job, state, percent(job.progress), Text(shown(job.title)), age)
    _print(table, "No jobs.", is_empty=not jobs)


def print_backends(backends: Sequence[Backend]) -> None:
    """Print what jobs can be started on."""
    if not sys.stdout.isatty():
        for backend in backends:
            print("\t".join((backend.name, shown(backend.title), shown(backend.description))))
        return
    table = _table("backend", "title", "what it does")
    table.columns[2].no_wrap = False
    for backend in backends:
        name = f"{backend.name} (default)" if backend.default else backend.name
        table.add_row(Text(name), Text(shown(backend.title)), Text(shown(backend.description)))
    _print(table, "No backend is described.", is_empty=not backends)


def print_backend(backend: Backend) -> None:
    """Print one backend with its parameters."""
    console = Console(highlight=False)
    console.print(Text(f"{backend.name}: {shown(backend.title)}", "bold"))
    if backend.description:
        console.print(Text(shown(backend.description)))
    properties = backend.params.get("properties") or {}
    required = backend.params.get("required") or ()
    table = _table("parameter", "type", "default", "meaning")
    table.columns[3].no_wrap = False
    for name, schema in properties.items():
        kind = schema.get("type", "")
        words = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
        if "enum" in schema:
            words = ", ".join(map(str, schema["enum"]))
        default = "required" if name in required else str(schema.get("default", ""))
        meaning = schema.get("description") or schema.get("title") or ""
        table.add_row(*(Text(shown(each)) for each in (name, words, default, str(meaning))))
    _print(table, "It takes no parameters.", is_empty=not properties)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def _print(table: Table, words: str, *, is_empty: bool) -> None:
    console = Console(highlight=False)
    console.print(Text(words) if is_empty else table)
