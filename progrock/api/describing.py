"""What a view says of itself for `openapi.json`, beside its parameters and its models."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from progrock.protocol.codes import ErrorCode
from progrock.protocol.schemas import reference_to

REFUSES = "x-refuses"  # read and taken out by `api.openapi`
HEADERS = "x-headers"
STREAM = "text/event-stream"


def also(
    *,
    refuses: Mapping[int, Sequence[ErrorCode]] | None = None,
    headers: Mapping[int, Sequence[str]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the `openapi_extra` of a view.

    `refuses` names by status the error codes that are its own; those that follow from its method,
    parameters and body are added by `api.openapi`. `headers` names those of answers that are none
    of every answer's. `more` is merged into the operation as it is.
    """
    return {REFUSES: dict(refuses or {}), HEADERS: dict(headers or {}), **more}


def parameter(place: str, name: str, description: str, **schema: Any) -> dict[str, Any]:
    """Return a parameter that the view does not read itself."""
    return {
        "in": place,
        "name": name,
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def content(*media_types: str, **schema: Any) -> dict[str, Any]:
    """Return the content of an answer that is no JSON of a model."""
    return {"content": {name: {"schema": {"type": "string", **schema}} for name in media_types}}


def stream(description: str, events: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the content of an event stream: which types of event come, and what their data are."""
    told = {name: reference_to(model) for name, model in events.items()}
    schema = {"type": "string", "description": description}
    return {"content": {STREAM: {"schema": schema, "x-events": told}}}
