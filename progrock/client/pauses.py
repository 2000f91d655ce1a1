"""How long to wait before the next try: exponential, with full jitter, so that no herd returns."""

from collections.abc import Callable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 15.0
OVERLOADED = 3  # where the pauses begin when the server asks for patience


class Pauses:
    """The pauses between tries that follow each other. `chance` gives 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._tries = 0

    def next(self, *, is_overloaded: bool = False) -> float:
        """Return the seconds before the next try."""
        if is_overloaded:
            self._tries = max(self._tries, OVERLOADED)
        longest: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return self._chance() * longest

    def reset(self) -> None:
        """Begin with short pauses again: a try has succeeded."""
        self._tries = 0
