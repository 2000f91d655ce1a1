"""`track`: a loop that shows as a job, in the manner of a progress bar."""

import atexit
import functools
import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from progrock.client.blocking import Client
from progrock.client.errors import Cancelled
from progrock.client.reporting import Reporter, clean

T = TypeVar("T")
LEFT_SECONDS = 1.0  # after a loop was left: is the program about to end with an exception?


class Tracked(Generic[T]):
    """A loop that reports itself as a job; see `track`.

    `message`, `total`, `unit` and `result` may be set at any time and are reported with the next
    report. `job` is the job's id once the server has answered.
    """

    def __init__(
        self,
        steps: Iterable[T] | AsyncIterable[T] | None,
        reporter_of: Callable[[Callable[[], dict[str, Any]]], Reporter],
        *,
        total: float | None,
        unit: str | None,
        stop_on_cancel: bool,
    ) -> None:
        self.current: float = 0
        self.total = total if total is not None or not isinstance(steps, Sized) else len(steps)
        self.unit = unit
        self.message: str | None = None
        self.result: Any = None
        self._steps = steps
        self._stop_on_cancel = stop_on_cancel
        self._is_block = False
        self._left: threading.Timer | None = None
        self._reporter = reporter_of(self.sample)

    @property
    def job(self) -> str | None:
        """The job's id; None while the server has not answered."""
        return self._reporter.job.id if self._reporter.job else None

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has asked for the job to be stopped."""
        return self._reporter.is_cancelled

    def update(self, steps: float = 1) -> None:
        """Count so many steps as done. Raises Cancelled when somebody has cancelled the job."""
        self.current = max(0, self.current + steps)
        if self._reporter.is_cancelled and self._stop_on_cancel:
            raise Cancelled(self.job or "")

    def log(self, line: str) -> None:
        """Add a line to the job's log."""
        self._reporter.log(line)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the end is reported; False when it is not within so many seconds."""
        return self._reporter.wait(seconds)

    def sample(self) -> dict[str, Any]:
        """Return the figures as they are."""
        return {
            "current": self.current,
            "total": self.total,
            "unit": self.unit,
            "message": None if self.message is None else clean(str(self.message)),
        }

    def __iter__(self) -> Iterator[T]:
        """Give the steps. The loop's end is the job's."""
        if not isinstance(self._steps, Iterable):
            raise TypeError("There is nothing to iterate: give track an iterable, or use update.")
        try:
            for step in self._steps:
                yield step
                self.current += 1
                if self._reporter.is_cancelled:
                    self.update(0)
        except GeneratorExit:
            self._leave()
            raise
        except BaseException as exc:
            self._fail(exc)
            raise
        if not self._is_block:
            self._succeed()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Give the steps of an asynchronous iterable."""
        if not isinstance(self._steps, AsyncIterable):
            raise TypeError("There is nothing to iterate by async for.")
        try:
            async for step in self._steps:
                yield step
                self.update()
        except GeneratorExit:
            self._leave()
            raise
        except BaseException as exc:
            self._fail(exc)
            raise
        if not self._is_block:
            self._succeed()

    def __enter__(self) -> Self:
        """In a `with` block the block's end is the job's: its exceptions are known."""
        self._is_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._succeed()
        else:
            self._fail(error)

    def _succeed(self) -> None:
        result = {} if self.result is None else {"result": self.result}
        self._reporter.end(state="succeeded", **result)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            self._reporter.end(state="cancelled")
        elif isinstance(error, KeyboardInterrupt):
            self._reporter.end(state="cancelled", message="interrupted at the keyboard")
        else:
            words = clean(f"{type(error).__name__}: {error}" if str(error) else repr(error))
            self._reporter.end(
                state="failed", error={"code": type(error).__name__, "message": words}
            )

    def _leave(self) -> None:
        """The loop was left, by break, return or an exception: a generator cannot tell which.

        When the program ends with an exception right after, that was why.
        """
        if self._is_block or self._left is not None:
            return
        self._left = threading.Timer(LEFT_SECONDS, self._end_left)
        self._left.daemon = True
        self._left.start()
        atexit.register(self._end_left_at_exit)

    def _end_left(self) -> None:
        of_total = "" if self.total is None else f" of {self.total:g}"
        words = f"the loop was left after {self.current:g}{of_total}"
        self._reporter.end(state="cancelled", message=words)

    def _end_left_at_exit(self) -> None:
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if error is None:
            self._end_left()
        else:
            self._fail(error)


@overload
def track(
    steps: Iterable[T],
    *,
    title: str | None = None,
    total: float | None = None,
    unit: str | None = None,
    labels: Iterable[str] = (),
    client: Client | None = None,
    stop_on_cancel: bool = True,
) -> Tracked[T]: ...
@overload
def track(
    steps: AsyncIterable[T] | None = None,
    *,
    title: str | None = None,
    total: float | None = None,
    unit: str | None = None,
    labels: Iterable[str] = (),
    client: Client | None = None,
    stop_on_cancel: bool = True,
) -> Tracked[T]: ...
def track(
    steps: Iterable[T] | AsyncIterable[T] | None = None,
    *,
    title: str | None = None,
    total: float | None = None,
    unit: str | None = None,
    labels: Iterable[str] = (),
    client: Client | None = None,
    stop_on_cancel: bool = True,
) -> Tracked[T]:
    """Show a loop as a job: `for row in track(rows, title="Import")`.

    The job is reported from a thread, twice a second at most, and never holds the loop up, also
    when the server is away. `total` is the length of `steps` where they have one. When the loop
    ends, the job has succeeded; when the iterable raises, it has failed with that exception; Ctrl-C
    cancels it. Exceptions in the body of the loop are known for sure in the form

        with track(rows, title="Import") as steps:
            for row in steps: ...

    and else where they end the program. When somebody cancels the job, the next step raises
    Cancelled; without `stop_on_cancel` the loop goes on and may look at `is_cancelled`. Without
    `steps`, call `update` in a `with` block. `client` says where the server is, else PROGROCK_URL
    and PROGROCK_TOKEN.
    """
    return Tracked(
        steps,
        functools.partial(Reporter, client or Client(), title=title, labels=labels),
        total=total,
        unit=unit,
        stop_on_cancel=stop_on_cancel,
    )
