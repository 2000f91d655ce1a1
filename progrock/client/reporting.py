"""Reports a program's own job from a thread beside it, so that the program never waits.

Nothing is queued: the thread looks now and then how far the program is, and reports that. So a
program may move as fast as it likes, and a server that is away costs it nothing; when the server is
back it is told the latest.
"""

import atexit
import logging
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from progrock.client.blocking import Client, Job
from progrock.client.errors import ClientError, Refused
from progrock.client.pauses import Pauses
from progrock.protocol.states import State

REPORT_SECONDS = 0.5  # between two reports, at least
LOOK_SECONDS = 2.0  # between two looks whether somebody cancelled, while there is nothing to report
ALIVE_SECONDS = 200.0  # between two signs of life, at most
SILENCE_SECONDS = 600.0  # after so much silence the program counts as dead, and the job as failed
FLUSH_SECONDS = 3.0  # that the end of the program waits for its last reports, at most
LOG_LINES = 1000
TEXT_LENGTH = 2000
logger = logging.getLogger(__name__)

Figures = Mapping[str, Any]


class Reporter:
    """Reports one job of the backend `push`; `sample` returns the figures as they are.

    Nothing here raises for what the server says or does not say: it is logged once.
    """

    def __init__(
        self,
        client: Client,
        sample: Callable[[], Figures],
        *,
        title: str | None,
        labels: Iterable[str],
    ) -> None:
        self.is_cancelled = False
        self.job: Job | None = None
        # One of its own: the caller may close its client before the last report is out.
        self._client = Client(client.server.url, client.server.token)
        self._sample = sample
        self._title = title
        self._labels = list(labels)
        self._key = uuid.uuid4().hex  # a start whose answer was lost gives the same job again
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._end: Figures | None = None
        self._number = 0
        self._told: Figures = {}
        self._told_at = 0.0
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progrock-report", daemon=True)
        _running.add(self)
        self._thread.start()

    def log(self, line: str) -> None:
        """Add a line to the job's log; the oldest go where there are too many to send."""
        self._lines.append(clean(line))

    def end(self, **how: Any) -> None:
        """Report the end as soon as may be: `state`, and `result` or `error`. Does not wait."""
        if self._end is None:
            self._end = how
            self._wake.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the end is reported, or given up; False when the time was over before."""
        return self._over.wait(seconds)

    def flush(self, seconds: float) -> None:
        """Try once more to report the end, and wait for that so long; nothing where it has none."""
        if self._end is not None:
            self._wake.set()
            self._over.wait(seconds)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be reported."""
        return self._over.is_set()

    def _run(self) -> None:
        pauses = Pauses(self._client.server.chance)
        has_warned = False
        try:
            while not self._over.is_set():
                try:
                    self._report()
                except ClientError as exc:
                    if isinstance(exc, Refused) and not exc.is_retryable:
                        self._give_up(exc)
                        return
                    if not has_warned:
                        has_warned = True
                        logger.warning("Progress is not reported for now: %s", exc.message)
                    self._rest(pauses.next())
                else:
                    pauses.reset()
                    self._rest(REPORT_SECONDS)
        except Exception:
            logger.exception("Progress is not reported any more.")
        finally:
            self._over.set()
            self._client.close()

    def _report(self) -> None:
        """Report what is new, or look whether somebody has cancelled."""
        end = self._end  # before the sample: what comes after the end is not of this job
        what = {name: value for name, value in self._sample().items() if value is not None}
        if self.job is None:
            self.job = self._client.start(
                "push", title=self._title, labels=self._labels, key=self._key, params=_LIMITS
            )
        now = time.monotonic()
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        is_due = bool(lines) or what != self._told or now - self._told_at >= ALIVE_SECONDS
        try:
            if end is not None:
                state = self._send({**what, **end}, lines).state
                self._over.set()
            elif is_due:
                state = self._send(what, lines).state
                self._told, self._told_at = what, now
            elif now - self._told_at >= LOOK_SECONDS:
                state = self.job.refresh().state
            else:
                return
        except ClientError:
            self._lines.extendleft(reversed(lines))
            raise
        self.is_cancelled = state in {State.CANCELLING, State.CANCELLED}

    def _send(self, what: Figures, lines: list[str]) -> Any:
        assert self.job is not None  # noqa: S101 - set by the only caller
        self._number += 1
        more = {"log": lines} if lines else {}
        try:
            return self.job.report(number=self._number, **what, **more)
        except (TypeError, ValueError) as exc:
            if "result" not in what:
                raise
            logger.warning("The result is not JSON, and not reported: %s", exc)
            without = {name: value for name, value in what.items() if name != "result"}
            return self.job.report(number=self._number, **without, **more)

    def _give_up(self, exc: Refused) -> None:
        if exc.code != "conflict" or self._end is None:  # it has ended there already
            logger.warning("Progress is not reported any more: %s", exc.message)

    def _rest(self, seconds: float) -> None:
        """Wait, unless the end has come or the program ends."""
        if not self._over.is_set() and self._wake.wait(seconds):
            self._wake.clear()


def clean(text: str) -> str:
    """Return text that the server takes: valid Unicode without NUL, not too long."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")[:TEXT_LENGTH]


_LIMITS = {"fail_after": SILENCE_SECONDS}
_running: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


def _flush() -> None:
    """Give the last reports of a program that ends a bounded time to go out."""
    until = time.monotonic() + FLUSH_SECONDS
    for reporter in list(_running):
        reporter.flush(max(0.0, until - time.monotonic()))


atexit.register(_flush)
