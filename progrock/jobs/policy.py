"""A backend's `poll` table as a value: when to look, and when to give up. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PollPolicy:
    """Seconds throughout, but for `failures` (polls), `per_second` and `in_flight` (requests)."""

    min: float = 1.0
    max: float = 30.0
    deadline: float = 86_400.0
    stall_after: float = 600.0
    failures: int = 20
    unreachable_for: float = 300.0
    per_second: float = 50.0
    in_flight: int = 16
    timeout: float = 10.0
