"""Following all jobs that match, as a plan: what they are, and then what happens to them.

A feed has no log to go on in. After a lost connection each job that has changed in between is told
by its snapshot, so that the caller ends with the right state of each.
"""

import json
from collections.abc import Iterable
from typing import Any

from progrock.client import calls
from progrock.client.conversation import Conversation, is_event
from progrock.client.effects import Call, Emit, Listen, Lost, Plan, Receive, Silent, Sleep, Stream
from progrock.client.errors import ClientError
from progrock.client.events import Event, read_event, snapshot_event
from progrock.client.following import OPEN_SECONDS, SPARE_SECONDS, STREAM_SILENCE_SECONDS
from progrock.client.route import Transport
from progrock.client.session import NotPassing, Session, check_stream, keep_up, unless_for_now
from progrock.client.sse import StreamReader
from progrock.client.values import Json, Snapshot

KNOWN_JOBS = 10_000  # of so many the last seq is remembered
POLL_SECONDS = 2.0
PAGE = 100
MOST_MISSED = 20  # single jobs that are looked up, the latest first
ACTIVE = ("pending", "queued", "running", "cancelling")


class Seen:
    """The last seq told of each job, the oldest forgotten first, and which have not ended."""

    def __init__(self) -> None:
        self._seqs: dict[str, int] = {}
        self.active: dict[str, None] = {}
        self.last_id = ""  # of the event stream

    def is_new(self, job: str, seq: int) -> bool:
        """Whether an event with this seq was not told yet."""
        return seq > self._seqs.get(job, 0)

    def take(self, job: str, seq: int, *, complete: bool) -> None:
        """An event is told."""
        self._seqs.pop(job, None)
        self._seqs[job] = seq
        self.active.pop(job, None)
        if not complete:
            self.active[job] = None
        while len(self._seqs) > KNOWN_JOBS:
            oldest = next(iter(self._seqs))
            del self._seqs[oldest]
            self.active.pop(oldest, None)


def feed(session: Session, wanted: Json) -> Stream[Event]:
    """Give the newest jobs that match as snapshots, and then all that happens, without an end.

    `wanted` is a filter {state, backend, label, mine}. Raises Refused, ServerAway, BadAnswer.
    """
    seen = Seen()
    yield from keep_up(
        session,
        {
            Transport.WEBSOCKET: lambda: _by_websocket(session, wanted, seen),
            Transport.STREAM: lambda: _by_stream(session, wanted, seen),
            Transport.POLLING: lambda: _by_polling(session, wanted, seen),
        },
    )


def _by_websocket(session: Session, wanted: Json, seen: Seen) -> Stream[Event]:
    talk = Conversation(session)
    yield from talk.open()
    before = list(seen.active)
    answer = yield from talk.ask("watch", feed="jobs", filter=dict(wanted))
    yield from _tell_jobs(answer.get("jobs") or (), seen)
    yield from _tell_missed(session, before, answer.get("jobs") or (), seen)
    while True:
        frame = yield from talk.frame()
        if is_event(frame):
            yield from _tell(session, frame, seen)


def _by_stream(session: Session, wanted: Json, seen: Seen) -> Stream[Event]:
    server = session.server
    before = list(seen.active)
    last_id = {"Last_Event_ID": seen.last_id} if seen.last_id else {}
    try:
        reply = yield Listen(
            url=server.api("events", wanted),
            headers=server.headers(Accept="text/event-stream", **last_id),
            seconds=session.seconds(OPEN_SECONDS),
            silence=STREAM_SILENCE_SECONDS,
        )
    except (Silent, Lost) as exc:  # the server was reached, and did not answer
        raise NotPassing(str(exc)) from exc
    check_stream(server, reply)
    reader = StreamReader()
    while True:
        text = yield Receive(STREAM_SILENCE_SECONDS)
        session.joined()
        for message in reader.feed(text):
            try:
                frame = json.loads(message.data)
            except (ValueError, RecursionError) as exc:
                raise Lost("the stream is not JSON") from exc
            if message.event == "snapshot":
                yield from _tell_jobs(frame.get("jobs") or (), seen)
                yield from _tell_missed(session, before, frame.get("jobs") or (), seen)
            elif is_event(frame):
                yield from _tell(session, frame, seen)
            seen.last_id = message.id


def _by_polling(session: Session, wanted: Json, seen: Seen) -> Stream[Event]:
    while True:
        before = list(seen.active)
        page = yield from _get(session, session.server.api("jobs", {**wanted, "limit": PAGE}))
        session.joined()
        yield from _tell_jobs(page.get("jobs") or (), seen)
        yield from _tell_missed(session, before, page.get("jobs") or (), seen)
        yield Sleep(POLL_SECONDS)


def _tell(session: Session, frame: Json, seen: Seen) -> Stream[Event]:
    if seen.is_new(frame["job"], frame["seq"]):
        session.told()
        seen.take(frame["job"], frame["seq"], complete=bool(frame.get("complete")))
        yield Emit(read_event(frame))


def _tell_jobs(jobs: Iterable[Json], seen: Seen) -> Stream[Event]:
    for data in reversed(list(jobs)):
        snapshot = Snapshot.read(data)
        if seen.is_new(snapshot.job, snapshot.seq):
            seen.take(snapshot.job, snapshot.seq, complete=snapshot.complete)
            yield Emit(snapshot_event(snapshot))


def _tell_missed(
    session: Session, before: Iterable[str], page: Iterable[Json], seen: Seen
) -> Stream[Event]:
    """Look up the jobs that ran when the last connection broke and are not on the page."""
    shown = {data.get("job") for data in page}
    missed = [job for job in before if job not in shown]
    for job in missed[-MOST_MISSED:]:
        data = yield from _get(session, session.server.job(job), is_missing_well=True)
        if data:
            yield from _tell_jobs([data], seen)


def _get(session: Session, url: str, *, is_missing_well: bool = False) -> Plan[Json]:
    headers = session.server.headers()
    reply = yield Call(method="GET", url=url, headers=headers, seconds=SPARE_SECONDS)
    if is_missing_well and reply.status == 404:
        return {}
    try:
        body: Any = calls.read(session.server, reply)
    except ClientError as exc:
        raise unless_for_now(exc) from exc
    return body  # type: ignore[no-any-return]
