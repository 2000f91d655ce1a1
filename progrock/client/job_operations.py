"""What can be asked of a job: each operation once, as a plan, for both clients."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from progrock.client import calls, following
from progrock.client.effects import Emit, Plan, Running, Stream
from progrock.client.errors import ending_of
from progrock.client.events import Event
from progrock.client.methods import operation, stream
from progrock.client.position import Known, Position
from progrock.client.server import Server
from progrock.client.server_operations import ServerOperations
from progrock.client.session import Session
from progrock.client.values import Comment, Share, Snapshot

J = TypeVar("J")  # the kind of job that a kind of client gives


class JobOperations(Generic[J]):
    """What can be asked of a job. All raise Refused, ServerAway and BadAnswer."""

    def __init__(
        self,
        client: ServerOperations[J],
        snapshot: Snapshot,
        report_token: str | None = None,
    ) -> None:
        """Take what a client has learned; `report_token` is for a job of the backend `push`."""
        self.client = client
        self.known = Known(snapshot)
        self.report_token = report_token

    @property
    def id(self) -> str:
        """The job's id."""
        return self.known.snapshot.job

    @property
    def snapshot(self) -> Snapshot:
        """The job's state as far as it is known here; iterating and asking keep it up to date."""
        return self.known.snapshot

    def __repr__(self) -> str:
        now = self.snapshot
        return f"<{type(self).__name__} {now.job} {now.title!r} {now.state} {now.progress}>"

    @operation
    def refresh(self) -> Plan[Snapshot]:
        """Ask for the job's present state, and return it."""
        return (yield from self._learned(calls.get(self._server, self._url())))

    @stream
    def events(self, *, after: int | None = None, timeout: float | None = None) -> Stream[Event]:
        """Give the job's events, each once and in order, up to its end.

        Without `after` it goes on where the last iteration of this object was; `after=0` gives
        all from the first on, as far as they are kept. `timeout` (seconds, for all of it) raises
        WaitedTooLong. A job that has ended before gives a SnapshotEvent.
        """
        if after is not None:
            yield from self._learned(calls.get(self._server, self._url()))
        position = Position(self.known, after)
        yield from following.follow(self._session(timeout), position)

    @operation
    def result(self, timeout: float | None = None) -> Plan[Any]:
        """Wait for the end and return the result.

        Raises JobFailed, JobCancelled or JobTimedOut with the job's code and message, and
        WaitedTooLong when it has not ended within `timeout` seconds. Where only event streams
        pass, a blocking client may notice that up to a heartbeat (15 s) late.
        """
        if not self.known.snapshot.complete:
            # Not the iteration's own position: who iterates afterwards misses nothing.
            position = Position(self.known, self.known.snapshot.seq)
            yield from _silently(following.follow(self._session(timeout), position))
        error = ending_of(self.known.snapshot)
        if error is not None:
            raise error
        return self.known.snapshot.result

    @operation
    def cancel(self) -> Plan[Snapshot]:
        """Ask for the job to be stopped; that it has been comes as an event.

        Refused with `not_cancellable` where it has ended.
        """
        url = self._url("/cancel")
        return (yield from self._learned(calls.post(self._server, url, again=True)))

    @operation
    def retry(self, /, *, key: str | None = None, **params: Any) -> Plan[J]:
        """Start a job that has ended once more, and return the new one.

        `params` replace those of the same name. Refused with `not_finished` before the end.
        """
        answer = yield from calls.post(
            self._server, self._url("/retry"), {"params": params}, key=key or uuid.uuid4().hex
        )
        return self.client._job(  # noqa: SLF001 - the other half of the same class
            Snapshot.read(answer), answer.get("report_token")
        )

    @operation
    def edit(
        self,
        *,
        title: str | None = None,
        note: str | None = None,
        labels: Iterable[str] | None = None,
        pinned: bool | None = None,
        version: int | None = None,
    ) -> Plan[Snapshot]:
        """Change what is given. Raises Conflict when it was edited since `version`.

        `version` is that of `snapshot` when left out.
        """
        given = {
            "title": title,
            "note": note,
            "labels": None if labels is None else list(labels),
            "pinned": pinned,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        known = self.known.snapshot.version if version is None else version
        plan = calls.patch(self._server, self._url(), changes, version=known)
        return (yield from self._learned(plan))

    @operation
    def comment(self, text: str) -> Plan[Comment]:
        """Say something about the job, 1 to 4,000 characters; all watchers get it."""
        answer = yield from calls.post(self._server, self._url("/comments"), {"text": text})
        return Comment.read(answer.get("comment", answer))

    @stream
    def comments(self) -> Stream[Comment]:
        """Give what was said about the job, in order."""
        cursor: str | None = None
        while True:
            url = self._url("/comments", {"cursor": cursor})
            answer = yield from calls.get(self._server, url)
            for data in answer.get("comments") or ():
                yield Emit(Comment.read(data))
            cursor = answer.get("next")
            if cursor is None:
                return

    @operation
    def share(self, expires_in: int | None = None) -> Plan[Share]:
        """Return a link by which anybody may watch this job, for so many seconds."""
        body = {} if expires_in is None else {"expires_in": expires_in}
        return Share.read((yield from calls.post(self._server, self._url("/share"), body)))

    @operation
    def report(self, /, **what: Any) -> Plan[Snapshot]:
        """Report the progress of a job of the backend `push`.

        Any of progress, current, total, unit, message, log, steps, state, result, error, number.
        `state` of the returned snapshot is `cancelling` where the program shall stop.
        """
        server = self._server.by(self.report_token or self._server.token)
        return (yield from self._learned(calls.report(server, self.id, what)))

    @property
    def _server(self) -> Server:
        return self.client.server

    def _url(self, rest: str = "", query: Mapping[str, Any] | None = None) -> str:
        return self._server.job(self.id, rest, query)

    def _session(self, timeout: float | None) -> Session:
        client = self.client
        return Session(
            client.server, client.route, patience=client.patience, timeout=timeout, what=self.id
        )

    def _learned(self, plan: Plan[Any]) -> Plan[Snapshot]:
        self.known.learn(Snapshot.read((yield from plan)))
        return self.known.snapshot


def _silently(plan: Stream[Any]) -> Plan[None]:
    """Perform a plan that emits, and drop what it emits."""
    run = Running(plan)
    while (effect := run.step()) is not None:
        if isinstance(effect, Emit):
            continue
        try:
            run.answer((yield effect))
        except Exception as exc:  # noqa: BLE001 - handed on to the plan within
            run.fail(exc)
