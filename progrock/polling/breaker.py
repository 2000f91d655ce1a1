"""A worker's side of a backend's circuit: it tells what became of requests, and hears of others.

The circuit stands in Redis, changed by compare-and-set; while Redis is away the worker goes by its
own account, and writes it there when Redis is back.
"""

import random
from collections.abc import Callable

import structlog

from progrock import clock
from progrock.jobs.policy import PollPolicy
from progrock.polling import circuit as circuits
from progrock.polling.circuit import Circuit, Outcomes
from progrock.polling.shared import Away, Shared

logger = structlog.get_logger(__name__)
TRIES = 5  # against other workers that change the same circuit
Listener = Callable[[str, Circuit], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Have a function called with the backend's name whenever this worker opens or closes one."""
    _listeners.append(listener)


class Breaker:
    """One backend's circuit in this process. Belongs to an event loop."""

    def __init__(self, backend: str, shared: Shared) -> None:
        self.circuit = Circuit()
        self._backend = backend
        self._shared = shared
        self._text = ""  # what stood in Redis when it was last read …
        self._stored = Circuit()  # … and what it says
        self._was_answered = False
        self._failures = 0
        self._jobs: dict[str, None] = {}
        self._reason = ""

    @property
    def is_in_doubt(self) -> bool:
        """Whether an answer would be news."""
        return self.circuit.run > 0 or self._failures > 0

    @property
    def has_news(self) -> bool:
        """Whether there is something to `settle`."""
        return self._was_answered or self._failures > 0 or self._is_ahead()

    def note_answer(self) -> None:
        """Note that the backend has answered."""
        if self.is_in_doubt:
            self._was_answered = self.circuit.run > 0
            self._failures = 0
            self._jobs.clear()

    def note_failure(self, job: str, reason: str) -> None:
        """Note that the backend has not answered, and whose request it was."""
        self._failures += 1
        self._reason = reason
        if len(self._jobs) < circuits.JOBS:
            self._jobs[job] = None

    def learn(self, text: str) -> None:
        """Take up what stands in Redis."""
        if text != self._text:
            self._read(text)
            self._adopt(circuits.later(self.circuit, self._stored))

    async def settle(self, policy: PollPolicy, *, is_alone: bool) -> None:
        """Change the circuit by what was noted; with `is_alone` without Redis."""
        outcomes = Outcomes(
            was_answered=self._was_answered,
            failures=self._failures,
            jobs=tuple(self._jobs),
            reason=self._reason,
        )
        self._was_answered, self._failures = False, 0
        self._jobs.clear()
        chance = random.random()  # noqa: S311 - jitter

        def rule(present: Circuit) -> Circuit:
            return circuits.after(present, outcomes, policy, clock.now().timestamp(), chance)

        if is_alone:
            self._adopt(rule(self.circuit), by_us=True)
        else:
            await self._change(rule)

    async def take_probe(self, policy: PollPolicy) -> bool:
        """Whether the caller's request is the probe; it has to note what becomes of it."""

        def taken(present: Circuit) -> Circuit:
            at = clock.now().timestamp()
            return circuits.probing(present, policy, at) if present.may_probe(at) else present

        return self.circuit.may_probe(clock.now().timestamp()) and await self._change(taken)

    async def _change(self, rule: Callable[[Circuit], Circuit]) -> bool:
        """Change the circuit by a rule; False when the rule changes nothing."""
        for _ in range(TRIES):
            before = circuits.later(self.circuit, self._stored)
            new = rule(before)
            if new is before and not self._is_ahead():
                self._adopt(new)
                return False
            try:
                present = await self._shared.exchange_circuit(self._text, new)
            except Away:
                self._adopt(new, by_us=True)
                return new is not before
            self._read(present)
            if present == circuits.as_text(new):
                self._adopt(new, by_us=True)
                return new is not before
        return False  # others are at it

    def _is_ahead(self) -> bool:
        """Whether Redis knows less than this process: it was emptied, or away."""
        is_later = self.circuit.changed_at > self._stored.changed_at
        return is_later and (self.circuit.run > 0 or self._stored.run > 0)

    def _read(self, text: str) -> None:
        self._text, self._stored = text, circuits.from_text(text)

    def _adopt(self, new: Circuit, *, by_us: bool = False) -> None:
        was_open, self.circuit = self.circuit.is_open, new
        if not by_us or was_open == new.is_open:
            return
        if new.is_open:
            logger.warning(
                "backend unreachable: probes only", backend=self._backend, reason=new.reason
            )
        else:
            logger.info("backend reachable again", backend=self._backend)
        for listener in _listeners:
            listener(self._backend, new)
