"""How many requests are under way at a backend, and how long they take of late. Pure."""


class Load:
    """Counts requests. Times are of one monotonic clock, in seconds."""

    def __init__(self, now: float) -> None:
        self.in_use = 0
        self.done = 0
        self._latency = 0.0
        self._area = 0.0  # of requests over time, since `_latency` was taken
        self._at = now

    def begin(self, now: float) -> None:
        """Count a request that begins."""
        self._area += self.in_use * (now - self._at)
        self._at = now
        self.in_use += 1

    def end(self, now: float) -> None:
        """Count a request that ends."""
        self._area += self.in_use * (now - self._at)
        self._at = now
        self.in_use -= 1
        self.done += 1

    def latency(self, now: float) -> float:
        """Return the seconds that a request takes; 0 while none has ended.

        By Little's law: requests under way = rate * time of each.
        """
        if not self.done and not self._latency:
            return 0.0
        area = self._area + self.in_use * (now - self._at)
        present = area / max(self.done, self.in_use, 1)
        return present if self.done else max(self._latency, present)

    def roll(self, now: float) -> None:
        """Begin to measure anew, once something was measured."""
        if self.done:
            self._latency = self.latency(now)
            self._area, self._at, self.done = 0.0, now, 0
