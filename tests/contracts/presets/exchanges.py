"""Exchanges with services, kept as files and played against a backend without a network.

An exchange is a JSON file, `PRESET/WHAT.json`:

    about    what happens, in one sentence
    source   "recorded from SERVICE VERSION", or "made from SOURCE" where it cannot be run here
    backend  lines of TOML that come to those of the example in the preset's comment; where they
             begin with a table's name, or are the name of a TOML file beside the exchange, they
             take its place (optional)
    params   the params of the start
    steps    what we do, one after the other:
      do         start | poll | cancel
      after      seconds since the step before (1)
      exchanges  [{request, reply}]: all that is sent meanwhile, in this order
                 request: method, url, headers (those that matter; null: not there), and one of
                          json | form | text where it has a body
                 reply:   status (200), headers, cookies (of Set-Cookie), and one of
                          json | text | base64; or in its place
                          too_large: true | lost: why no answer came
      then       fields of the job after the step (optional); `log` are the lines of the step, and
                 `retry_after` what the reply said of it
    outcome  what the events tell, over all steps: `states` and `progress` without repeats,
             `result`, `error` {code, message} and `log`

`{job}` in the file is our id of the job. Every `${VARIABLE}` of a description is "sesame".
"""

import base64
import functools
import itertools
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from progrock.backends import conversation
from progrock.backends.backend import Backend, Remembered
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError, BadReply, Unreachable
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.loading import PRESETS, load
from progrock.jobs.changes import CancelRequested, Change, Observation, Started
from progrock.jobs.states import State
from progrock.jobs.transitions import advance
from progrock.jobs.values import Event, JobValue

T = TypeVar("T")

FOLDER = Path(__file__).parent
JOB = UUID("0197a9b0-5c1e-7d2a-8f3b-4c5d6e7f8091")
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "sesame"


def example_of(preset: str) -> str:
    """Return the TOML of the example in a preset's comment."""
    lines = (PRESETS / f"{preset}.toml").read_text().splitlines()
    commented = itertools.takewhile(lambda line: line.startswith("#"), lines)
    example = itertools.dropwhile(lambda line: not line.startswith("# [backends."), commented)
    return "\n".join(line.removeprefix("# ") for line in example)


def backend_of(text: str) -> Backend:
    """Return the one backend that a TOML text describes, one that has not met anybody yet."""
    return replace(_loaded(text), remembered=Remembered())


