"""What a trial shows about its description: warnings as they come, and what it never used. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from progrock.backends.backend import Backend
from progrock.backends.trying import shaping
from progrock.backends.trying.happenings import (
    Advanced,
    Exchanged,
    Happening,
    Read,
    Role,
)
from progrock.backends.values import as_number, as_scalar
from progrock.jobs.changes import Observation, Started
from progrock.jobs.states import State

_NUMBERS = frozenset({"progress", "current", "total", "retry_after", "log_offset", "log_size"})
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# What a word of a backend most likely means; the first that fits.
_LIKELY = (
    ("(?<!pend)(?<!wait)ing$", State.RUNNING),
    ("time.?d?.?out|expire", State.TIMED_OUT),
    ("fail|error|crash|lost|reject|unsucc", State.FAILED),
    ("cancel|abort|stop|revok|remov|kill|dismiss", State.CANCELLED),
    ("succe|complet|finish|done|^ok|pass", State.SUCCEEDED),
    ("queue|pend|wait|sched|accept|submit|creat", State.QUEUED),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a description a trial did not need: fields of `map`, and {word: state}."""

    silent_fields: tuple[str, ...]
    unseen_words: Mapping[str, State]


class Auditor:
    """Hears a trial, and says each thing that seems wrong once."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._said: set[str] = set()
        self._given: set[str] = set()
        self._words: set[str] = set()
        self._failures: dict[str, str] = {}
        self._highest: float | None = None
        self._fractions: set[float] = set()
        self._lacks_state: bool | None = None  # whether polls were read, and none told a state

    def hear(self, happening: Happening) -> list[str]:
        """Return the warnings that this gives rise to; some have several lines."""
        found: Iterator[tuple[str, str]] = iter(())
        match happening:
            case Exchanged():
                found = self._of_exchange(happening)
            case Read():
                found = self._of_reading(happening)
            case Advanced(change=Observation() as seen):
                found = self._of_observation(seen)
            case Advanced(change=Started(observation=seen)):
                found = self._of_observation(seen)
        return [text for about, text in found if self._is_new(about)]

    def parting_warnings(self) -> list[str]:
        """Return what can only be said at the end."""
        # One that failed and gave a value as well was merely asked too early.
        warnings = [
            f"map.{field} failed, and never gave a value: {reason}"
            for field, reason in self._failures.items()
            if field not in self._given
        ]
        if self._lacks_state is True and not self._backend.is_by_code:
            warnings.append(self._without_state())
        if self._fractions and max(self._fractions) <= 1 and self._fractions != {0.0}:
            warnings.append(
                "map.progress never gave more than 1, and 100 is the end. "
                "If it is a fraction: (…) * 100"
            )
        return warnings

    def coverage(self) -> Coverage:
        """Return what was not needed so far."""
        backend = self._backend
        fields = (
            backend.lookup_fields,
            backend.start_fields,
            backend.poll_fields,
            backend.log_fields,
            backend.cancel_fields,
        )
        names = dict.fromkeys(name for each in fields for name in each.names)
        return Coverage(
            silent_fields=tuple(name for name in names if name not in self._given),
            unseen_words={
                word: state for word, state in backend.states.items() if word not in self._words
            },
        )

    def _is_new(self, about: str) -> bool:
        is_new = about not in self._said
        self._said.add(about)
        return is_new

    # --- each gives (what it is about, the warning) ---

    def _of_exchange(self, exchanged: Exchanged) -> Iterator[tuple[str, str]]:
        role, answer, policy = exchanged.role, exchanged.answer, self._backend.policy
        if answer.differs:
            yield (
                f"differs {role}",
                "\n".join([f"the recorded {role} request was another one:", *answer.differs]),
            )
        if role in {Role.STATUS, Role.BATCH}:
            took = f"a poll was answered after {answer.seconds:.3g} s"
            if answer.seconds > policy.timeout / 2:
                yield "timeout", f"{took}: more than half of poll.timeout, {policy.timeout:g} s"
            if answer.seconds > policy.min:
                yield "min", f"{took}: longer than poll.min, {policy.min:g} s"
        reply = answer.reply
        if reply is None:
            return
        is_about_json = role not in {Role.LOG, Role.CANCEL} and not self._backend.is_by_code
        if is_about_json and reply.content.strip() and not reply.is_json:
            kind = reply.headers.get("content-type", "no content type")
            yield "json", f"the reply to {role} is not JSON ({kind}): .body is its text"
        if role is Role.CANCEL and 400 <= reply.status < 500:
            yield "cancel", f"the cancel was refused with HTTP {reply.status}"

    def _without_state(self) -> str:
        if "state" not in self._backend.poll_fields.names:
            return "map has no state: the job can only end by being gone, or at its deadline"
        text = "map.state never gave a value in a poll, so the job could not end"
        if self._backend.outcome is not None:
            text += (
                ". outcome is asked for once the state is an end: "
                "let map.state give one where .outcome is null"
            )
        return text

    def _of_reading(self, read: Read) -> Iterator[tuple[str, str]]:
        if read.source == "poll":
            self._lacks_state = self._lacks_state is not False and read.found.get("state") is None
        for field, value in read.found.items():
            if value is None:
                continue
            self._given.add(field)
            if field == "state":
                self._words.add(as_scalar(value))
            wrong = _wrong_with(field, value)
            if wrong:
                yield f"value {field}", f"map.{field} gave {_short(value)}: {wrong}"
        for field, reason in read.failures.items():
            self._failures.setdefault(field, reason)
        progress = as_number(read.found.get("progress"))
        if progress is not None:
            self._fractions.add(progress)

    def _of_observation(self, seen: Observation) -> Iterator[tuple[str, str]]:
        if seen.unknown_word is not None:
            yield f"word {seen.unknown_word}", self._missing_word(seen.unknown_word)
        progress = seen.progress
        if progress is None and seen.current is not None and seen.total:
            progress = 100 * seen.current / seen.total
        if progress is None:
            return
        if not 0 <= progress <= 100:
            yield "range", f"the progress is {progress:g}; 0 to 100 is shown"
        is_over = seen.state is not None and seen.state.is_terminal
        if self._highest is not None and progress < self._highest and not is_over:
            yield (
                "back",
                f"the progress went back from {self._highest:g} to {progress:g}; "
                "the bar stays where it is",
            )
        self._highest = max(progress, self._highest or 0.0)

    def _missing_word(self, word: str) -> str:
        return "\n".join(
            [
                f"states lacks {json.dumps(word, ensure_ascii=False)}: it counts as running. "
                "Add what it means:",
                f"[backends.{self._backend.name}.states]",
                f'{_toml_key(word)} = "{likely_state(word)}"',
            ]
        )


def likely_state(word: str) -> State:
    """Return which of our states a backend's word most likely means."""
    lowered = word.lower()
    found = (state for pattern, state in _LIKELY if re.search(pattern, lowered))
    return next(found, State.RUNNING)


def _toml_key(word: str) -> str:
    return word if _BARE_KEY.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def _wrong_with(field: str, value: Any) -> str | None:
    if field in _NUMBERS and as_number(value) is None:
        return "no number, not used"
    if field == "steps" and not isinstance(value, list):
        return "no list, not used"
    if field in {"status_url", "cancel_url"} and not isinstance(value, str):
        return "no text, not used"
    if field in {"gone", "refused"} and not isinstance(value, bool):
        return "neither true nor false, not used"
    return None


def _short(value: Any) -> str:
    return shaping.cut(shaping.compact(value), 40)
