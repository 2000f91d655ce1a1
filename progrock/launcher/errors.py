"""Why the launcher does not start, or gives up while starting."""

from typing import ClassVar

from progrock.errors import ProgRockError


class LaunchRefused(ProgRockError):
    """Raised when `make run` cannot go on. The message says what is wrong and what to do."""

    code: ClassVar[str] = "launch_refused"
    exit_code: ClassVar[int] = 2
