"""Draws jobs: bars that stay in their place in a terminal, else a line when something happens."""

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from progrock.client import Condition, Event, Snapshot, State
from progrock.command.tables import STYLES
from progrock.command.words import amount, duration, ending, number, percent, shown

NARROW = 60  # columns; below, no time is shown
RATE_SECONDS = 15.0  # over which the rate is taken
LINE_PERCENT = 10.0
LINE_SECONDS = 10.0
CONDITIONS = {
    Condition.STALLED: "nothing moves",
    Condition.UNREACHABLE: "the backend does not answer",
}


class Row:
    """What is shown of one job."""

    def __init__(self, job: Snapshot) -> None:
        self.job = job
        self._eta_at: float | None = None
        self._figures: deque[tuple[float, float]] = deque()
        self.update(job)

    def update(self, job: Snapshot) -> None:
        """Take the job as it is now."""
        now = time.monotonic()
        self.job = job
        self._eta_at = None if job.eta is None else now + job.eta
        if job.current is not None:
            self._figures.append((now, job.current))
            while now - self._figures[0][0] > RATE_SECONDS:
                self._figures.popleft()

    @property
    def rate(self) -> str:
        """How fast it moves, such as `12.5 rows/s`; nothing where that cannot be said."""
        if len(self._figures) < 2:
            return ""
        (began, first), (ended, last) = self._figures[0], self._figures[-1]
        if ended - began < 1.0 or last <= first:
            return ""
        return f"{number((last - first) / (ended - began))} {shown(self.job.unit)}/s".replace(
            " /", "/"
        )

    @property
    def left(self) -> str:
        """How long it will take, such as `0:12`; nothing where nobody knows."""
        if self._eta_at is None or self.job.complete:
            return ""
        return duration(self._eta_at - time.monotonic())

    @property
    def details(self) -> Text:
        """The line below the bar."""
        job = self.job
        if job.complete:
            return Text(ending(job), STYLES.get(job.state, ""))
        told = [CONDITIONS.get(job.condition, "")]
        if job.state is not State.RUNNING:
            told.append(str(job.state))
        told += [amount(job), self.rate, shown(job.message)]
        return Text(" · ".join(part for part in told if part), "dim")


class Bars:
    """The rows in their places; rich asks for them several times a second."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        titles = [shown(row.job.title) or row.job.job for row in self._rows]
        longest = min(max(8, width * 3 // 10), max(len(title) for title in titles))
        for row, title in zip(self._rows, titles, strict=True):
            line = Table.grid(padding=(0, 1, 0, 0), expand=True)
            line.add_column(width=longest, no_wrap=True, overflow="ellipsis")
            line.add_column(ratio=1)
            line.add_column(width=5, justify="right", no_wrap=True)
            cells = (Text(title, "bold"), _bar(row.job), Text(percent(row.job.progress)))
            if width >= NARROW:
                line.add_column(width=8, justify="right", no_wrap=True)
                line.add_row(*cells, Text(row.left, "cyan"))
            else:
                line.add_row(*cells)
            # Room is left at its end: what the terminal echoes of Ctrl-C must not begin a line.
            below = Text("  ") + row.details
            below.truncate(max(1, width - 4), overflow="ellipsis")
            yield Group(line, below)


def _bar(job: Snapshot) -> ProgressBar:
    """Return a bar; it moves to and fro while the job is at work and nobody knows how far."""
    is_unknown = job.progress is None
    style = STYLES.get(job.state, "bar.complete")
    return ProgressBar(
        completed=job.progress or 0.0,
        pulse=is_unknown and job.state in {State.RUNNING, State.CANCELLING},
        complete_style=style,
        finished_style=style,
    )


class Screen:
    """Bars in a terminal."""

    def __init__(self, rows: Sequence[Row], console: Console) -> None:
        self._bars = Bars(rows)
        self._console = console
        self._live: Live | None = None

    def open(self) -> None:
        """Draw, and go on drawing; below what stands there, also after `close`."""
        self._live = Live(self._bars, console=self._console, refresh_per_second=8)
        self._live.start(refresh=True)

    def close(self) -> None:
        """Leave what is drawn last in its place."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tell(self, row: Row, event: Event) -> None:
        """Log lines stand above the bars; all else is drawn with the next refresh."""
        for line in getattr(event, "lines", ()):
            self._console.print(Text(shown(line), "dim"))


class Lines:
    """One line for each change that matters, where there is no terminal to draw in."""

    def __init__(self, rows: Sequence[Row], console: Console) -> None:
        self._console = console
        self._told: dict[str, tuple[State, Condition, float | None, float]] = {}
        self._rows = rows

    def open(self) -> None:
        """Say where the jobs are."""
        for row in self._rows:
            self._print(row)

    def close(self) -> None:
        """Nothing is left to do."""

    def tell(self, row: Row, event: Event) -> None:
        """Print a line for a new state, ten percent, or ten seconds; and those of the log."""
        for line in getattr(event, "lines", ()):
            self._console.print(Text(f"{row.job.job} | {shown(line)}"))
        job, now = row.job, time.monotonic()
        state, condition, progress, at = self._told[job.job]
        has_moved = (job.progress or 0.0) - (progress or 0.0) >= LINE_PERCENT
        is_other = (job.state, job.condition) != (state, condition)
        if is_other or has_moved or now - at >= LINE_SECONDS:
            self._print(row)

    def _print(self, row: Row) -> None:
        job = row.job
        self._told[job.job] = (job.state, job.condition, job.progress, time.monotonic())
        if job.complete:
            told = [ending(job)]
        else:
            left = f"{row.left} left" if row.left else ""
            figures = [percent(job.progress), amount(job), left, shown(job.message)]
            told = [str(job.state), CONDITIONS.get(job.condition, ""), *figures]
        words = " · ".join(part for part in told if part)
        self._console.print(Text(f"{job.job} {shown(job.title)}: {words}"), soft_wrap=True)
