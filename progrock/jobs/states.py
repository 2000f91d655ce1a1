"""The states of a job, which are words of the protocol: `progrock.protocol.states`."""

from progrock.protocol.states import TERMINAL, Condition, JobErrorCode, State

__all__ = ["TERMINAL", "Condition", "JobErrorCode", "State"]
