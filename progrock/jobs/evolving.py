"""Values that are made and changed quickly: the engine makes several for each poll."""

from collections.abc import Mapping
from typing import Any, Self


class Evolving:
    """The base of a frozen dataclass without slots, with many fields of which few are given.

    `dataclasses.replace` sets each of forty fields by itself (8 µs); this copies one dictionary.
    """

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Return a value of some fields; the others have their defaults, as class attributes."""
        value = object.__new__(cls)
        value.__dict__.update(fields)
        return value

    def evolve(self, fields: Mapping[str, Any]) -> Self:
        """Return the value with some fields changed."""
        value = object.__new__(type(self))
        value.__dict__.update(self.__dict__)
        value.__dict__.update(fields)
        return value
