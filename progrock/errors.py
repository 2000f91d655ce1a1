"""The tree of errors that ProgRock raises.

ProgRockError
├── RequestError      a client asked for something that cannot be done; carries an ErrorCode
└── BackendError      a backend could not be used; `is_permanent` says whether to try again
    (its kinds stand in progrock/backends/errors.py)
"""

from typing import Any

from progrock.protocol.codes import ErrorCode


class ProgRockError(Exception):
    """The root: catch it to catch all that ProgRock itself raises."""


class RequestError(ProgRockError):
    """Raised when a request is refused. The message tells the person what to do.

    `details` is JSON with more, for example JSON Schema errors; `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        details: Any = None,
        job: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.job = job
        self.retry_after = retry_after


def unknown_job(job: object) -> RequestError:
    """Return the one error for a job that does not exist and for one that may not be seen."""
    text = str(job)[:64]
    return RequestError(
        ErrorCode.UNKNOWN_JOB, f"There is no job {text!r} that you may see.", job=text
    )
