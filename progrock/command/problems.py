"""What went wrong, in words that say what to do next."""

import difflib
import sys
from typing import Any

from progrock.client import BadAddress, BadAnswer, Client, ClientError, Refused, ServerAway
from progrock.command.outcome import Outcome
from progrock.command.words import shown


def tell(error: ClientError, client: Client | None = None, backend: str | None = None) -> Outcome:
    """Say what went wrong on the standard error, and return the exit code."""
    for line in lines_of(error, client, backend):
        print(f"progrock: {line}", file=sys.stderr)
    if isinstance(error, ServerAway | BadAnswer) and not isinstance(error, BadAddress):
        return Outcome.AWAY
    return Outcome.REFUSED


def lines_of(error: ClientError, client: Client | None, backend: str | None) -> list[str]:
    """Return what to say of an error."""
    if not isinstance(error, Refused):
        return [shown(error.message)]
    match error.code:
        case "unknown_backend":
            return [f"There is no backend {backend!r}. {_nearest(client, backend or '')}"]
        case "bad_params" if isinstance(error.details, list):
            page = f"`progrock backends {backend}`" if backend else "`progrock backends`"
            told = [f"The parameters are not right; see {page}."]
            return told + [f"  {_field(item)}" for item in error.details]
        case "not_authenticated":
            return [f"{shown(error.message)} Or set PROGROCK_TOKEN."]
        case "unknown_job":
            return [f"{shown(error.message)} See `progrock list`."]
        case _:
            return [shown(error.message)]


def _field(item: Any) -> str:
    field = shown(str(item.get("field") or "params")) if isinstance(item, dict) else "params"
    return f"{field}: {shown(str(item.get('message') if isinstance(item, dict) else item))}"


def _nearest(client: Client | None, wanted: str) -> str:
    """Return which names could have been meant, else all there are."""
    try:
        names = [backend.name for backend in client.backends()] if client else []
    except ClientError:
        names = []
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(names)}." if names else "See `progrock backends`."
