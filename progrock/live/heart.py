"""When a silent connection needs a sign of life."""

from progrock import conf
from progrock.live.outbox import Outbox


def beat_seconds() -> float:
    """Return how often the hub asks its watchers; often enough that none is silent too long."""
    return min(5.0, conf.heartbeat_seconds() / 5)


class Heart:
    """Knows since when an outbox was not used. Times are monotonic seconds."""

    __slots__ = ("_outbox", "_quiet_since")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._quiet_since: float | None = None  # None: until the next beat

    def is_due(self, now: float) -> bool:
        """Whether the connection would be silent too long, were nothing sent at this beat."""
        if self._outbox.was_used or self._quiet_since is None:
            self._outbox.was_used = False
            self._quiet_since = now  # in truth up to a beat earlier
            return False
        beat = beat_seconds()
        return now - self._quiet_since + 2 * beat >= conf.heartbeat_seconds() - beat / 2
