"""Says what a full disk looks like from inside the children, and what to do about it."""

import time
from pathlib import Path

from progrock.launcher.output import Log

SILENT_SECONDS = 60.0
_FULL_DISK_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
)


class DiskWatch:
    """Passes lines on to the log, and adds a sentence when one of them tells of a full disk."""

    def __init__(self, log: Log, data: Path) -> None:
        self._log = log
        self._data = data
        self._quiet_until = 0.0

    def take(self, name: str, lines: list[str]) -> None:
        """Log what a child printed."""
        self._log.add(name, lines)
        if time.monotonic() < self._quiet_until:
            return
        if any(words in line for line in lines for words in _FULL_DISK_WORDS):
            self._quiet_until = time.monotonic() + SILENT_SECONDS
            self._log.say(
                f"The disk is full, says {name}. Free some space where {self._data} lies; "
                "jobs go on by themselves then."
            )
