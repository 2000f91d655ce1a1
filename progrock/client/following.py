"""Following one job as a plan: over lost connections, without loss or repetition, to its end.

Each way reads on from the position until the end, or the loss of its line. They read the same log
with the same seq, so that the next connection may go another way.
"""

import json
from typing import Any

from progrock.client import calls
from progrock.client.conversation import Conversation, is_event
from progrock.client.effects import Call, Emit, Listen, Lost, Plan, Receive, Silent, Sleep, Stream
from progrock.client.errors import ClientError
from progrock.client.events import Event
from progrock.client.position import News, Position
from progrock.client.route import Transport
from progrock.client.session import NotPassing, Session, check_stream, keep_up, unless_for_now
from progrock.client.sse import StreamReader
from progrock.client.values import Json, Snapshot

OPEN_SECONDS = 10.0
STREAM_SILENCE_SECONDS = 35.0  # two heartbeats and five seconds
LONG_POLL_SECONDS = 25.0  # below the 30 s after which many proxies lose patience
SPARE_SECONDS = 10.0
PAGE = 500  # events a call


def follow(session: Session, position: Position) -> Stream[Event]:
    """Give the events of a job after a position, each once and in order, up to its end.

    A job whose end was told before gives its last snapshot. Raises Refused, ServerAway,
    BadAnswer, and WaitedTooLong when the session's timeout is over.
    """
    last = position.known.snapshot
    if last.complete and position.seq >= last.seq:
        event = position.begin_again(last)
        if event is not None:
            yield Emit(event)
        return
    yield from keep_up(
        session,
        {
            Transport.WEBSOCKET: lambda: _by_websocket(session, position),
            Transport.STREAM: lambda: _by_stream(session, position),
            Transport.POLLING: lambda: _by_polling(session, position),
        },
    )


# --- WebSocket ---


def _by_websocket(session: Session, position: Position) -> Stream[Event]:
    talk = Conversation(session)
    yield from talk.open()
    yield from _join(talk, position)
    while not position.is_over:
        frame = yield from talk.frame()
        if frame.get("job") != position.job:
            continue
        if frame.get("type") == "presence":
            position.known.learn_frame(frame)
        elif is_event(frame):
            news = position.look_at(frame)
            if news is News.NEXT:
                session.told()
                yield Emit(position.take(frame))
            elif news is News.HOLE:
                yield from _join(talk, position)


def _join(talk: Conversation, position: Position) -> Stream[Event]:
    after = {} if position.after is None else {"after": position.after}
    answer = yield from talk.ask("watch", job=position.job, **after)
    if not answer.get("recovered"):
        yield from _begin_again(position, Snapshot.read(answer.get("snapshot")))


def _begin_again(position: Position, snapshot: Snapshot) -> Stream[Event]:
    event = position.begin_again(snapshot)
    if event is not None:
        yield Emit(event)


# --- event stream ---


def _by_stream(session: Session, position: Position) -> Stream[Event]:
    server = session.server
    try:
        reply = yield Listen(
            url=server.job(position.job, "/events", {"after": position.after}),
            headers=server.headers(Accept="text/event-stream"),
            seconds=session.seconds(OPEN_SECONDS),
            silence=session.seconds(STREAM_SILENCE_SECONDS),
        )
    except (Silent, Lost) as exc:  # the server was reached, and did not answer
        raise NotPassing(str(exc)) from exc
    check_stream(server, reply)
    reader = StreamReader()
    has_come = False
    while True:
        try:
            text = yield Receive(session.seconds(STREAM_SILENCE_SECONDS))
        except Silent as exc:
            if has_come:
                raise
            raise NotPassing(f"a proxy holds the stream back: {exc}") from exc
        if not has_come:
            has_come = True
            session.joined()
        for message in reader.feed(text):
            yield from _take_message(session, position, message.event, message.data)
            if position.is_over:
                return


def _take_message(session: Session, position: Position, kind: str, data: str) -> Stream[Event]:
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise Lost("the stream is not JSON") from exc
    if kind == "snapshot":
        session.told()
        yield from _begin_again(position, Snapshot.read(frame.get("snapshot", frame)))
    elif kind == "presence":
        position.known.learn_frame(frame)
    elif is_event(frame):
        news = position.look_at(frame)
        if news is News.NEXT:
            session.told()
            yield Emit(position.take(frame))
        elif news is News.HOLE:
            raise Lost("an event is missing in the stream")


# --- long polling ---


def _by_polling(session: Session, position: Position) -> Stream[Event]:
    while not position.is_over:
        asked_at = session.now()
        wait = session.seconds(LONG_POLL_SECONDS)
        query = {"after": position.seq, "wait": round(wait, 2)}
        data = yield from _get(session, session.server.job(position.job, "", query), wait)
        snapshot = Snapshot.read(data)
        session.joined()
        if snapshot.seq > position.seq:
            session.told()
            yield from _catch_up(session, position)
        elif snapshot.seq < position.seq or snapshot.complete:
            yield from _begin_again(position, snapshot)
        elif session.now() - asked_at < 1.0 <= wait:  # somebody on the way does not wait
            yield Sleep(session.seconds(1.0))


def _catch_up(session: Session, position: Position) -> Stream[Event]:
    query = {"after": position.seq, "limit": PAGE}
    url = session.server.job(position.job, "/events", query)
    answer = yield from _get(session, url, 0.0)
    if answer.get("recovered"):
        for frame in answer.get("events") or ():
            news = position.look_at(frame)
            if news is News.NEXT:
                yield Emit(position.take(frame))
            elif news is News.HOLE:
                break
            if position.is_over:
                return
        else:
            return
    data = yield from _get(session, session.server.job(position.job), 0.0)
    yield from _begin_again(position, Snapshot.read(data))


def _get(session: Session, url: str, wait: float) -> Plan[Json]:
    headers = session.server.headers()
    reply = yield Call(method="GET", url=url, headers=headers, seconds=wait + SPARE_SECONDS)
    try:
        body: Any = calls.read(session.server, reply)
    except ClientError as exc:
        raise unless_for_now(exc) from exc
    return body  # type: ignore[no-any-return]
