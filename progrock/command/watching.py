"""Watching jobs: events come from a loop in a thread, the main thread draws and hears Ctrl-C."""

import asyncio
import json
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console

from progrock.client import AsyncClient, AsyncJob, Client, ClientError, Event, Job, Refused
from progrock.client.events import snapshot_event
from progrock.command.drawing import Lines, Row, Screen
from progrock.command.outcome import Outcome, of_states

LOOK_UP_SECONDS = 0.25
WAITING = 1_000  # events that are not drawn yet; then no more are read


class Interrupt:
    """What Ctrl-C puts among the news."""


News = tuple[int, Event | Exception | Interrupt | None]


class View(Protocol):
    """Where jobs are shown."""

    def open(self) -> None:
        """Begin, or go on after `close`."""

    def close(self) -> None:
        """Give the terminal back."""

    def tell(self, row: Row, event: Event) -> None:
        """Show that something happened to a job."""


class Frames:
    """The snapshot of each job, and then each event, as a JSON object on a line."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._told: dict[str, int] = {}

    def open(self) -> None:
        """Print the snapshots, the first time."""
        for row in self._rows:
            if row.job.job not in self._told:
                self.tell(row, snapshot_event(row.job))

    def close(self) -> None:
        """Nothing is left to do."""

    def tell(self, row: Row, event: Event) -> None:
        """Print the frame as the server sent it, unless it was told by the snapshot."""
        if event.seq > self._told.get(event.job, 0):
            self._told[event.job] = event.seq
            print(json.dumps(dict(event.frame), ensure_ascii=False), flush=True)


class Followers:
    """Follows jobs in a thread of its own; `news` gives (number of the job, what happened).

    What happened is an event, an error, or None where the job has ended.
    """

    def __init__(self, client: Client, jobs: Sequence[Job]) -> None:
        # Of this kind, since it may be put into by a signal's handler while it is waited for.
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.jobs: list[AsyncJob] = []
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(client.server.url, client.server.token, patience=None)
        self._tasks: list[Future[None]] = []
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        for number, job in enumerate(jobs):
            followed = AsyncJob(self._client, job.snapshot, job.report_token)
            self.jobs.append(followed)
            self._tasks.append(self._submit(self._follow(number, followed)))

    def cancel(self) -> None:
        """Ask for all jobs that have not ended to be stopped. Raises ClientError."""
        for job in self.jobs:
            if not job.snapshot.complete:
                try:
                    self._submit(job.cancel()).result()
                except Refused as exc:
                    if exc.code != "not_cancellable":  # it has just ended
                        raise

    def close(self) -> None:
        """Stop following."""
        self._submit(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _submit(self, coroutine: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _follow(self, number: int, job: AsyncJob) -> None:
        try:
            async for event in job:
                while self.news.qsize() >= WAITING:  # noqa: ASYNC110 - a thread takes from it
                    await asyncio.sleep(0.05)
                self.news.put((number, event))
        except ClientError as exc:
            self.news.put((number, exc))
        else:
            self.news.put((number, None))

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()


def watch(client: Client, jobs: Sequence[Job], *, as_json: bool) -> int:
    """Show jobs up to their ends and return the exit code. Ctrl-C asks: detach, or cancel."""
    rows = [Row(job.snapshot) for job in jobs]
    view = _view(rows, as_json=as_json)
    followers = Followers(client, jobs)
    with _hearing(followers.news):
        try:
            view.open()
            return _show(followers, rows, view)
        finally:
            view.close()
            followers.close()


@contextmanager
def _hearing(news: "queue.SimpleQueue[News]") -> Iterator[None]:
    """Put Ctrl-C among the news, so that it comes between two of them and none is lost."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # as of a shell's background job
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: news.put((-1, Interrupt())))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _view(rows: Sequence[Row], *, as_json: bool) -> View:
    if as_json:
        return Frames(rows)
    console = Console(highlight=False)
    is_screen = console.is_terminal and not console.is_dumb_terminal
    return Screen(rows, console) if is_screen else Lines(rows, console)


def _show(followers: Followers, rows: Sequence[Row], view: View) -> int:
    open_jobs = set(range(len(rows)))
    was_asked = False
    refusal: ClientError | None = None
    while open_jobs:
        number, news = _next(followers.news)
        if isinstance(news, Event):
            rows[number].update(followers.jobs[number].snapshot)
            view.tell(rows[number], news)
        elif isinstance(news, Interrupt):
            view.close()
            if was_asked or not _wants_cancel(len(open_jobs)):
                return _detach(rows)
            was_asked = True
            followers.cancel()
            view.open()
        else:
            open_jobs.discard(number)
            refusal = news if isinstance(news, ClientError) else refusal
    if refusal is not None:
        raise refusal
    return of_states([str(row.job.state) for row in rows])


def _next(news: "queue.SimpleQueue[News]") -> News:
    """Wait for the next piece of news.

    With an end now and then: a signal that comes just before a wait is handled only after it.
    """
    while True:
        try:
            return news.get(timeout=LOOK_UP_SECONDS)
        except queue.Empty:
            continue


def _wants_cancel(count: int) -> bool:
    """Ask what Ctrl-C meant. Without somebody to ask, or at a second Ctrl-C: not to cancel."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    what = "the job, which goes on" if count == 1 else f"{count} jobs, which go on"
    question = f"\n(d)etach from {what}, or (c)ancel? [d/c] "
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            sys.stderr.write(question)
            sys.stderr.flush()
            answer = _answer()
            if not answer or answer.strip().lower() in {"d", "detach", ""}:
                return False
            if answer.strip().lower() in {"c", "cancel"}:
                return True
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return False
    finally:
        signal.signal(signal.SIGINT, heard)


def _answer() -> str:
    """Wait for a line; with looks in between, as in `_next`, where the system has them."""
    while os.name == "posix" and not select.select([sys.stdin], [], [], LOOK_UP_SECONDS)[0]:
        continue
    return sys.stdin.readline()


def _detach(rows: Sequence[Row]) -> int:
    left = [row.job.job for row in rows if not row.job.complete]
    print(f"Detached. To watch again: progrock watch {' '.join(left)}", file=sys.stderr)
    return Outcome.DETACHED
