"""The line to a backend itself, over requests. Not pure: it sends, and it waits."""

import time
from datetime import UTC, datetime

from progrock.backends.errors import BackendError
from progrock.backends.http import HttpRequest
from progrock.backends.single_call import send_once
from progrock.backends.trying.happenings import Answer, Role


class LiveLine:
    """Sends each request once, within `timeout_seconds`."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Sleep. Raises KeyboardInterrupt at Ctrl-C."""
        time.sleep(seconds)

    def send(self, role: Role, request: HttpRequest, masked: HttpRequest) -> Answer:
        """Return what came of a request, and how long it took."""
        began = time.monotonic()
        try:
            reply = send_once(request, self._timeout_seconds)
        except BackendError as exc:
            return Answer(error=exc, seconds=time.monotonic() - began)
        return Answer(reply=reply, seconds=time.monotonic() - began)
