"""One job of a backend from its start to its end, in memory, as the worker would lead it.

The conversations, the transitions and the schedule are the worker's own; what the database and
Celery do there is a loop here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

from progrock.backends import conversation
from progrock.backends.backend import Backend
from progrock.backends.conversation import Conversation
from progrock.backends.errors import BackendError, BadReply
from progrock.backends.http import HttpReply, HttpRequest, Seen
from progrock.backends.trying.explaining import Explanations
from progrock.backends.trying.happenings import (
    Advanced,
    Asked,
    CancelAsked,
    Exchanged,
    Line,
    LineEnds,
    Listener,
    LookBegan,
    Read,
    Role,
    Said,
)
from progrock.backends.trying.hiding import hide_reply, hide_request
from progrock.backends.trying.watching import take_role, watched
from progrock.jobs import transitions
from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    JobError,
    Observation,
    Started,
)
from progrock.jobs.states import JobErrorCode, State
from progrock.jobs.transitions import Step
from progrock.jobs.values import JobValue
from progrock.polling import schedule

T = TypeVar("T")
CANCEL_AGAIN_SECONDS = 5.0
MOST_STARTS = 3  # the worker goes on for longer; whoever tries a description waits for it
NO_CHANCE = 0.5  # jitter spreads many jobs; this is one


class Trial:
    """A job that is tried. `tell` hears all that happens; `run` returns how the job stands.

    `timeout` in seconds takes the place of a later poll.deadline. A KeyboardInterrupt asks for
    an end: the first one has the backend asked to stop, the second one leaves.
    """

    def __init__(
        self,
        backend: Backend,
        params: Mapping[str, Any],
        line: Line,
        tell: Listener,
        *,
        id_: UUID,
        timeout: float | None = None,
        explanations: Explanations | None = None,
    ) -> None:
        self.backend = watched(backend, self._fields_read)
        self.params = params
        self.line = line
        self.tell = tell
        deadline = min(backend.policy.deadline, timeout or backend.policy.deadline)
        self.policy = replace(backend.policy, deadline=deadline)
        self._explanations = explanations or Explanations({})
        self._began = self._due = now = line.now()
        self.job = JobValue(
            id=id_,
            backend=backend.name,
            seq=1,
            state=State.PENDING,
            created=now,
            updated=now,
            moved_at=now,
        )
        self._numbers = {"start": 0, "poll": 0, "cancel": 0, "deadline": 0}
        self._latest: HttpReply | None = None
        self._seen: Seen | None = None  # of the log
        self._is_start_open = False  # sent, and not known what became of it
        self._cancel_due: datetime | None = None  # when the backend is to be told
        self._has_left = False

    def run(self) -> JobValue:
        """Lead the job to its end, or as far as it goes."""
        while not self._has_left and (self._cancel_due or not self.job.state.is_terminal):
            try:
                self._go_on()
            except KeyboardInterrupt:
                self._take_interrupt()
            except LineEnds as exc:
                self._leave(str(exc))
        return self.job

    def _go_on(self) -> None:
        """Wait for what is due next, and do it: a look, or telling the backend to stop."""
        due = min(self._due, self._cancel_due or self._due)
        self.line.wait(max((due - self.line.now()).total_seconds(), 0.0))
        if self._cancel_due == due:
            self._cancel()
        else:
            self._look()

    # --- a look ---

    def _look(self) -> None:
        self.job = replace(self.job, look=self.job.look + 1)
        now = self.line.now()
        if now >= transitions.deadline_of(self.policy, self.job):
            self._begin("deadline")
            self._advance(self._timed_out())
        elif self.job.started is None:
            self._begin("start")
            talk = conversation.start(self.backend, self.job, self.params, now)
            self._advance(self._drive(talk))
            if self.job.state is State.PENDING and self._numbers["start"] == MOST_STARTS:
                self._leave("Not tried again here; the worker would go on.")
        else:
            self._begin("poll")
            self._advance(self._polled(now))

    def _polled(self, now: datetime) -> Change:
        backend, job = self.backend, self.job
        part: HttpReply | None = None
        if backend.batch is not None and job.operation is not None:
            try:
                parts = self._drive(conversation.batch(backend, [job.operation]))
            except BackendError as exc:
                return conversation.failed_look(job, exc)
            part = parts.get(job.operation)
            if part is None and backend.status is None:
                left_out = BadReply("The backend's answer to the batch leaves this job out.")
                return conversation.failed_look(job, left_out)
            if part is None:
                self.tell(Said(text="The batch leaves this job out; it is asked for alone."))
        change = self._drive(
            conversation.poll(backend, job, self.params, now, answered=part, seen=self._seen)
        )
        if isinstance(change, Observation) and change.seen is not None:
            # Of the log alone: each reply is read, so that all that it says can be told.
            self._seen = change.seen._replace(request=None, digest=None, etag=None)
        return change

    def _advance(self, change: Change) -> None:
        at = self.line.now()
        step = transitions.advance(self.job, change, self.policy, at)
        seen = getattr(change, "observation", change)
        due, interval = schedule.next_look(
            self.policy,
            step.job,
            due=self._due,
            at=at,
            changed=step.changed,
            retry_after=getattr(seen, "retry_after", None),
            chance=NO_CHANCE,
            is_begun=isinstance(change, Started),
        )
        self._due, self._is_start_open = due or at, False
        self._take(change, step._replace(job=step.job.evolve({"interval": interval})))
        if isinstance(change, Ended) and self.backend.cancel and self.job.started:
            self._cancel_due = self._due  # we gave it up; the backend should too

    def _take(self, change: Change, step: Step) -> None:
        before, self.job = self.job, step.job
        self.tell(Advanced(change=change, before=before, after=step.job, events=step.events))

    def _timed_out(self) -> Ended:
        message = f"The job did not end within its {self.policy.deadline:g} s."
        error = JobError(code=JobErrorCode.TIMED_OUT, message=message)
        return Ended(look=self.job.look, state=State.TIMED_OUT, error=error)

    # --- the requests ---

    def _drive(self, talk: Conversation[T]) -> T:
        try:
            request = next(talk)
            while True:
                try:
                    reply = self._exchange(request)
                except BackendError as exc:
                    request = talk.throw(exc)
                else:
                    request = talk.send(reply)
        except StopIteration as done:
            return cast("T", done.value)

    def _exchange(self, marked: HttpRequest) -> HttpReply:
        role, request = take_role(marked)
        masked = hide_request(request, self.backend.mask)
        at = self._seconds()
        self.tell(Asked(role=role, request=masked))
        self._is_start_open |= role is Role.START
        answer = self.line.send(role, request, masked)
        reply, error = answer.reply, answer.error
        if error is not None:
            error.args = (self.backend.mask.text(str(error)),)
        self._latest = hide_reply(reply, self.backend.mask) if reply else None
        told = replace(answer, reply=self._latest)
        self.tell(Exchanged(role=role, request=masked, answer=told, at=at))
        if reply is None:
            raise error or LineEnds("There is no answer.")
        return reply

    def _fields_read(
        self, source: str, found: Mapping[str, Any], document: Mapping[str, Any]
    ) -> None:
        failures = {}
        reply = self._latest
        if reply is not None and reply.is_json and 200 <= reply.status < 300:
            reasons = {
                field: self._explanations.why(field, document)
                for field, value in found.items()
                if value is None
            }
            failures = {field: reason for field, reason in reasons.items() if reason}
        name = cast("Literal['lookup', 'start', 'poll', 'log', 'cancel']", source)
        self.tell(Read(source=name, found=found, failures=failures))

    # --- the end that a person asks for ---

    def _take_interrupt(self) -> None:
        state = self.job.state.value
        if self.job.state.is_terminal or self.job.cancel_requested is not None:
            self._leave(f"Left; the job was {state} when it was last looked at.")
        elif self.job.started is None:
            self._leave(
                "Left while the start was under way: whether the job began there is unknown."
                if self._is_start_open
                else "Left before the job was started."
            )
        elif self.backend.cancel is None:
            self._leave(
                "The description has no cancel request: "
                f"the job goes on at the backend. It was {state} when it was last looked at."
            )
        else:
            now = self.line.now()
            self.tell(CancelAsked(at=self._seconds()))
            change = CancelRequested()
            self._take(change, transitions.advance(self.job, change, self.policy, now))
            self._cancel_due = min(self._due, now)

    def _cancel(self) -> None:
        """Tell the backend to stop; where it puts us off, tell it again later."""
        self._begin("cancel")
        try:
            is_told = self._drive(conversation.cancel(self.backend, self.job, self.params))
        except BackendError as exc:
            is_told = exc.is_permanent
            self.tell(Said(text=f"The backend was not told to stop: {exc}"))
        now = self.line.now()
        again = now + timedelta(seconds=CANCEL_AGAIN_SECONDS)
        self._cancel_due = None if is_told or self.job.state.is_terminal else again
        if is_told:
            self._due = min(self._due, now + timedelta(seconds=self.policy.min))

    def _leave(self, sentence: str) -> None:
        self.tell(Said(text=sentence))
        self._has_left = True

    # --- numbers ---

    def _begin(self, kind: Literal["start", "poll", "cancel", "deadline"]) -> None:
        self._numbers[kind] += 1
        self.tell(LookBegan(kind=kind, number=self._numbers[kind], at=self._seconds()))

    def _seconds(self) -> float:
        return (self.line.now() - self._began).total_seconds()
