"""What is said to a backend about one job, as generators: requests out, replies in. No I/O.

A conversation yields each request and is sent its reply, and returns what follows for the job.
Whoever drives it (`polling.looks` with `poller`, `polling.starting` and `backends try` with
requests) adds the sending and nothing else, so both transports say and read the same.
"""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from progrock.backends import building, cookies, log_pages, reading
from progrock.backends.backend import Backend, Origin, RequestTemplate
from progrock.backends.errors import BackendError, BadReply, Refused, Unreachable
from progrock.backends.http import HttpReply, HttpRequest, LogLook, Seen
from progrock.backends.templates import Operations
from progrock.backends.values import retry_after_of
from progrock.jobs.changes import (
    Change,
    Ended,
    JobError,
    Observation,
    PollFailed,
    Started,
    Unchanged,
)
from progrock.jobs.changes import StartFailed as NotStarted
from progrock.jobs.states import JobErrorCode, State
from progrock.jobs.values import JobValue

T = TypeVar("T")
Conversation = Generator[HttpRequest, HttpReply, T]
OUTCOME_TRIES = 5  # failed polls, before a job ends without its outcome


def start(
    backend: Backend, job: JobValue, params: Mapping[str, Any], at: datetime
) -> Conversation[Change]:
    """Start a job: lookup, start, and where it is already over its outcome. Never raises."""
    change = yield from _Talk(backend, job, params, at).start()
    if isinstance(change, NotStarted) and job.start_sent is not None:
        # An earlier start was sent and never answered: no answer to this one tells of that.
        return replace(change, may_run=True)
    return change


def poll(
    backend: Backend,
    job: JobValue,
    params: Mapping[str, Any],
    at: datetime,
    answered: HttpReply | None = None,
    seen: Seen | None = None,
) -> Conversation[Change]:
    """Look at a job once: its status, what goes with it, at the end its outcome, and its log.

    `answered` is the job's part of a batch, in place of a status request; `seen` is what was said
    when the job became what it is. Never raises.
    """
    return _Talk(backend, job, params, at).poll(answered, seen)


def batch(backend: Backend, operations: Sequence[str]) -> Conversation[dict[str, HttpReply]]:
    """Ask for many jobs at once; return each one's part of the reply, by operation.

    Raises BackendError when the whole failed.
    """
    if backend.batch is None:
        raise Refused("This backend has no batch request.")
    context = {"operations": Operations(operations)}
    request = building.build(backend, backend.batch.request, context)
    reply = yield from _Line(backend, {}).ask(request)
    return reading.read_batch(backend.batch, reply)


def cancel(backend: Backend, job: JobValue, params: Mapping[str, Any]) -> Conversation[bool]:
    """Ask for a job to be stopped; return whether it was told. Raises BackendError.

    Where `map.cancel_url` says where, the status is asked for first: it may have moved.
    """
    if backend.cancel is None:
        return True
    line, context = _Line(backend, job.cookies), building.context_of(job, params)
    if backend.cancel_fields.names:
        status = yield from _status_now(line, job, context)
        context["cancel_url"] = reading.read_cancel_url(backend, job, params, status)
        if context["cancel_url"] is None:
            return False  # not yet, or not any more: the next status tells
    reply = yield from line.ask(building.build(backend, backend.cancel, context))
    return reply.status not in reading.TRY_LATER


def _status_now(
    line: "_Line", job: JobValue, context: Mapping[str, Any]
) -> Conversation[HttpReply | None]:
    if line.backend.status is None:
        operation = job.operation or ""
        return (yield from batch(line.backend, [operation])).get(operation)
    request = building.status_request(line.backend, context, job.status_url)
    return (yield from line.ask(request))


def whole_log(backend: Backend, job: JobValue, params: Mapping[str, Any]) -> Conversation[str]:
    """Return a job's log from its beginning, as far as one reply holds. Raises BackendError."""
    if backend.log is None:
        raise Refused("This backend tells no log.")
    context = building.context_of(replace(job, log_offset=0), params)
    request = building.build(backend, backend.log, context)
    reply = yield from _Line(backend, job.cookies).ask(request)
    lines, _ = reading.read_log(backend, job, params, reply, is_last=True)
    return "\n".join(lines)


