"""What can be asked of a server: each operation once, as a plan, for both clients."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from progrock.client import calls, feeding
from progrock.client.effects import Emit, Plan, Stream
from progrock.client.events import Event
from progrock.client.methods import operation, stream
from progrock.client.route import Route, Transport
from progrock.client.server import Server
from progrock.client.session import Session
from progrock.client.values import Backend, Snapshot

J = TypeVar("J")  # the kind of job that a kind of client gives
States = str | Iterable[str] | None
MOST_A_PAGE = 200


class ServerOperations(Generic[J]):
    """What can be asked of a server. All raise Refused, ServerAway and BadAnswer."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float | None = 300.0,
        transports: Sequence[Transport | str] = tuple(Transport),
    ) -> None:
        """Take the address of a server; without `url` or `token`, from the environment.

        PROGROCK_URL and PROGROCK_TOKEN are read. A lost server is tried for `patience` seconds
        while a job is followed (None: for ever). `transports` are the ways to follow jobs, the
        best first. Raises BadAddress.
        """
        self.server = Server.at(url, token)
        self.patience = patience
        self.route = Route(transports)
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    def _job(self, snapshot: Snapshot, report_token: str | None = None) -> J:
        raise NotImplementedError

    @operation
    def start(
        self,
        backend: str | None = None,
        /,
        *,
        title: str | None = None,
        labels: Iterable[str] = (),
        key: str | None = None,
        params: Mapping[str, Any] | None = None,
        **more_params: Any,
    ) -> Plan[J]:
        """Start a job on a backend, the default one when none is named, and return it.

        Further keywords are the backend's parameters; those whose names clash with ours go into
        `params`. The same `key` gives the same job again, for 24 h. Refused codes:
        `unknown_backend`, `bad_params` (with `details`), `conflict` (the key was used otherwise).
        """
        request: dict[str, Any] = {"params": {**(params or {}), **more_params}}
        request |= {} if backend is None else {"backend": backend}
        request |= {} if title is None else {"title": title}
        request |= {"labels": list(labels)} if labels else {}
        # With a key of its own a start whose answer was lost can be sent again.
        answer = yield from calls.post(
            self.server, self.server.api("jobs"), request, key=key or uuid.uuid4().hex
        )
        return self._job(Snapshot.read(answer), answer.get("report_token"))

    @operation
    def job(self, job: str) -> Plan[J]:
        """Return a job by its id. Refused with `unknown_job` where there is none to be seen."""
        answer = yield from calls.get(self.server, self.server.job(job))
        return self._job(Snapshot.read(answer))

    @stream
    def jobs(
        self,
        *,
        state: States = None,
        backend: str | None = None,
        label: str | None = None,
        q: str | None = None,
        mine: bool = False,
        limit: int | None = None,
    ) -> Stream[Snapshot]:
        """Give the jobs that match, newest first, page after page; `limit` of them at most."""
        wanted = _filter(state, backend, label, mine=mine) | ({"q": q} if q else {})
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = MOST_A_PAGE if left is None else min(left, MOST_A_PAGE)
            query = {**wanted, "limit": size, "cursor": cursor}
            answer = yield from calls.get(self.server, self.server.api("jobs", query))
            for data in answer.get("jobs") or ():
                yield Emit(Snapshot.read(data))
            cursor = answer.get("next")
            left = None if left is None else left - size
            if cursor is None:
                return

    @stream
    def feed(
        self,
        *,
        state: States = None,
        backend: str | None = None,
        label: str | None = None,
        mine: bool = False,
    ) -> Stream[Event]:
        """Give the newest jobs that match as snapshots, then all events of jobs that match.

        It does not end by itself. After a lost connection, jobs that changed in between come as
        snapshots.
        """
        wanted = _filter(state, backend, label, mine=mine)
        session = Session(self.server, self.route, patience=self.patience)
        yield from feeding.feed(session, wanted)

    @operation
    def report(self, job: str, /, **what: Any) -> Plan[Snapshot]:
        """Report the progress of a job of the backend `push` by its id; see `Job.report`."""
        return Snapshot.read((yield from calls.report(self.server, job, what)))

    @operation
    def backends(self) -> Plan[list[Backend]]:
        """Return what jobs can be started on."""
        answer = yield from calls.get(self.server, self.server.api("backends"))
        return [Backend.read(data) for data in answer.get("backends") or ()]


def _filter(state: States, backend: str | None, label: str | None, *, mine: bool) -> dict[str, Any]:
    states = [state] if isinstance(state, str) else list(state or ())
    wanted = {"state": states, "backend": backend, "label": label, "mine": mine}
    return {name: value for name, value in wanted.items() if value}
