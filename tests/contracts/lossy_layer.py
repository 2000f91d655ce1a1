"""A channel layer that loses, doubles and shuffles what it is given, by a seed."""

import random
from typing import Any

from channels.layers import InMemoryChannelLayer

LOST, DOUBLED, HELD = 0.3, 0.2, 0.3  # parts of the messages; the others come as they should


class LossyLayer(InMemoryChannelLayer):
    """Passes messages on as a layer at its worst would: a hint may be lost, doubled or late."""

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self._chance = random.Random(seed)
        self._held: list[tuple[str, dict[str, Any]]] = []
        self.fates: dict[str, int] = {"lost": 0, "doubled": 0, "held": 0, "passed": 0}

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Pass a message on, or not, or twice, or later and among others."""
        fate = self._fate()
        self.fates[fate] += 1
        if fate == "held":
            self._held.append((group, message))
        elif fate != "lost":
            for _ in range(2 if fate == "doubled" else 1):
                await super().group_send(group, message)
            await self._release()

    def _fate(self) -> str:
        drawn = self._chance.random()
        for fate, part in (("lost", LOST), ("doubled", DOUBLED), ("held", HELD)):
            if drawn < part:
                return fate
            drawn -= part
        return "passed"

    async def _release(self) -> None:
        """Pass on some of what was held, in any order."""
        self._chance.shuffle(self._held)
        for _ in range(self._chance.randint(0, len(self._held))):
            await super().group_send(*self._held.pop())
