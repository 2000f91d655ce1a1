"""Build the requests of a backend from its templates. Pure: no I/O, nothing is sent from here."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from progrock.backends import guard
from progrock.backends.backend import Backend, Origin, RequestTemplate
from progrock.backends.errors import Refused
from progrock.backends.http import HttpRequest
from progrock.backends.templates import MISSING, Address, Operations, as_text, render_tree
from progrock.jobs.values import JobValue
from progrock.protocol.codec import encode


def context_of(job: JobValue, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what templates may name."""
    return {
        "job": str(job.id),
        "params": params,
        "operation": job.operation,
        "start": job.start,
        "lookup": job.lookup,
        "status_url": job.status_url and Address(job.status_url),
        "offset": job.log_offset,
    }


def status_request(
    backend: Backend, context: Mapping[str, Any], status_url: str | None
) -> HttpRequest:
    """Return the request that asks for a job's status, at `status_url` where one was told."""
    if backend.status is None:
        raise Refused("This backend can be asked in batches only.")
    return build(backend, backend.status, context, url=status_url)


def build(
    backend: Backend,
    request: RequestTemplate,
    context: Mapping[str, Any],
    url: str | None = None,
) -> HttpRequest:
    """Return one request; `url` takes the place of the template's address.

    Raises TemplateError for a missing value, Refused for an address on a foreign origin.
    """
    headers = {name.lower(): (name, value) for name, value in backend.headers.items()}
    for name, value in render_tree(request.headers, context).items():
        headers[name.lower()] = (name, _header(as_text(value)))
    body: bytes | None = None
    if request.json is not None:
        value = render_tree(request.json, context)
        body = encode({} if value is MISSING else value).encode()
        headers.setdefault("content-type", ("Content-Type", "application/json"))
    elif request.form is not None:
        fields = render_tree(request.form, context)
        body = urlencode(_pairs(fields)).encode()
        kind = "application/x-www-form-urlencoded"
        headers.setdefault("content-type", ("Content-Type", kind))
    elif request.body is not None:
        body = request.body.render_text(context).encode()
    if url is None and request.path is not None:  # below base_url, whatever the values are
        address = backend.base_url + request.path.render_text(context, _segment)
    else:
        address = checked(backend, url if url is not None else _told_address(request, context))
    return HttpRequest(
        method=request.method,
        url=_with_query(address, render_tree(request.query, context)),
        headers=dict(headers.values()),
        body=body,
    )


def checked(backend: Backend, url: str, base: str = "") -> str:
    """Return an absolute URL on an allowed origin. Raises Refused.

    A relative one is resolved against `base`, by default the backend's base_url.
    """
    if any(ord(char) <= 32 or ord(char) == 127 for char in url.strip()):
        raise Refused("The backend named an address with a blank or a control character.")
    try:
        absolute = urljoin(base or backend.base_url + "/", url.strip())
        parts = urlsplit(absolute)
        absolute = urlunsplit(parts._replace(path=urljoin("/", parts.path)))
        origin = Origin.of(absolute)
    except ValueError as exc:
        raise Refused(f"The backend named an address that cannot be used: {exc}.") from exc
    guard.check_literal(origin.host)
    if origin not in backend.origins:
        raise Refused(f"The backend named an address on {origin}, which is not among its origins.")
    return absolute


def _told_address(request: RequestTemplate, context: Mapping[str, Any]) -> str:
    if request.url is None:
        raise Refused("The backend told no address to ask for the job's status.")
    if request.url.lone is not None:  # an address that the backend told: as it is
        return request.url.render_text(context)
    return request.url.render_text(context, _segment)


def _segment(text: str) -> str:
    """Encode a value as one path segment.

    Raises Refused for steps such as "../": many servers decode a segment before they follow it.
    """
    if isinstance(text, Address):
        return text
    if not {".", ".."}.isdisjoint(_SEPARATORS.split(text)):
        shown = text if len(text) <= 100 else f"{text[:100]}…"
        raise Refused(f"The value {shown!r} has a step in it that would lead to another path.")
    return quote(text, safe="")


_SEPARATORS = re.compile(r"[/\\]")


def _header(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise Refused("A header's value holds a control character.")
    try:
        text.encode("latin-1")  # RFC 9110, 5.5: more than that cannot be sent
    except UnicodeEncodeError as exc:
        raise Refused("A header's value holds a character beyond Latin-1.") from exc
    return text


def _pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (key, as_text(item))
        for key, value in fields.items()
        for item in (
            value if isinstance(value, list) and not isinstance(value, Operations) else [value]
        )
    ]


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    if not query:
        return url
    parts = urlsplit(url)
    # What was told stays as it was written: an address may be signed.
    told = [pair for pair in parts.query.split("&") if pair and _name_of(pair) not in query]
    ours = urlencode(_pairs(query))
    return urlunsplit(parts._replace(query="&".join([*told, ours] if ours else told)))


def _name_of(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
