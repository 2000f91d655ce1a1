"""What can go wrong with a backend.

BackendError          could not be used; `is_permanent` says whether to try again
├── DescriptionError  the TOML is wrong; `problems` holds all that was found
├── TemplateError     a template names a value that this job does not have
├── Refused           the guard refused a request: foreign origin, forbidden address
├── BadReply          an answer that cannot be taken: too large, not to be read
└── Unreachable       no answer: connection, time
"""

from dataclasses import dataclass

from progrock.errors import ProgRockError


class BackendError(ProgRockError):
    """The backend could not be used; the message is for the job's watchers."""

    is_permanent = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a description: where it is, what is wrong, what would be right."""

    key: str  # dotted, as in the file: backends.downloads.poll.min
    message: str


class DescriptionError(BackendError):
    """Raised when a description is not valid; holds every problem, not only the first."""

    is_permanent = True

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        lines = [f"  {problem.key}: {problem.message}" for problem in problems]
        super().__init__(f"{file} is not a valid description of backends:\n" + "\n".join(lines))


class TemplateError(BackendError):
    """Raised when a template in a longer text has no value."""

    is_permanent = True


class Refused(BackendError):
    """Raised by the guard before anything is sent."""

    is_permanent = True


class BadReply(BackendError):
    """Raised when an answer came and cannot be taken: it is too large, or not to be read."""


class Unreachable(BackendError):
    """Raised when a backend does not answer. `was_sent`: it may have got the request."""

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


def too_large(max_bytes: int) -> BadReply:
    """Return the error for an answer beyond the bytes that are taken."""
    return BadReply(f"The backend's answer is larger than {max_bytes:,} bytes; it was cut.")


def too_slow(seconds: float, *, was_sent: bool = True) -> Unreachable:
    """Return the error for an answer that did not come in its time."""
    message = f"The backend did not answer within {seconds:g} s."
    return Unreachable(message, was_sent=was_sent)
