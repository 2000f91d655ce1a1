"""Measure over a window: how many units, how long, and whose CPU time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.processes import Child


@dataclass(frozen=True, slots=True)
class Window:
    """What passed meanwhile; `cpu` is in seconds, by the names of the processes."""

    seconds: float
    units: float
    cpu: Mapping[str, float]

    def share(self, name: str) -> float:
        """Return how much of one core a process had, in per cent."""
        return 100 * self.cpu[name] / self.seconds

    def per_core_second(self, name: str) -> float:
        """Return the units for each second of a process's CPU time."""
        return self.units / max(self.cpu[name], 1e-9)

    def micros_per_unit(self, name: str) -> float:
        """Return the microseconds of a process's CPU time for each unit."""
        return 1e6 * self.cpu[name] / max(self.units, 1e-9)


def measure(seconds: float, count: Callable[[], float], children: Mapping[str, Child]) -> Window:
    """Look at a count and at the processes' CPU time, wait so long, and look again."""
    before = {name: child.cpu_seconds() for name, child in children.items()}
    units, start = count(), time.monotonic()
    time.sleep(seconds)
    passed, more = time.monotonic() - start, count() - units
    cpu = {name: child.cpu_seconds() - before[name] for name, child in children.items()}
    return Window(passed, more, cpu)
