"""The jobs that a tick holds: those that are asked for, and those that it looks at again. Pure.

A job is in one of the two, by its id as a number. Which of a job's claims counts is the latest.
"""

import heapq
import itertools
from datetime import datetime

from progrock.polling.claim import Claim


class Held:
    """Belongs to one thread."""

    def __init__(self) -> None:
        self.asked: dict[int, Claim] = {}
        self._later: dict[int, Claim] = {}
        self._heap: list[tuple[datetime, int, Claim]] = []
        self._serial = itertools.count()  # orders claims that are due together

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do for this tick."""
        return not self.asked and not self._later

    @property
    def next_due(self) -> datetime | None:
        """When the first job is to be looked at again."""
        while self._heap:
            due, _, claim = self._heap[0]
            if self._later.get(claim.stored.job.id.int) is claim:
                return due
            heapq.heappop(self._heap)  # claimed anew since then
        return None

    def ask(self, claims: list[Claim]) -> None:
        """Note that jobs are asked for."""
        for claim in claims:
            number = claim.stored.job.id.int
            self._later.pop(number, None)
            self.asked[number] = claim

    def answered(self, claim: Claim) -> Claim:
        """Note that there is an answer to a job's claim; return the claim as it is by now."""
        return self.asked.pop(claim.stored.job.id.int)

    def keep(self, claim: Claim) -> None:
        """Have a job looked at again when it is due."""
        self._later[claim.stored.job.id.int] = claim
        heapq.heappush(self._heap, (claim.due, next(self._serial), claim))

    def take_due(self, now: datetime, most: int) -> list[Claim]:
        """Return the kept jobs that are due, the first ones first; they count as asked for."""
        due: list[Claim] = []
        while len(due) < most and (at := self.next_due) is not None and at <= now:
            due.append(heapq.heappop(self._heap)[2])
            self.ask(due[-1:])
        return due

    def take_kept(self) -> list[Claim]:
        """Return all that are kept: they are looked at by this tick no more."""
        kept = list(self._later.values())
        self._later.clear()
        self._heap.clear()
        return kept
