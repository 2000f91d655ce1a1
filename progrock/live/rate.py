"""How many messages a connection may send: a token bucket, and a measure of flooding."""

from collections import deque

PER_SECOND = 50.0
BURST = 100.0
FLOOD_MESSAGES = 500
FLOOD_SECONDS = 10.0


class Rate:
    """Counts the messages of one connection. Times are monotonic seconds."""

    __slots__ = ("_at", "_refused", "_tokens")

    def __init__(self, now: float) -> None:
        self._tokens = BURST
        self._at = now
        self._refused: deque[float] | None = None

    def allows(self, now: float) -> bool:
        """Whether one more message is within the rate; counts it either way."""
        self._tokens = min(BURST, self._tokens + (now - self._at) * PER_SECOND)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        if self._refused is None:
            self._refused = deque(maxlen=FLOOD_MESSAGES)
        self._refused.append(now)
        return False

    def is_flooded(self, now: float) -> bool:
        """Whether so much was over the rate lately that the connection should end."""
        refused = self._refused
        return (
            refused is not None
            and len(refused) == FLOOD_MESSAGES
            and now - refused[0] <= FLOOD_SECONDS
        )

    @property
    def retry_after(self) -> float:
        """Seconds until the next message is within the rate."""
        return round(max(0.0, 1.0 - self._tokens) / PER_SECOND, 3)
