"""States and conditions of a job, and which way they go (PROTOCOL section 1)."""

from enum import StrEnum


class State(StrEnum):
    """Where a job is. States go forwards only, and may be skipped."""

    PENDING = "pending"  # accepted here, not yet on the backend
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: a terminal state is never left."""
        return self in TERMINAL

    def may_become(self, other: "State") -> bool:
        """Whether `other` lies ahead of this state."""
        return not self.is_terminal and _RANK[other] > _RANK[self]


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT})
_RANK = {
    State.PENDING: 0,
    State.QUEUED: 1,
    State.RUNNING: 2,
    State.CANCELLING: 3,
    **dict.fromkeys(TERMINAL, 4),
}


class Condition(StrEnum):
    """How the backend answers, beside the state."""

    OK = "ok"
    STALLED = "stalled"  # it answers, and nothing moves
    UNREACHABLE = "unreachable"  # it does not answer


class JobErrorCode(StrEnum):
    """Why a job ended without success (PROTOCOL section 2.5)."""

    BACKEND_REFUSED = "backend_refused"
    BACKEND_FAILED = "backend_failed"
    BACKEND_UNREACHABLE = "backend_unreachable"
    BAD_REPLY = "bad_reply"
    LOST = "lost"
    START_UNKNOWN = "start_unknown"
    STALLED = "stalled"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
