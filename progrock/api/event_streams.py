"""`GET jobs/ID/events` and `GET events` as event streams: ASGI beside Django.

A stream lasts as long as its client. Django would keep a thread and two tasks for each, since its
middleware is in part synchronous; here it is one coroutine. What is no stream goes on to Django.
"""

import re
from typing import Any, TypeVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.http import HttpResponse
from pydantic import BaseModel, ValidationError

from progrock import conf, identity
from progrock.api import problems
from progrock.api.accepting import takes_stream, wants_stream
from progrock.api.events import FeedQuery, JobEventsQuery
from progrock.api.other_sites import READABLE, is_shared, mark
from progrock.errors import RequestError
from progrock.failures import try_again
from progrock.identity import Who
from progrock.live.handshake import (
    FOREIGN_HOST,
    Application,
    Receive,
    Scope,
    by_session,
    headers_of,
    is_own_host,
)
from progrock.live.sse import HEADERS, FeedStream, JobStream, Stream
from progrock.live.wire import Send
from progrock.protocol.codec import describe
from progrock.protocol.codec import problems as problems_of
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import MAX_SEQ

Query = TypeVar("Query", bound=BaseModel)
_READABLE = [(name.lower().encode(), value.encode()) for name, value in READABLE.items()]
_PATH = re.compile(r"/api/v1/(?:jobs/(?P<job>[^/]+)/)?events")


class EventStreams:
    """ASGI middleware: answers who asks for a stream, and hands on all others."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        match = _PATH.fullmatch(path) if scope["method"] == "GET" else None
        if match is None:
            await self._inner(scope, receive, send)
            return
        job = match["job"]
        headers = headers_of(scope)
        accept = headers.get("accept", "")
        if not (takes_stream(accept) if job is None else wants_stream(accept)):
            await self._inner(scope, receive, send)
            return
        await _answer(job, scope["query_string"].decode("latin-1"), headers, receive, send)


async def _answer(
    job: str | None, query: str, headers: dict[str, str], receive: Receive, send: Send
) -> None:
    if not is_own_host(headers.get("host", "")):
        await _refuse(problems.response_to(FOREIGN_HOST, status=400), send)
        return
    shared = job is not None and is_shared(headers.get("authorization", ""), "/events", query)
    try:
        stream = await _stream(job, query, headers, send)
        if shared:
            stream.headers = (*HEADERS, *_READABLE)
        await stream.prepare()
    except RequestError as exc:
        problem = problems.response_to(exc)
        if shared:
            mark(problem)
        await _refuse(problem, send)
    except Exception as exc:  # noqa: BLE001 - none may go unanswered
        sorry = try_again(exc, "an event stream could not begin", job=job)
        await _refuse(problems.response_to(sorry), send)
    else:
        await stream.run(receive)


async def _stream(job: str | None, query: str, headers: dict[str, str], send: Send) -> Stream:
    """Return the stream that is asked for. Raises RequestError."""
    who = await database_sync_to_async(_identify)(headers, query)
    last = headers.get("last-event-id")
    if job is None:
        asked = _parsed(FeedQuery, query)
        return FeedStream(who, send, asked.filter, last or asked.after)
    after = _parsed(JobEventsQuery, query).after
    if last:
        is_seq = last.isascii() and last.isdigit() and int(last) <= MAX_SEQ
        after = int(last) if is_seq else None
    return JobStream(who, send, job, after, is_back=bool(last))


def _parsed(model: type[Query], query: str) -> Query:
    """Return the parameters of a query. Raises RequestError(bad_message)."""
    given: dict[str, Any] = parse_qs(query, keep_blank_values=True)
    values = {name: value if name == "state" else value[-1] for name, value in given.items()}
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        details = problems_of(exc)
        raise RequestError(ErrorCode.BAD_MESSAGE, describe(details), details=details) from exc


def _identify(headers: dict[str, str], query: str) -> Who:
    """Return who asks, by the rules of `identity.of_request`."""
    token = identity.bearer_of(headers.get("authorization", ""))
    if token is None:
        token = identity.share_token_in(query)
    if token is not None:
        return identity.by_token(token)
    who = by_session(headers.get("cookie", ""))
    if who.is_anonymous and not conf.anonymous_allowed():
        raise identity.nobody()
    return who


async def _refuse(problem: HttpResponse, send: Send) -> None:
    headers = [
        (name.lower().encode("ascii"), str(value).encode("latin-1"))
        for name, value in problem.items()
    ]
    length = (b"content-length", str(len(problem.content)).encode())
    start = {"type": "http.response.start", "status": problem.status_code}
    await send({**start, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": problem.content})