def failed_look(job: JobValue, exc: BackendError) -> Change:
    """Return what an exception in a look means for the job."""
    if isinstance(exc, Refused):
        return Ended(look=job.look, state=State.FAILED, error=_error(JobErrorCode.BAD_REPLY, exc))
    code = (
        JobErrorCode.BACKEND_UNREACHABLE if isinstance(exc, Unreachable) else JobErrorCode.BAD_REPLY
    )
    return PollFailed(look=job.look, error=_error(code, exc))


class _Line:
    """One side of a conversation: adds cookies and the challenge, masks what comes back."""

    def __init__(self, backend: Backend, job_cookies: cookies.Jar) -> None:
        self.backend = backend
        self.job_cookies = job_cookies

    def ask(self, request: HttpRequest) -> Conversation[HttpReply]:
        """Send a request, once more where the backend challenges; return the masked reply."""
        backend, memory = self.backend, self.backend.remembered
        reply = yield from self._send(request)
        if backend.challenge_status is not None and reply.status == backend.challenge_status:
            answer = reply.headers.get(backend.challenge_header.lower())
            if answer is not None:
                memory.challenge = answer
                reply = yield from self._send(request)
        if reply.url != request.url:
            reply = reply.at(request.url)
        return backend.mask.reply(reply)

    def _send(self, request: HttpRequest) -> Conversation[HttpReply]:
        try:
            reply = yield self._dressed(request)
        except BackendError as exc:
            exc.args = (self.backend.mask.text(str(exc)),)
            raise
        self._keep(request, reply)
        return reply

    @property
    def _is_shared(self) -> bool:
        return self.backend.cookies == "backend"

    @property
    def _jar(self) -> cookies.Jar:
        return self.backend.remembered.cookies if self._is_shared else self.job_cookies

    def _dressed(self, request: HttpRequest) -> HttpRequest:
        if self.backend.challenge_status is None and self.backend.cookies == "none":
            return request
        headers = dict(request.headers)
        if self.backend.challenge_status is not None and self.backend.remembered.challenge:
            headers[self.backend.challenge_header] = self.backend.remembered.challenge
        if self.backend.cookies != "none":
            cookie = cookies.header_for(self._jar, str(Origin.of(request.url)))
            if cookie:
                headers["Cookie"] = cookie
        return replace(request, headers=headers)

    def _keep(self, request: HttpRequest, reply: HttpReply) -> None:
        if self.backend.cookies == "none" or not reply.set_cookie:
            return
        told = reply.set_cookie
        if not self._is_shared:  # a job's jar is stored with it, where no secret may stand
            told = tuple(each for each in told if self.backend.mask.text(each) == each)
        jar = cookies.after_reply(self._jar, str(Origin.of(request.url)), told)
        if self._is_shared:
            self.backend.remembered.cookies = jar
        else:
            self.job_cookies = jar


