"""A trial in lines for a terminal: each request, each reply, what was read, what became of it.

    > what was sent        < what came back
    = what was read        * what became of the job        ! what seems wrong

A poll that brings what the one before it brought is told in one line. Pure: whoever prints the
lines paints them by their style.
"""

import http
from collections.abc import Callable, Mapping
from typing import Any

from progrock.backends.backend import Backend
from progrock.backends.http import HttpReply, HttpRequest
from progrock.backends.trying import concluding, shaping, telling
from progrock.backends.trying.auditing import Auditor
from progrock.backends.trying.happenings import (
    Advanced,
    Asked,
    CancelAsked,
    Exchanged,
    Happening,
    LookBegan,
    Read,
    Role,
    Said,
)
from progrock.backends.trying.lines import BLANK, Line, Page, Style
from progrock.backends.values import as_scalar
from progrock.jobs.changes import PollFailed
from progrock.jobs.states import State
from progrock.jobs.values import JobValue

BODY_LINES = 24  # of the first reply of a kind; later ones are told in fewer
LATER_BODY_LINES = 6
LOG_LINES = 10
HEADER_LINES = 10
SHORTEST_TOLD = 0.1  # seconds; a start that comes first needs no time beside it
_DULL_HEADERS = frozenset(
    {"date", "server", "connection", "keep-alive", "content-length", "transfer-encoding", "vary"}
    | {"cache-control", "etag", "expires", "last-modified", "pragma", "via", "alt-svc", "age"}
    | {"strict-transport-security", "referrer-policy", "content-security-policy"}
    | {"x-content-type-options", "x-frame-options", "x-xss-protection", "x-powered-by"}
)


