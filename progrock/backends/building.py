"""Build the requests of a backend from its templates. Pure: no I/O, nothing is sent from here."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from progrock.backends.backend import Backend, Origin, RequestTemplate
from progrock.backends.errors import Refused
from progrock.backends.http import HttpRequest
from progrock.backends.templates import MISSING, as_text, render_tree
from progrock.protocol.codec import encode


def context_of(
    *, job: str, params: Mapping[str, Any], operation: str | None, start: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what templates may name."""
    return {"job": job, "params": params, "operation": operation, "start": start}


def start_request(backend: Backend, context: Mapping[str, Any]) -> HttpRequest:
    """Return the request that starts a job. Raises TemplateError or Refused."""
    return build(backend, backend.start, context)


def status_request(
    backend: Backend, context: Mapping[str, Any], status_url: str | None
) -> HttpRequest:
    """Return the request that asks for a job's status, at `status_url` where one was told."""
    return build(backend, backend.status, context, url=status_url)


def cancel_request(backend: Backend, context: Mapping[str, Any]) -> HttpRequest | None:
    """Return the request that stops a job, or None where the backend has no such call."""
    return build(backend, backend.cancel, context) if backend.cancel else None


def build(
    backend: Backend,
    request: RequestTemplate,
    context: Mapping[str, Any],
    url: str | None = None,
) -> HttpRequest:
    """Return one request; `url` takes the place of the template's path.

    Raises TemplateError for a missing value, Refused for an address on a foreign origin.
    """
    headers = dict(backend.headers)
    for name, value in render_tree(request.headers, context).items():
        headers[name] = _header(as_text(value))
    body: bytes | None = None
    if request.json is not None:
        value = render_tree(request.json, context)
        body = encode({} if value is MISSING else value).encode()
        headers.setdefault("Content-Type", "application/json")
    elif request.form is not None:
        fields = render_tree(request.form, context)
        body = urlencode(_pairs(fields)).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    elif request.body is not None:
        body = request.body.render_text(context).encode()
    address = url if url is not None else _address(backend, request, context)
    address = _with_query(address, render_tree(request.query, context))
    return HttpRequest(
        method=request.method, url=checked(backend, address), headers=headers, body=body
    )


def checked(backend: Backend, url: str) -> str:
    """Return an absolute URL on an allowed origin; a relative one is resolved. Raises Refused."""
    absolute = urljoin(backend.base_url + "/", url)
    try:
        origin = Origin.of(absolute)
    except ValueError as exc:
        raise Refused(f"The backend named an address that cannot be used: {exc}.") from exc
    if origin not in backend.origins:
        raise Refused(f"The backend named an address on {origin}, which is not among its origins.")
    return absolute


def _address(backend: Backend, request: RequestTemplate, context: Mapping[str, Any]) -> str:
    if request.path is not None:
        return backend.base_url + request.path.render_text(context, _segment)
    if request.url is None:
        raise Refused("The request has neither path nor url.")
    return request.url.render_text(context)


def _segment(text: str) -> str:
    """Encode a value as one path segment; a dot segment would be taken for a step up."""
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E") if set(text) == {"."} else encoded


def _header(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise Refused("A header's value holds a control character.")
    return text


def _pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (key, as_text(item))
        for key, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
    ]


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    if not query:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, True) if pair[0] not in query]
    return urlunsplit(parts._replace(query=urlencode(kept + _pairs(query))))