class _Talk:
    """What start and poll have in common: the job, and the line to its backend."""

    def __init__(
        self, backend: Backend, job: JobValue, params: Mapping[str, Any], at: datetime
    ) -> None:
        self.backend = backend
        self.job = job
        self.params = params
        self.at = at
        self.line = _Line(backend, job.cookies)

    def start(self) -> Conversation[Change]:
        try:
            yield from self._look_up()
            request = self._built(self.backend.start)
        except Unreachable as exc:  # nothing was begun: it may be asked again
            return self._not_started(JobErrorCode.BACKEND_UNREACHABLE, exc, try_again=True)
        except BackendError as exc:
            return self._not_started(JobErrorCode.BACKEND_REFUSED, exc)
        try:
            reply = yield from self.line.ask(request)
            change = reading.read_start(self.backend, self.job, self.params, reply)
        except Unreachable as exc:
            return self._start_unanswered(exc)
        except Refused as exc:  # it began, and named an address that is not asked
            yield from self._give_up(reply)
            return self._not_started(JobErrorCode.BAD_REPLY, exc)
        except BackendError as exc:
            return self._not_started(JobErrorCode.BAD_REPLY, exc)
        if isinstance(change, Started):
            change = yield from self._begun(change, reply)
        return change

    def poll(self, answered: HttpReply | None, seen: Seen | None) -> Conversation[Change]:
        backend, job = self.backend, self.job
        if seen is not None and seen.by is not backend:  # it was described anew
            seen = None
        request, is_alone = None, answered is None
        try:
            if answered is None:
                request = self._status_request(seen)
                answered = yield from self.line.ask(_unless_same(request, seen))
            # A generator for a part that a backend has not would be a cost of each poll.
            also = None if backend.also is None else (yield from self._also(answered))
            if seen is not None and _is_same(answered, seen):
                return (yield from self._the_same(seen, answered))
            digest = reading.digest(backend, answered, also)
            if seen is not None and digest is not None and digest == seen.digest:
                return (yield from self._the_same(seen, answered))
            change = self._read(answered, also)
            if not isinstance(change, Observation):
                return change
            if _is_end(change):
                change = yield from self._with_outcome(change, answered, also)
            more: dict[str, Any] = {}
            is_moved = change.status_url is not None and change.status_url != job.status_url
            latest = None if seen is None or is_moved else seen.log  # of the same log
            if self._is_log_due(change, latest):
                pages = yield from self._log_pages(is_last=_is_end(change))
                latest = LogLook(self.at, pages.is_there)
                more = {"log": (*change.log, *pages.lines), "log_offset": pages.offset}
        except BackendError as exc:
            return failed_look(job, exc)
        if backend.cookies == "job":
            more["cookies"] = self.line.job_cookies
        more["seen"] = self._seen(
            change, latest, digest, answered if is_alone else None, None if is_moved else request
        )
        return change.evolve(more)

    # --- the parts of a start ---

    def _look_up(self) -> Conversation[None]:
        if self.backend.lookup is None:
            return
        reply = yield from self.line.ask(self._built(self.backend.lookup))
        if reply.status in reading.TRY_LATER:
            raise Unreachable(f"The backend answers the lookup with HTTP {reply.status}.")
        if not 200 <= reply.status < 300:
            raise BadReply(f"The lookup was refused: {reading.reason_of(reply)}")
        found = reading.read_lookup(self.backend, self.job, self.params, reply)
        self.job = replace(self.job, lookup=found)

    def _begun(self, change: Started, reply: HttpReply) -> Conversation[Change]:
        self.job = replace(
            self.job, operation=change.operation, start=change.start, started=self.at
        )
        seen = change.observation
        try:
            seen = yield from self._with_outcome(seen, reply, None)
        except BackendError:  # the next poll asks for it again
            seen = replace(seen, state=State.RUNNING)
        seen = replace(seen, cookies=self.line.job_cookies)
        return replace(change, observation=seen, lookup=self.job.lookup)

    def _give_up(self, reply: HttpReply) -> Conversation[None]:
        """Have what began on the backend stopped there, as well as it goes."""
        backend = self.backend
        if backend.cancel is None:
            return
        self.job = reading.begun_job(backend, self.job, self.params, reply)
        context = building.context_of(self.job, self.params)
        with contextlib.suppress(BackendError):
            if backend.cancel_fields.names:
                told = reading.read_cancel_url(backend, self.job, self.params, None)
                context["cancel_url"] = told
            yield from self.line.ask(building.build(backend, backend.cancel, context))

    def _start_unanswered(self, exc: Unreachable) -> NotStarted:
        if self.backend.is_idempotent or not exc.was_sent:
            failed = self._not_started(JobErrorCode.BACKEND_UNREACHABLE, exc, try_again=True)
            return replace(failed, may_run=exc.was_sent)
        sent = Unreachable(f"{exc} Whether the job began there is unknown; it is not sent again.")
        return self._not_started(JobErrorCode.START_UNKNOWN, sent)

    def _not_started(
        self, code: JobErrorCode, exc: BackendError, *, try_again: bool = False
    ) -> NotStarted:
        return NotStarted(look=self.job.look, error=_error(code, exc), try_again=try_again)

    # --- the parts of a poll ---

    def _built(self, request: RequestTemplate) -> HttpRequest:
        return building.build(self.backend, request, building.context_of(self.job, self.params))

    def _read(
        self, reply: HttpReply, also: HttpReply | None, outcome: HttpReply | None = None
    ) -> Change:
        return reading.read_poll(
            self.backend, self.job, self.params, reply, self.at, also=also, outcome=outcome
        )

    def _also(self, reply: HttpReply) -> Conversation[HttpReply | None]:
        if self.backend.also is None or not 200 <= reply.status < 300:
            return None
        try:
            return (yield from self.line.ask(self._built(self.backend.also)))
        except BackendError:
            return None  # it only adds; the status stands without it

    def _with_outcome(
        self, seen: Observation, reply: HttpReply, also: HttpReply | None
    ) -> Conversation[Observation]:
        """At the end ask for the outcome, and read the end again with it in the document."""
        if self.backend.outcome is None or not _is_end(seen):
            return seen
        try:
            outcome = yield from self.line.ask(self._built(self.backend.outcome))
            if outcome.status in reading.TRY_LATER:
                raise Unreachable(f"The backend answers the outcome with HTTP {outcome.status}.")
        except BackendError as exc:
            if exc.is_permanent or self.job.failures >= OUTCOME_TRIES:
                return seen  # the end stands without it
            raise
        again = self._read(reply, also, outcome)
        return again if isinstance(again, Observation) and _is_end(again) else seen

    def _seen(
        self,
        change: Observation,
        latest: LogLook | None,
        digest: int | None,
        answered: HttpReply | None,
        request: HttpRequest | None,
    ) -> Seen | None:
        """Return what to remember of a reply; `answered` is that to a request for this job alone.

        `latest` is the last look at the log, `request` the next poll's.
        """
        backend = self.backend
        if digest is not None and backend.cookies != "job" and backend.says_all_at_once:
            etag = None
            if answered is not None and backend.also is None:
                etag = answered.headers.get("etag")
            return Seen(backend, request, digest, etag, latest, change.log_size)
        if backend.log is not None:
            return Seen(backend, log=latest, log_size=change.log_size)
        return None

    def _status_request(self, seen: Seen | None) -> HttpRequest:
        if seen is not None and seen.request is not None:
            return seen.request
        context = building.context_of(self.job, self.params)
        return building.status_request(self.backend, context, self.job.status_url)

    def _is_log_due(self, change: Observation, latest: LogLook | None) -> bool:
        """Whether to fetch log lines now: a page at a poll, at the end all that is left."""
        return not change.gone and log_pages.is_due(
            self.backend,
            self.job,
            latest,
            self.at,
            size=change.log_size,
            is_news=True,
            is_last=_is_end(change),
        )

    def _the_same(self, seen: Seen, answered: HttpReply) -> Conversation[Change]:
        """Return what an unchanged status means: nothing, unless the log goes on all the same."""
        job, retry_after = self.job, retry_after_of(answered)
        if not log_pages.is_due(
            self.backend, job, seen.log, self.at, size=seen.log_size, is_news=False
        ):
            return Unchanged(look=job.look, retry_after=retry_after)
        pages = yield from self._log_pages(is_last=False)
        seen = seen._replace(log=LogLook(self.at, pages.is_there))
        if not pages.lines and pages.offset == job.log_offset:
            return Unchanged(look=job.look, retry_after=retry_after, seen=seen)
        return Observation(
            look=job.look,
            current=job.current,
            total=job.total,
            log=pages.lines,
            log_offset=pages.offset,
            retry_after=retry_after,
            seen=seen,
        )

    def _log_pages(self, *, is_last: bool) -> Conversation[log_pages.Pages]:
        return log_pages.fetch(self.backend, self.job, self.params, self.line.ask, is_last=is_last)


def _unless_same(request: HttpRequest, seen: Seen | None) -> HttpRequest:
    """Return the request, for a reply only if it is another one (RFC 9110, 13.1.2)."""
    if seen is None or seen.etag is None or request.method != "GET":
        return request
    return replace(request, headers={**request.headers, "If-None-Match": seen.etag})


def _is_end(change: Observation) -> bool:
    return change.state is not None and change.state.is_terminal


def _is_same(reply: HttpReply, seen: Seen) -> bool:
    return reply.status == 304 and seen.etag is not None


def _error(code: JobErrorCode, exc: BackendError) -> JobError:
    return JobError(code=code, message=str(exc))
