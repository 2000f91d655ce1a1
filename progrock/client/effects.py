"""What a plan wants done: a plan is a generator without I/O that yields effects.

So each request, each rule about lost connections and each reading of an answer is written once. The
two drivers, `blocking.Line` and `asynchronous.Line`, perform effects; a failure is thrown into the
plan as one of the errors below. A line is one connection at most: a WebSocket or an event stream.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from progrock.errors import ProgRockError

T = TypeVar("T")
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Send an HTTP request; answered by a Reply. `seconds` bounds connecting and each wait."""

    method: str
    url: str
    headers: Headers
    body: bytes | None = None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: the whole of it, or the head of an event stream. Names in lower case."""

    status: int
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Open a WebSocket. Raises NotTaken where the answer is another one than a WebSocket."""

    url: str
    headers: Headers
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Open a stream by GET; answered by the Reply's head. `silence` (seconds) bounds each wait."""

    url: str
    headers: Headers
    seconds: float
    silence: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame over the WebSocket."""

    text: str


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for the next text, a frame or a piece of the stream; raises Silent after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the line, if one is open."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Give a value to whoever iterates."""

    value: T


Effect = Call | Dial | Listen | Send | Receive | HangUp | Sleep
Plan = Generator[Effect, Any, T]
Stream = Generator[Effect | Emit[T], Any, None]


class LineError(ProgRockError):
    """The root of what a driver throws into a plan; plans turn it into a ClientError."""


class Unreached(LineError):
    """Raised when no connection could be made: nothing was sent."""


class Lost(LineError):
    """Raised when a connection broke, or was closed; `code` is the WebSocket's close code."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class Silent(LineError):
    """Raised when nothing came in time."""


class NotTaken(LineError):
    """Raised when a WebSocket was answered by an HTTP status, or by no sense at all."""

    def __init__(self, status: int | None, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Running(Generic[T]):
    """A plan that is being performed: its next effect, and the answer to that.

    `value` is what it returned, once `step` gives None.
    """

    value: T

    def __init__(self, plan: Generator[Any, Any, T]) -> None:
        self._plan = plan
        self._answer: Any = None
        self._error: Exception | None = None

    def step(self) -> Any:
        """Return the next Effect or Emit; None when the plan has returned."""
        answer, error = self._answer, self._error
        self._answer = self._error = None
        try:
            return self._plan.send(answer) if error is None else self._plan.throw(error)
        except StopIteration as end:
            self.value = end.value
            return None

    def answer(self, answer: Any) -> None:
        """Give the answer to the last effect."""
        self._answer = answer

    def fail(self, error: Exception) -> None:
        """Say that the last effect has failed."""
        self._error = error
