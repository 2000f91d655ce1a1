"""Single HTTP calls as plans: send, read the answer or the problem, repeat where that is safe."""

import json
from collections.abc import Mapping
from typing import Any

from progrock.client.effects import Call, LineError, Plan, Reply, Sleep, Unreached
from progrock.client.errors import ClientError, Conflict, Refused, ServerAway
from progrock.client.pauses import Pauses
from progrock.client.server import Server

CALL_SECONDS = 10.0
TRIES = 4
LONGEST_WAIT_SECONDS = 30.0  # that a server may ask for by Retry-After
_AWAY = frozenset({502, 503, 504})  # a proxy whose server is down says so


def get(server: Server, url: str, *, seconds: float = CALL_SECONDS) -> Plan[Any]:
    """Return the JSON at an address; tried again while the server is unavailable."""
    call = Call(method="GET", url=url, headers=server.headers(), seconds=seconds)
    return (yield from ask(server, call, is_repeatable=True))


def post(
    server: Server, url: str, body: Any = None, *, key: str | None = None, again: bool = False
) -> Plan[Any]:
    """Send JSON and return the answer; tried again with an idempotency key, or where `again`."""
    more = {"Content_Type": "application/json"} | ({"Idempotency_Key": key} if key else {})
    call = Call(
        method="POST",
        url=url,
        headers=server.headers(**more),
        body=encode({} if body is None else body),
        seconds=CALL_SECONDS,
    )
    return (yield from ask(server, call, is_repeatable=again or key is not None))


def patch(server: Server, url: str, body: Any, *, version: int) -> Plan[Any]:
    """Change what still has this version, and return the answer. Raises Conflict."""
    call = Call(
        method="PATCH",
        url=url,
        headers=server.headers(Content_Type="application/json", If_Match=f'"{version}"'),
        body=encode(body),
        seconds=CALL_SECONDS,
    )
    return (yield from ask(server, call, is_repeatable=False))


def report(server: Server, job: str, what: Mapping[str, Any]) -> Plan[Any]:
    """Report a job; tried again where it has a `number`, by which a repetition is known."""
    body = {name: value for name, value in what.items() if value is not None}
    url = server.job(job, "/report")
    return (yield from post(server, url, body, again="number" in body))


def ask(server: Server, call: Call, *, is_repeatable: bool) -> Plan[Any]:
    """Return the JSON that answers a call. Raises Refused, ServerAway or BadAnswer.

    What was refused for now is tried again after the pause that the server asks for. A call whose
    answer was lost is tried again only where it is repeatable; one that reached nobody is not: the
    caller shall know at once that the server is away.
    """
    pauses = Pauses(server.chance)
    for left in range(TRIES - 1, -1, -1):
        try:
            reply = yield call
            return read(server, reply)
        except Unreached as exc:
            raise ServerAway(server.url, str(exc)) from exc
        except (LineError, ServerAway) as exc:
            if not (left and is_repeatable):
                raise (
                    exc if isinstance(exc, ServerAway) else ServerAway(server.url, str(exc))
                ) from exc
            yield Sleep(pauses.next())
        except Refused as exc:
            was_handled = exc.status is not None and exc.status not in {429, 503}
            wait = exc.retry_after or 0.0
            if not left or not exc.is_retryable or was_handled or wait > LONGEST_WAIT_SECONDS:
                raise
            yield Sleep(max(wait, pauses.next()))
    raise AssertionError("the last try returns or raises")


def read(server: Server, reply: Reply) -> Any:
    """Return the JSON of an answer. Raises Refused for a problem, BadAnswer for what is neither."""
    body = _json_of(reply)
    if 200 <= reply.status < 300 and isinstance(body, dict):
        return body
    raise problem(server, reply, body)


def problem(server: Server, reply: Reply, body: Any = None) -> ClientError:
    """Return the error that an answer other than success stands for (RFC 9457)."""
    body = _json_of(reply) if body is None else body
    if not isinstance(body, dict) or "code" not in body:
        if reply.status in _AWAY:
            return ServerAway(server.url, f"HTTP {reply.status}")
        kind = reply.headers.get("content-type", "no type")
        return server.no_protocol(f"HTTP {reply.status} with {kind}")
    code = str(body["code"])
    retry_after = body.get("retry_after")
    return (Conflict if code == "conflict" else Refused)(
        code,
        str(body.get("message") or body.get("detail") or body.get("title") or code),
        status=reply.status,
        details=body.get("details"),
        is_retryable=bool(body.get("retryable")),
        retry_after=retry_after if isinstance(retry_after, int | float) else None,
    )


def encode(value: Any) -> bytes:
    """Return JSON. Raises ValueError or TypeError for what is none, such as NaN."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _json_of(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
