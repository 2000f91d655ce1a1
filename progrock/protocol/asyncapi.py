"""The WebSocket's description: AsyncAPI 3.0, made from the models of its messages. Pure.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from collections.abc import Mapping
from inspect import getdoc
from typing import Any, Final

from pydantic import BaseModel

from progrock.protocol import events, messages, replies
from progrock.protocol.codes import CloseCode
from progrock.protocol.frames import PROTOCOL
from progrock.protocol.schemas import constant_of, reference_to, schemas_of

Document = dict[str, Any]
ADDRESS = "/prog/"
ACTIONS: Final[Mapping[type[messages.Message], tuple[type[BaseModel], ...]]] = {
    messages.Auth: (replies.Hello,),
    messages.Start: (replies.Started,),
    messages.Watch: (replies.WatchingRecovered, replies.WatchingAnew, replies.WatchingFeed),
    messages.Unwatch: (replies.UnwatchedJob, replies.UnwatchedFeed),
    messages.Cancel: (replies.Ack,),
    messages.Retry: (replies.Started,),
    messages.Edit: (replies.EditAck,),
    messages.Comment: (replies.CommentAck,),
    messages.ListJobs: (replies.Jobs,),
    messages.Ping: (replies.Pong,),
}
"""What a client may send, and how each is answered where it is not refused."""

UNASKED: Final[tuple[type[BaseModel], ...]] = (
    replies.Hello,
    replies.Heartbeat,
    *events.KEPT,
    events.PresenceEvent,
    replies.Error,
)
"""What comes without being asked for: the first frame, signs of life, events, a lost right."""

_DESCRIPTION = """\
Start jobs and follow them. Text frames, one JSON object each: what a client sends has `action`, \
what the server sends has `type`. A message may have an `id`, which its answer carries back.

Who is there is known by `Authorization: Bearer`, by a session cookie together with the site's \
own `Origin`, or by a first message `auth` within ten seconds. Where anonymous use is allowed, \
none is needed. Events are numbered: after a lost connection `watch` with `after` goes on."""

_CLOSES: Final = {
    CloseCode.GOING_AWAY: "The server goes away.",
    CloseCode.TOO_BIG: "A frame was too big.",
    CloseCode.RESTARTING: "The server is started anew.",
    CloseCode.TRY_LATER: "The client reads too slowly, or the server is overloaded.",
    CloseCode.BAD_FRAMES: "Ten bad frames came in a row.",
    CloseCode.NOT_AUTHENTICATED: "The token is wrong, or no longer valid.",
    CloseCode.FORBIDDEN: "This is forbidden.",
    CloseCode.AUTH_TIMEOUT: "Nobody said in time who is there.",
    CloseCode.FLOODING: "Far too many messages came.",
}


def describe_socket(version: str, host: str, *, is_secure: bool) -> Document:
    """Return the AsyncAPI document of the server that answers at `host`, such as `a.example:80`."""
    answers = {reply for some in ACTIONS.values() for reply in some}
    told = sorted({*answers, *UNASKED}, key=lambda model: model.__name__)
    models = [*ACTIONS, *told]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "ProgRock", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": host,
                "protocol": "wss" if is_secure else "ws",
                "security": [
                    {"$ref": "#/components/securitySchemes/bearer"},
                    {"$ref": "#/components/securitySchemes/session"},
                ],
            }
        },
        "channels": {
            "progress": {
                "address": ADDRESS,
                "title": "Jobs and their events",
                "messages": {
                    name_of(model): {"$ref": f"#/components/messages/{name_of(model)}"}
                    for model in models
                },
                "bindings": {"ws": {"method": "GET", "headers": _handshake_headers()}},
                "x-close-codes": [
                    {"code": int(code), "meaning": meaning, "reconnect": code.may_reconnect}
                    for code, meaning in _CLOSES.items()
                ],
            }
        },
        "operations": {
            **{name_of(action): _operation(action, ACTIONS[action]) for action in ACTIONS},
            "tell": {
                "action": "send",
                "summary": "What comes without being asked for.",
                "channel": _CHANNEL,
                "messages": [_in_channel(model) for model in UNASKED],
            },
        },
        "components": {
            "messages": {name_of(model): _message(model) for model in models},
            "schemas": schemas_of(models),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "httpApiKey", "in": "cookie", "name": "sessionid"},
            },
        },
    }


_CHANNEL = {"$ref": "#/channels/progress"}


def name_of(model: type[BaseModel]) -> str:
    """Return the name of a message: that of its action, or of what the server tells."""
    if "action" in model.model_fields:
        return constant_of(model, "action")
    return model.__name__[0].lower() + model.__name__[1:]


def summary_of(model: type[BaseModel]) -> str:
    """Return the first line of a model's own docstring."""
    return (getdoc(model) or "").partition("\n")[0]


def _message(model: type[BaseModel]) -> Document:
    described: Document = {
        "name": name_of(model),
        "summary": summary_of(model),
        "payload": reference_to(model),
    }
    if "id" in model.model_fields:
        described["correlationId"] = {"location": "$message.payload#/id"}
    return described


def _operation(action: type[BaseModel], answers: tuple[type[BaseModel], ...]) -> Document:
    replied: list[type[BaseModel]] = [*answers, replies.Error]
    return {
        "action": "receive",  # as the server sees it
        "summary": summary_of(action),
        "channel": _CHANNEL,
        "messages": [_in_channel(action)],
        "reply": {
            "channel": _CHANNEL,
            "messages": [_in_channel(model) for model in replied],
        },
    }


def _in_channel(model: type[BaseModel]) -> Document:
    return {"$ref": f"#/channels/progress/messages/{name_of(model)}"}


def _handshake_headers() -> Document:
    return {
        "type": "object",
        "properties": {
            "Sec-WebSocket-Protocol": {
                "type": "string",
                "const": PROTOCOL,
                "description": "Selected when offered, and not required.",
            },
            "Authorization": {"type": "string", "pattern": "^Bearer "},
        },
    }
