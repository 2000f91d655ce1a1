"""Turns that a worker has reserved: each may be taken from its time on, for a moment. Pure."""

from collections import deque

LAPSE_SECONDS = 0.25  # a turn that nobody takes for so long is given back


class Turns:
    """Runs of turns, the earliest first. Times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.left = 0
        self.lapsed = 0  # not yet given back
        self._runs: deque[_Run] = deque()

    def add(self, count: int, first_at: float, interval: float, now: float) -> None:
        """Add turns that were reserved: one at a time, and another after each interval."""
        if count > 0:
            self._runs.append(_Run(count, first_at, interval, now))
            self.left += count

    def take(self, now: float) -> bool:
        """Take the first turn, if its time has come."""
        runs = self._runs
        while runs:
            run = runs[0]
            if run.next_at > now:
                return False
            if run.lapses_at < now:
                self._lapse(run, now)
            if run.left:
                run.left -= 1
                run.next_at += run.interval
                self.left -= 1
                if not run.left:
                    runs.popleft()
                return True
            runs.popleft()
        return False

    def next_at(self) -> float | None:
        """Return when the first turn may be taken; None when there is none."""
        return self._runs[0].next_at if self._runs else None

    def give_back(self) -> int:
        """Return how many turns have lapsed since the last time, all that are left included."""
        count = self.lapsed + self.left
        self.lapsed = self.left = 0
        self._runs.clear()
        return count

    def give_lapsed(self, now: float) -> int:
        """Return how many turns have lapsed since the last time."""
        while self._runs:
            run = self._runs[0]
            if run.lapses_at >= now:
                break
            self._lapse(run, now)
            if run.left:
                break
            self._runs.popleft()
        count, self.lapsed = self.lapsed, 0
        return count

    def _lapse(self, run: "_Run", now: float) -> None:
        """Drop the turns of a run whose time is long past."""
        behind = now - LAPSE_SECONDS - run.next_at
        if behind > 0:
            count = min(run.left, int(behind / run.interval) + 1)
            run.left -= count
            run.next_at += count * run.interval
            self.left -= count
            self.lapsed += count


class _Run:
    __slots__ = ("interval", "lapses_at", "left", "next_at")

    def __init__(self, left: int, next_at: float, interval: float, now: float) -> None:
        self.left = left
        self.next_at = next_at
        self.interval = interval
        self.lapses_at = now + LAPSE_SECONDS  # those that were ready when they were given