@functools.cache  # what takes time is compiling the expressions
def _loaded(text: str) -> Backend:
    presets = "".join(each.read_text() for each in PRESETS.glob("*.toml"))
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)", text + presets), SECRET)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        (backend,) = load(Path(file.name), variables).by_name.values()
    return backend


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One file."""

    preset: str
    name: str
    about: str
    source: str
    backend: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    steps: list[Mapping[str, Any]]
    outcome: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> "Exchange":
        """Return the exchange in a file."""
        text = file.read_text().replace("{job}", str(JOB))
        return cls(preset=file.parent.name, name=file.stem, **json.loads(text))

    def __str__(self) -> str:
        return f"{self.preset}/{self.name}"

    def load_backend(self) -> Backend:
        """Return the backend that it was held with."""
        if self.backend.endswith(".toml"):
            return backend_of((FOLDER / self.preset / self.backend).read_text())
        is_whole = self.backend.startswith("[")
        shown = "" if is_whole else example_of(self.preset) + "\n"
        return backend_of(shown + self.backend)


def all_exchanges() -> list[Exchange]:
    """Return the exchanges of all presets."""
    return [Exchange.read(file) for file in sorted(FOLDER.glob("*/*.json"))]


class Player:
    """A job and its backend, played step by step; the clock is ours."""

    def __init__(self, backend: Backend, params: Mapping[str, Any] | None = None) -> None:
        self.backend = backend
        self.params = backend.filled_params(params or {})
        self.at = BEGIN
        self.events: list[Event] = []
        self.job = JobValue(
            id=JOB,
            backend=backend.name,
            seq=1,
            state=State.PENDING,
            created=BEGIN,
            updated=BEGIN,
            moved_at=BEGIN,
        )

    def play(self, step: Mapping[str, Any]) -> None:
        """Do one step of an exchange and compare what was said."""
        before = len(self.events)
        self.at += timedelta(seconds=step.get("after", 1))
        exchanges = iter(step["exchanges"])
        change: Change | None = None
        if step["do"] == "cancel":
            self.cancel(exchanges)
        else:
            change = self.look(step["do"], exchanges)
        left = [each["request"] for each in exchanges]
        assert not left, f"was not asked: {left}"
        self._compare(step.get("then", {}), change, self.events[before:])

    def look(self, what: str, exchanges: Iterator[Mapping[str, Any]]) -> Change:
        """Start or poll; return what it was read as."""
        backend, operation = self.backend, self.job.operation
        if what == "start":
            talk = conversation.start(backend, self.job, self.params, self.at)
        else:
            part = None
            if backend.batch is not None and operation is not None:
                parts = drive(conversation.batch(backend, [operation]), exchanges)
                part = parts[operation]
            talk = conversation.poll(backend, self.job, self.params, self.at, answered=part)
        change = drive(talk, exchanges)
        self.take(change)
        return change

    def cancel(self, exchanges: Iterator[Mapping[str, Any]]) -> bool:
        """Ask for the job to be stopped; return whether the backend was told."""
        self.take(CancelRequested())
        return drive(conversation.cancel(self.backend, self.job, self.params), exchanges)

    def take(self, change: Change) -> None:
        """Let the job change."""
        step = advance(self.job, change, self.backend.policy, self.at)
        assert step.accepted, f"{change} is not possible for a job that is {self.job.state}"
        self.job = step.job
        self.events += step.events

    def outcome(self) -> dict[str, Any]:
        """Return what the events told, as `outcome` of an exchange has it."""
        frames = [event.frame for event in self.events]
        ends = [frame for frame in frames if frame["type"] == "complete"]
        return {
            "states": [state for state, _ in itertools.groupby(f["state"] for f in frames)],
            "progress": [number for number, _ in itertools.groupby(f["progress"] for f in frames)],
            "result": ends[-1]["result"] if ends else None,
            "error": ends[-1]["error"] if ends else None,
            "log": [line for frame in frames for line in frame.get("lines", [])],
        }

    def _compare(
        self, expected: Mapping[str, Any], change: Change | None, events: list[Event]
    ) -> None:
        seen = change.observation if isinstance(change, Started) else change
        for name, value in expected.items():
            if name == "log":
                actual: Any = [line for e in events for line in e.frame.get("lines", [])]
            elif name == "retry_after":
                assert isinstance(seen, Observation), f"not read: {change}"
                actual = seen.retry_after
            else:
                actual = getattr(self.job, name)
            assert actual == value, f"{name} is {actual!r}, not {value!r}, after {change}"


def drive(talk: Conversation[T], exchanges: Iterator[Mapping[str, Any]]) -> T:
    """Carry a conversation over an exchange, in place of a transport."""
    try:
        request = next(talk)
        while True:
            exchange = next(exchanges, None)
            assert exchange is not None, f"nothing more was to be asked: {request}"
            compare_request(request, exchange["request"])
            reply = reply_of(exchange["reply"])
            request = talk.throw(reply) if isinstance(reply, BackendError) else talk.send(reply)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def compare_request(request: HttpRequest, expected: Mapping[str, Any]) -> None:
    """Compare a request with the expected one."""
    said, told = f"{request.method} {request.url}", f"{expected['method']} {expected['url']}"
    assert said == told, f"asked {said}, not {told}"
    headers = {name.lower(): value for name, value in request.headers.items()}
    for name, value in expected.get("headers", {}).items():
        assert headers.get(name.lower()) == value, f"{name} of {said}"
    body = request.body
    if "json" in expected:
        assert json.loads(body or b"null") == expected["json"], f"the body of {said}"
        assert headers["content-type"] == "application/json"
    elif "form" in expected:
        pairs = [tuple(pair) for pair in expected["form"]]
        assert parse_qsl((body or b"").decode(), keep_blank_values=True) == pairs
        assert headers["content-type"] == "application/x-www-form-urlencoded"
    else:
        text = expected.get("text")
        assert body == (None if text is None else text.encode()), f"the body of {said}"


def reply_of(reply: Mapping[str, Any]) -> HttpReply | BackendError:
    """Return a reply as a transport does: a value, or the error in place of one."""
    if reply.get("too_large"):
        return BadReply("The backend's answer is larger than 1,048,576 bytes; it was cut.")
    if "lost" in reply:
        return Unreachable(reply["lost"])
    content = b""
    headers = {"content-type": "text/plain"}
    if "json" in reply:
        content = json.dumps(reply["json"]).encode()
        headers = {"content-type": "application/json"}
    elif "text" in reply:
        content = reply["text"].encode()
    elif "base64" in reply:
        content = base64.b64decode(reply["base64"])
    told = {name.lower(): value for name, value in reply.get("headers", {}).items()}
    return HttpReply(
        status=reply.get("status", 200),
        headers=headers | told,
        content=content,
        set_cookie=tuple(reply.get("cookies", ())),
    )
