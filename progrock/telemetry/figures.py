"""The figures of each backend as they are now, read by a web process for all who look at them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from redis import RedisError

from progrock import clock
from progrock.telemetry import board, job_figures
from progrock.telemetry.board import SLOT_SECONDS, Counts, Told
from progrock.telemetry.job_figures import Active, Ended
from progrock.telemetry.scale import LATENCY_BOUNDS, quantile
from progrock.telemetry.tally import LATENCY, POLLS, POLLS_FAILED

KEPT_SECONDS = 1.0  # figures that were read are given to others for so long
WINDOW_SLOTS = 6  # whole ones, over which rates are told


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Polls within some seconds. Latencies are seconds, None while nothing was answered."""

    seconds: float
    polls: int
    failed: int
    p50: float | None
    p99: float | None

    @property
    def per_second(self) -> float:
        """Polls in a second."""
        return self.polls / self.seconds

    @property
    def error_rate(self) -> float | None:
        """The part of them that failed, 0 to 1; None of none."""
        return self.failed / self.polls if self.polls else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """A backend's figures. `window` and `told` are None while Redis does not answer."""

    at: datetime
    active: Active
    ended: Ended
    window: Window | None = None
    slots: Sequence[Window] = ()  # of SLOT_SECONDS each, the last whole one last
    told: Told | None = None


@dataclass(slots=True)
class _Kept:
    names: frozenset[str] = frozenset()
    read_at: float = 0.0
    figures: dict[str, Figures] = field(default_factory=dict)


_lock = threading.Lock()
_kept = _Kept()


def of_backends(names: Sequence[str]) -> dict[str, Figures]:
    """Return the figures of each backend, at most a second old. Raises what the database raises.

    One reading is for everybody who asks meanwhile.
    """
    with _lock:
        wanted = frozenset(names)
        if not wanted <= _kept.names or time.monotonic() - _kept.read_at > KEPT_SECONDS:
            _kept.figures, _kept.names = _read(wanted), wanted
            _kept.read_at = time.monotonic()  # those who waited meanwhile read no more
        return {name: _kept.figures[name] for name in names}


def forget() -> None:
    """Read anew at the next use."""
    with _lock:
        _kept.names = frozenset()


def _read(names: frozenset[str]) -> dict[str, Figures]:
    clock.check()
    now = clock.now()
    active = job_figures.active_jobs(now)
    try:
        told = board.read(names, now)
    except RedisError:
        told = {}
    return {
        name: Figures(
            at=now,
            active=active.get(name, Active()),
            ended=job_figures.ended_jobs(name),
            told=told.get(name),
            window=window_of(told[name].slots, now) if name in told else None,
            slots=[_window(slot, SLOT_SECONDS) for slot in told[name].slots[:-1]]
            if name in told
            else (),
        )
        for name in names
    }


def window_of(slots: Sequence[Counts], now: datetime) -> Window:
    """Return the last minute of slots, the last of which is still under way.

    Where polling has only begun, the time counts from the first slot with a poll.
    """
    latest = slots[-WINDOW_SLOTS - 1 :]
    begun = next((place for place, slot in enumerate(latest) if slot.get(POLLS)), 0)
    if begun and not any(slot.get(POLLS) for slot in slots[: -len(latest)]):
        latest = latest[begun:]
    counted: dict[str, int] = {}
    for slot in latest:
        for name, count in slot.items():
            counted[name] = counted.get(name, 0) + count
    present = now.timestamp() % SLOT_SECONDS
    return _window(counted, max((len(latest) - 1) * SLOT_SECONDS + present, 1.0))


def latencies_in(counts: Counts) -> list[int]:
    """Return the histogram of answers, by LATENCY_BOUNDS; the last one is what lies beyond."""
    return [counts.get(f"{LATENCY}:{place}", 0) for place in range(len(LATENCY_BOUNDS) + 1)]


def _window(counts: Counts, seconds: float) -> Window:
    latencies = latencies_in(counts)
    return Window(
        seconds=seconds,
        polls=counts.get(POLLS, 0),
        failed=counts.get(POLLS_FAILED, 0),
        p50=quantile(LATENCY_BOUNDS, latencies, 0.5),
        p99=quantile(LATENCY_BOUNDS, latencies, 0.99),
    )
