"""The line to a recording: each request is answered by what was answered then. Pure.

Requests are told apart by their role, so that a description may ask another way than it did when
the recording was made; how the request differs is said with the answer.
"""

from collections import deque
from datetime import datetime, timedelta

from progrock.backends.errors import Unreachable
from progrock.backends.http import HttpRequest
from progrock.backends.trying.happenings import Answer, LineEnds, Role
from progrock.backends.trying.recording import (
    RecordedExchange,
    RecordedRequest,
    Recording,
)

_LOOKS = (Role.START, Role.STATUS, Role.BATCH, Role.CANCEL)  # a look begins with one of these
# Without these the job cannot go on; without the others it goes on as without their reply.
_NEEDED = frozenset({Role.LOOKUP, Role.START, Role.STATUS, Role.BATCH, Role.OUTCOME})
_UNCOMPARED = frozenset({"cookie"})  # its values were not kept


class Player:
    """Answers from a recording, and keeps its time."""

    def __init__(self, recording: Recording) -> None:
        self._began = recording.began
        self._clock = 0.0
        self._cancel_asked = recording.cancel_asked
        self._has_asked = True  # something was sent since the last wait
        self._queues: dict[Role, deque[RecordedExchange]] = {role: deque() for role in Role}
        for exchange in recording.exchanges:
            self._queues[exchange.role].append(exchange)

    def now(self) -> datetime:
        """Return the recording's time."""
        return self._began + timedelta(seconds=self._clock)

    def wait(self, seconds: float) -> None:
        """Go on to when the next look was made. Raises KeyboardInterrupt where one was."""
        ahead = [queue[0].at for role in _LOOKS if (queue := self._queues[role])]
        following = min(ahead) if ahead and self._has_asked else self._clock + seconds
        self._interrupt_before(following)
        self._clock = max(self._clock, following)
        self._has_asked = False

    def send(self, role: Role, request: HttpRequest, masked: HttpRequest) -> Answer:
        """Return the next recorded answer of a role. Raises LineEnds, or KeyboardInterrupt."""
        queue = self._queues[role]
        if not queue:
            if role in _NEEDED:
                raise LineEnds(f"The recording ends here: it has no further reply to {role}.")
            return Answer(error=Unreachable("The recording has no reply to this."), seconds=0.0)
        if role is not Role.CANCEL:
            self._interrupt_before(queue[0].at)
        exchange = queue.popleft()
        self._has_asked = True
        self._clock = max(self._clock, exchange.at) + exchange.seconds
        return Answer(
            reply=exchange.reply.as_reply() if exchange.reply else None,
            error=exchange.error.as_error() if exchange.error else None,
            seconds=exchange.seconds,
            differs=differences(exchange.request, RecordedRequest.of(masked)),
        )

    def unasked(self) -> dict[Role, int]:
        """Return how many recorded exchanges of each role were not asked for."""
        return {role: len(queue) for role, queue in self._queues.items() if queue}

    def _interrupt_before(self, at: float) -> None:
        """Do as the person did then, once."""
        asked = self._cancel_asked
        if asked is not None and at >= asked:
            self._clock, self._cancel_asked = max(self._clock, asked), None
            raise KeyboardInterrupt


def differences(then: RecordedRequest, now: RecordedRequest) -> tuple[str, ...]:
    """Return how a request differs from the recorded one: lines with `-` (then) and `+` (now)."""
    lines: list[str] = []
    if (then.method, then.url) != (now.method, now.url):
        lines += [f"- {then.method} {then.url}", f"+ {now.method} {now.url}"]
    old, new = _comparable(then), _comparable(now)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            lines += [
                f"{sign} {name}: {headers[name]}"
                for sign, headers in (("-", old), ("+", new))
                if name in headers
            ]
    if then.body != now.body:
        lines += [
            f"{sign} {request.body.content.decode('utf-8', 'replace')}"
            for sign, request in (("-", then), ("+", now))
            if request.body
        ]
    return tuple(lines)


def _comparable(request: RecordedRequest) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in lowered.items() if name not in _UNCOMPARED}