class Reporter:
    """Hears a trial, and gives the lines that tell it."""

    def __init__(self, backend: Backend, width: int = 80) -> None:
        self._backend = backend
        self._auditor = Auditor(backend)
        self._page = Page(width)
        self._latest: dict[Role, Exchanged] = {}
        self._told: dict[str, dict[str, str]] = {}  # the latest reading of each source
        self._heading = ""
        self._held: list[Line] = []  # of a poll that may turn out to bring nothing new
        self._is_holding = False
        self._is_same = True
        self._poll: Exchanged | None = None  # the latest
        self._polls = 0
        self._requests = 0

    def opening(self, doing: str, params: Mapping[str, Any]) -> list[Line]:
        """Return what is done, and with what."""
        backend = self._backend
        title = f"{doing}: {backend.title}, {backend.base_url}"
        shown = f"params {shaping.compact(params)}"
        return [
            *self._page.text(title, "", Style.HEADING, rest="  "),
            *self._page.text(backend.mask.text(shown), "", Style.JOB, rest="  "),
        ]

    def hear(self, happening: Happening) -> list[Line]:
        """Return the lines that are to be shown now."""
        ready: list[Line] = []
        if isinstance(happening, LookBegan):
            ready = self.rest()
            self._is_holding = happening.kind == "poll" and self._polls > 0
            self._is_same = True
        self._held += self._lines(happening)
        for warning in self._auditor.hear(happening):
            self._held += self.warning(warning)
            self._is_same = False
        if isinstance(happening, Advanced):
            self._fold(happening)
        if self._is_holding and not isinstance(happening, Advanced | Said | CancelAsked):
            return ready
        self._is_holding = False
        return ready + self.rest()

    def rest(self) -> list[Line]:
        """Return what is still held back."""
        held, self._held = self._held, []
        return held

    def end(self, job: JobValue) -> list[Line]:
        """Return how it ended, and what of the description was not needed."""
        lines = [*self.rest(), BLANK]
        for warning in self._auditor.parting_warnings():
            lines += self.warning(warning)
        lines += concluding.ending(job, self._polls, self._requests, self._page)
        if self._told:
            lines += concluding.unused(self._auditor.coverage(), self._page)
        return lines

    # --- what happens, in lines ---

    def _lines(self, happening: Happening) -> list[Line]:
        if isinstance(happening, CancelAsked):
            asked = f"Ctrl-C after {shaping.duration(happening.at)}: the job is to be cancelled"
            return [BLANK, Line(asked, Style.HEADING)]
        if isinstance(happening, Said):
            return self._page.text(happening.text, "* ", Style.JOB)
        tell: dict[type, Callable[[Any], list[Line]]] = {
            LookBegan: self._begun,
            Asked: self._asked,
            Exchanged: self._exchanged,
            Read: self._fields,
            Advanced: self._advanced,
        }
        return tell[type(happening)](happening)

    def _begun(self, look: LookBegan) -> list[Line]:
        self._heading = look.kind if look.number == 1 else f"{look.kind} {look.number}"
        if look.at >= SHORTEST_TOLD:
            self._heading += f", after {shaping.duration(look.at)}"
        return [Line("", Style.HEADING), Line(self._heading, Style.HEADING)]

    def _asked(self, asked: Asked) -> list[Line]:
        request, latest = asked.request, self._latest.get(asked.role)
        lines = self._page.text(f"{request.method} {request.url}", "> ", Style.REQUEST)
        if latest and _beyond_the_url(latest.request) == _beyond_the_url(request):
            return lines
        for name, value in request.headers.items():
            lines += self._page.text(f"{name}: {value}", ">   ", Style.REQUEST)
        if request.body is not None:
            lines += self._page.body(request.body, ">   ", Style.REQUEST, BODY_LINES)
        return lines

    def _exchanged(self, exchanged: Exchanged) -> list[Line]:
        self._requests += 1
        if exchanged.role in {Role.STATUS, Role.BATCH}:
            self._polls, self._poll = self._polls + 1, exchanged
        latest = self._latest.get(exchanged.role)
        self._latest[exchanged.role] = exchanged
        reply, took = exchanged.answer.reply, shaping.duration(exchanged.answer.seconds)
        before = latest.answer.reply if latest else None
        if reply is None:
            is_same = latest is not None and str(latest.answer.error) == str(exchanged.answer.error)
            self._is_same &= is_same
            return self._page.text(f"no reply, {took}: {exchanged.answer.error}", "< ", Style.REPLY)
        is_same = before is not None and _content(before) == _content(reply)
        self._is_same &= is_same
        lines = self._page.text(f"{_status(reply)}, {took}", "< ", Style.REPLY)
        for name, value in _new_headers(reply, before)[:HEADER_LINES]:
            lines += self._page.text(f"{name}: {value}", "<   ", Style.REPLY)
        if is_same:
            return [*lines, Line("<   the same as before", Style.REPLY)]
        is_first = before is None or before.status != reply.status
        most = BODY_LINES if is_first else LATER_BODY_LINES
        return lines + self._page.body(reply.content, "<   ", Style.REPLY, most)

    def _fields(self, read: Read) -> list[Line]:
        """Tell what was found: what changed line by line, of the rest the names."""
        found = {
            name: self._value(name, value)
            for name, value in read.found.items()
            if value is not None
        }
        if not read.found:  # a log without map.log: its lines are told below
            return []
        failed = {name: f"nothing, {reason}" for name, reason in read.failures.items()}
        if not found and not failed:
            by_code = ", the code alone tells the state" if self._backend.is_by_code else ""
            return [Line(f"= nothing was found{by_code}", Style.READING)]
        before = self._told.get(read.source, {})
        self._told[read.source] = found | failed
        lines: list[Line] = []
        for name, text in (found | failed).items():
            if before.get(name) != text:
                lines += self._page.text(f"{name}: {text}", "= ", Style.READING)
        as_before = [name for name, text in found.items() if before.get(name) == text]
        if as_before:
            lines += self._page.text(f"as before: {', '.join(as_before)}", "= ", Style.READING)
        return lines

    def _value(self, name: str, value: Any) -> str:
        text = shaping.cut(shaping.compact(value), 4 * self._page.width)
        if name != "state":
            return text
        word = as_scalar(value)
        ours = self._backend.states.get(word) or (
            word if word in set(State) else "unknown: running"
        )
        return f"{text} -> {ours}"

    def _advanced(self, advanced: Advanced) -> list[Line]:
        lines: list[Line] = []
        for event in advanced.events:
            if event.type == "log":
                lines += self._log(event.frame["lines"])
        reply = self._poll.answer.reply if self._poll else None
        outcome = telling.outcome_of(advanced, reply)
        if outcome or not lines:
            lines += self._page.text(outcome or "nothing new", "* ", Style.JOB)
        seen = getattr(advanced.change, "observation", advanced.change)
        wait = getattr(seen, "retry_after", None)
        if wait and not advanced.after.state.is_terminal:
            asked = f"* the backend asks to be left alone for {shaping.duration(wait)}"
            lines.append(Line(asked, Style.JOB))
        return lines

    def _fold(self, advanced: Advanced) -> None:
        """Tell a poll in one line, when it brought what the one before it brought."""
        exchanged = self._poll
        if not (self._is_holding and self._is_same) or advanced.events or exchanged is None:
            return
        answer = exchanged.answer
        what = "no reply" if answer.reply is None else _status(answer.reply)
        text = f"{self._heading}: {what}, {shaping.duration(answer.seconds)}, as before"
        if isinstance(advanced.change, PollFailed):
            text += f"; {advanced.after.failures} failed in a row"
        self._held = self._page.text(text, "", Style.JOB, rest="  ")

    # --- the parts ---

    def _log(self, lines: list[str]) -> list[Line]:
        shown = shaping.shortened(lines, LOG_LINES)
        title = Line(f"* {telling.count(len(lines), 'line')} of the log", Style.JOB)
        return [title, *(self._page.cut(f"*   {line}", Style.JOB) for line in shown)]

    def warning(self, warning: str) -> list[Line]:
        """Return a warning, whose further lines stand as they are."""
        first, *more = warning.split("\n")
        lines = self._page.text(first, "! ", Style.WARNING, rest="!   ")
        return lines + [self._page.cut(f"!   {line}", Style.WARNING) for line in more]


def _status(reply: HttpReply) -> str:
    try:
        phrase = f" {http.HTTPStatus(reply.status).phrase}"
    except ValueError:
        phrase = ""
    size = telling.count(len(reply.content), "byte") if reply.content else "no body"
    return f"{reply.status}{phrase}, {size}"


def _content(reply: HttpReply) -> tuple[int, bytes]:
    return reply.status, reply.content


def _beyond_the_url(request: HttpRequest) -> tuple[Any, ...]:
    return request.method, dict(request.headers), request.body


def _new_headers(reply: HttpReply, before: HttpReply | None) -> list[tuple[str, str]]:
    """Return the headers that may matter, and were not the same in the reply before."""
    known = before.headers if before else {}
    return [
        (name, value)
        for name, value in reply.headers.items()
        if name not in _DULL_HEADERS and known.get(name) != value
    ]
