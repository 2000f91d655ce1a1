"""A backend that tells what its description does: which request goes out, what each reply gives.

The conversations of `progrock.backends.conversation` are left as they are: the description that
they follow is the one that tells. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from progrock.backends.backend import Backend, RequestTemplate
from progrock.backends.expressions import Fields
from progrock.backends.http import HttpRequest
from progrock.backends.trying.happenings import Role

_ROLE = "progrock-role"  # a header that goes no further than `take_role`
ToldFields = Callable[[str, Mapping[str, Any], Mapping[str, Any]], None]


class WatchedFields(Fields):
    """Fields that tell each reading: its source, what was found, and the document."""

    def __init__(self, source: str, fields: Fields, tell: ToldFields) -> None:
        self.names = fields.names
        self.reads_headers = fields.reads_headers
        self.reads_body_alone = False
        self._source = source
        self._fields = fields
        self._tell = tell

    def read(self, document: Mapping[str, Any]) -> dict[str, Any]:
        found = self._fields.read(document)
        self._tell(self._source, found, document)
        return found


def watched(backend: Backend, tell: ToldFields) -> Backend:
    """Return the backend with its requests marked by their roles, and its readings told."""
    batch = backend.batch
    return replace(
        backend,
        start=_marked(backend.start, Role.START),
        lookup=backend.lookup and _marked(backend.lookup, Role.LOOKUP),
        status=backend.status and _marked(backend.status, Role.STATUS),
        batch=batch and replace(batch, request=_marked(batch.request, Role.BATCH)),
        also=backend.also and _marked(backend.also, Role.ALSO),
        outcome=backend.outcome and _marked(backend.outcome, Role.OUTCOME),
        cancel=backend.cancel and _marked(backend.cancel, Role.CANCEL),
        log=backend.log and _marked(backend.log, Role.LOG),
        lookup_fields=WatchedFields("lookup", backend.lookup_fields, tell),
        start_fields=WatchedFields("start", backend.start_fields, tell),
        poll_fields=WatchedFields("poll", backend.poll_fields, tell),
        log_fields=WatchedFields("log", backend.log_fields, tell),
        cancel_fields=WatchedFields("cancel", backend.cancel_fields, tell),
    )


def take_role(request: HttpRequest) -> tuple[Role, HttpRequest]:
    """Return the role that a request is marked with, and the request as it is to be sent."""
    headers = dict(request.headers)
    role = Role(headers.pop(_ROLE))
    return role, replace(request, headers=headers)


def _marked(request: RequestTemplate, role: Role) -> RequestTemplate:
    return replace(request, headers={**request.headers, _ROLE: role.value})
