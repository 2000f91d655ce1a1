"""The jobs that a tick holds: those that are asked for, and those that it looks at again. Pure.

A job is in one of the two, by its id as a number. Which of a job's claims counts is the latest.
"""

import heapq
import math
from datetime import datetime

from progrock.polling.claim import Claim

STEPS = 256  # of a second: what falls due in one of them is taken at its end, in any order


class Held:
    """Belongs to one thread."""

    def __init__(self) -> None:
        self.asked: dict[int, Claim] = {}
        self._later: dict[int, Claim] = {}
        # A heap of the steps and not of the jobs: that would be a walk through memory for each.
        self._steps: list[int] = []
        self._by_step: dict[int, list[Claim]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do for this tick."""
        return not self.asked and not self._later

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
        """Have a job looked at again when it is due, or 4 ms later at most."""
        self._later[claim.stored.job.id.int] = claim
        step = math.ceil(claim.due.timestamp() * STEPS)
        waiting = self._by_step.get(step)
        if waiting is None:
            self._by_step[step] = [claim]
            heapq.heappush(self._steps, step)
        else:
            waiting.append(claim)

    def take_due(self, now: datetime, most: int) -> list[Claim]:
        """Return the kept jobs that are due, the first ones first; they count as asked for."""
        due: list[Claim] = []
        last = now.timestamp() * STEPS
        while len(due) < most and self._steps and self._steps[0] <= last:
            waiting = self._by_step[self._steps[0]]
            while waiting and len(due) < most:
                claim = waiting.pop()
                if self._later.get(claim.stored.job.id.int) is claim:  # not claimed anew since
                    due.append(claim)
            if not waiting:
                del self._by_step[heapq.heappop(self._steps)]
        self.ask(due)
        return due

    def take_kept(self) -> list[Claim]:
        """Return all that are kept: they are looked at by this tick no more."""
        kept = list(self._later.values())
        self._later.clear()
        self._steps.clear()
        self._by_step.clear()
        return kept
