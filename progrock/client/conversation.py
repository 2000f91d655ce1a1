"""One WebSocket conversation as plans: hello, questions under ids of their own, frames."""

import itertools
import json
from typing import Any

from progrock.client.effects import Dial, Lost, NotTaken, Plan, Receive, Send, Silent, Unreached
from progrock.client.errors import Refused
from progrock.client.session import NotPassing, Session, unless_for_now
from progrock.client.values import Json

HELLO_SECONDS = 10.0
ANSWER_SECONDS = 15.0
SPARE_SECONDS = 5.0  # of silence, beyond two heartbeats


class Conversation:
    """What is said over one WebSocket. `open` it first."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ids = itertools.count(1)
        self._silence = HELLO_SECONDS

    def open(self) -> Plan[None]:
        """Connect, and wait for hello. Raises NotPassing where no WebSocket passes."""
        server = self._session.server
        try:
            yield Dial(
                url=server.websocket,
                headers=server.headers(),
                seconds=self._session.seconds(HELLO_SECONDS),
            )
            hello = yield from self.frame()
        except Unreached:
            raise
        except Lost as exc:
            if exc.code is not None and exc.code != 1006:
                raise  # the server's own word
            raise NotPassing(str(exc)) from exc
        except (NotTaken, Silent) as exc:
            self._session.seconds(1.0)  # was it the caller's timeout that was over?
            raise NotPassing(str(exc)) from exc
        if hello.get("type") != "hello":
            raise NotPassing(f"the first frame is no hello but {hello.get('type')!r}")
        heartbeat = hello.get("heartbeat")
        beat = float(heartbeat) if isinstance(heartbeat, int | float) else 15.0
        self._silence = 2 * beat + SPARE_SECONDS
        self._session.joined()

    def frame(self) -> Plan[Json]:
        """Return the next frame. Raises Silent when not even a heartbeat came."""
        text = yield Receive(self._session.seconds(self._silence))
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise NotPassing("what came is not JSON") from exc
        if not isinstance(frame, dict):
            raise NotPassing("what came is no frame")
        return frame

    def ask(self, action: str, **fields: Any) -> Plan[Json]:
        """Return the answer to a message; what comes before it is dropped. Raises Refused."""
        id_ = str(next(self._ids))
        yield Send(json.dumps({"action": action, "id": id_, **fields}))
        until = self._session.now() + ANSWER_SECONDS
        while True:
            frame = yield from self.frame()
            if frame.get("id") == id_:
                break
            if self._session.now() > until:
                raise Silent(f"no answer to {action}")
        if frame.get("type") == "error":
            error = Refused(
                str(frame.get("code")),
                str(frame.get("message")),
                details=frame.get("details"),
                is_retryable=bool(frame.get("retryable")),
                retry_after=frame.get("retry_after"),
            )
            raise unless_for_now(error)
        return frame


def is_event(frame: Json) -> bool:
    """Whether a frame is a kept event of a job."""
    return isinstance(frame.get("seq"), int) and "state" in frame and "job" in frame
