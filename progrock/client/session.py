"""What outlives single connections: the way that passes, pauses, patience and the deadline.

`keep_up` follows by the best way that passes, and takes it up again after each loss.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from progrock.client import calls
from progrock.client.effects import HangUp, LineError, Lost, Reply, Sleep, Stream
from progrock.client.errors import BadAnswer, ClientError, Refused, ServerAway, WaitedTooLong
from progrock.client.pauses import Pauses
from progrock.client.route import Route, Transport
from progrock.client.server import Server
from progrock.protocol.codes import CloseCode

T = TypeVar("T")
STABLE_SECONDS = 10.0  # a connection that held so long lets the next pauses begin small
_OVERLOADED = frozenset({CloseCode.TRY_LATER, CloseCode.FLOODING})
_FINAL = {CloseCode.NOT_AUTHENTICATED: "not_authenticated", CloseCode.FORBIDDEN: "not_permitted"}


class NotPassing(LineError):
    """Raised when this way of following does not pass here, though the server may well be there."""


class Session:
    """One act of following. `patience` and `timeout` are in seconds; None: without an end."""

    def __init__(
        self,
        server: Server,
        route: Route,
        *,
        patience: float | None,
        timeout: float | None = None,
        what: str = "",
    ) -> None:
        self.server = server
        self.route = route
        self._patience = math.inf if patience is None else patience
        self._timeout = timeout
        self._what = what
        self._pauses = Pauses(server.chance)
        self._began_at = self._heard_at = self.now()
        self._joined_at = math.inf

    def now(self) -> float:
        """Monotonic seconds."""
        return self.server.clock()

    def seconds(self, longest: float) -> float:
        """Return how long to wait, within the caller's timeout. Raises WaitedTooLong."""
        if self._timeout is None:
            return longest
        left = self._began_at + self._timeout - self.now()
        if left <= 0:
            raise WaitedTooLong(self._what, self._timeout)
        return min(longest, left)

    def joined(self) -> None:
        """The server answers over the present connection."""
        self._heard_at = self._joined_at = self.now()

    def told(self) -> None:
        """Something new has come: the next pauses may be short."""
        self._heard_at = self.now()
        self._pauses.reset()

    def pause_after(self, loss: LineError) -> float:
        """Return the pause before the next try. Raises ServerAway, Refused, WaitedTooLong."""
        now = self.now()
        code = loss.code if isinstance(loss, Lost) else None
        if code is not None and is_final(code):
            raise Refused(
                _FINAL.get(CloseCode(code), "bad_message") if code in set(CloseCode) else "closed",
                f"The server has closed the connection for good ({loss}).",
            ) from loss
        if now - self._joined_at >= STABLE_SECONDS:
            self._pauses.reset()
            self._heard_at = now
        self._joined_at = math.inf
        if now - self._heard_at > self._patience:
            raise ServerAway(self.server.url, str(loss)) from loss
        return self.seconds(self._pauses.next(is_overloaded=code in _OVERLOADED))


def keep_up(session: Session, ways: Mapping[Transport, Callable[[], Stream[T]]]) -> Stream[T]:
    """Follow by the best way that passes, again after each loss, until a way returns."""
    while True:
        transport = session.route.choose(session.now())
        try:
            yield from ways[transport]()
        except NotPassing as exc:
            loss: LineError = exc
        except LineError as exc:
            loss = exc
        else:
            yield HangUp()
            return
        yield HangUp()
        if isinstance(loss, NotPassing) and session.route.step_down(transport):
            continue
        yield Sleep(session.pause_after(loss))


def is_final(code: int) -> bool:
    """Whether a WebSocket closed so is not to be opened again with the same request."""
    return 4400 <= code < 4500 and code not in {CloseCode.AUTH_TIMEOUT, CloseCode.FLOODING}


def unless_for_now(error: ClientError) -> LineError:
    """Return a refusal that is only for now as a loss of the line; raise any other."""
    if not isinstance(error, ServerAway) and not error.is_retryable:
        raise error
    return Lost(error.message, CloseCode.TRY_LATER if isinstance(error, Refused) else None)


def check_stream(server: Server, reply: Reply) -> None:
    """Take the answer to a wish for an event stream. Raises NotPassing where it is none."""
    kind = reply.headers.get("content-type", "")
    if reply.status == 200 and kind.startswith("text/event-stream"):
        return
    error = calls.problem(server, reply)
    if isinstance(error, BadAnswer) or error.code == "not_found":
        raise NotPassing(error.message)
    raise unless_for_now(error)
