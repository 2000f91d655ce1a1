"""The HTTP face: the contract of docs/backends.md, the same under each kind's prefix."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from examples.renderer.errors import (
    BadJson,
    BadKey,
    BadParams,
    BodyTooLarge,
    BodyTooSlow,
    NoPicture,
    RequestError,
)
from examples.renderer.job import Job, status_document
from examples.renderer.jobs import Jobs
from examples.renderer.kinds.digest import Digest
from examples.renderer.kinds.flaky import Flaky
from examples.renderer.kinds.fractal import PICTURE, Fractal
from examples.renderer.params import show
from examples.renderer.pool import Pool
from examples.renderer.settings import Settings
from examples.renderer.store import Store

MOST_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10
MOST_KEY_CHARACTERS = 255
MOST_OFFSET_DIGITS = 15


def create_app(settings: Settings, public_url: str, store: Store) -> Starlette:
    """The service over an opened store; results are addressed under `public_url`."""
    kinds = (Fractal(settings.workers, public_url), Digest(settings.roots), Flaky())
    jobs = Jobs(kinds, store, Pool(settings.workers))
    api = Api(jobs, store)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        jobs.resume()
        try:
            yield
        finally:
            await jobs.stop()

    return Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/{kind}/jobs", api.create, methods=["POST"]),
            Route("/{kind}/jobs/{id}", api.status),
            Route("/{kind}/jobs/{id}/cancel", api.cancel, methods=["POST"]),
            Route("/{kind}/jobs/{id}/log", api.log),
            Route(f"/{Fractal.name}/jobs/{{id}}/{PICTURE}", api.picture),
        ],
        exception_handlers=_ERROR_ANSWERS,
        lifespan=lifespan,
    )


class Api:
    """The calls of the contract, each reading a request and giving its answer."""

    def __init__(self, jobs: Jobs, store: Store) -> None:
        self._jobs = jobs
        self._store = store

    async def create(self, request: Request) -> Response:
        body = await _read_body(request)
        job, is_new = self._jobs.submit(
            request.path_params["kind"], _read_object(body), _read_key(request)
        )
        path = f"/{job.spec.kind}/jobs/{job.spec.id}"
        return _status(job, 202 if is_new else 200, {"Location": path})

    async def status(self, request: Request) -> Response:
        response = _status(self._find(request), 200)
        if _matches(request.headers.get("If-None-Match", ""), response.headers["ETag"]):
            kept = {name: response.headers[name] for name in ("ETag", "Cache-Control")}
            return Response(status_code=304, headers=kept)
        return response

    async def cancel(self, request: Request) -> Response:
        job = self._find(request)
        self._jobs.cancel(job)
        return _status(job, 202)

    async def log(self, request: Request) -> Response:
        job = self._find(request)
        offset = _read_offset(request)
        return PlainTextResponse(
            self._store.read_log(job.spec.id, offset), headers={"Cache-Control": "no-cache"}
        )

    async def picture(self, request: Request) -> Response:
        job = self._jobs.find(Fractal.name, request.path_params["id"])
        path = self._store.folder(job.spec.id) / PICTURE
        if job.status.result is None or not path.is_file():
            raise NoPicture(f"the job is {job.status.state}: its picture comes when it succeeds")
        caching = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/png", headers=caching)

    def _find(self, request: Request) -> Job:
        return self._jobs.find(request.path_params["kind"], request.path_params["id"])


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _status(job: Job, status_code: int, headers: dict[str, str] | None = None) -> Response:
    response = JSONResponse(
        status_document(job.spec.id, job.status) | {"log_size": job.log_size},
        status_code=status_code,
        headers=headers,
    )
    response.headers["ETag"] = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    response.headers["Cache-Control"] = "no-cache"
    return response


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names this tag: RFC 9110 §13.1.2, where weak and strong compare equal."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    raise BodyTooLarge(f"the body must be at most {MOST_BODY_BYTES} bytes")
    except TimeoutError as error:
        raise BodyTooSlow(f"the body must arrive within {BODY_SECONDS} s") from error
    return bytes(body)


def _read_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object; an empty body is an empty one."""
    if not body.strip():
        return {}
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadJson(f"the body must be JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadJson(f"the body must be a JSON object, not {show(document)}")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _read_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (
        1 <= len(key) <= MOST_KEY_CHARACTERS and key.isascii() and key.isprintable()
    ):
        raise BadKey(f"Idempotency-Key must be 1 to {MOST_KEY_CHARACTERS} printable characters")
    return key


def _read_offset(request: Request) -> int:
    text = request.query_params.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_OFFSET_DIGITS):
        raise BadParams([f"offset must be a whole number of bytes from 0, not {show(text)}"])
    return int(text)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def _answer_refusal(_: Request, error: RequestError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return _error(error.status, error.code, error.message, headers)


def _answer_http(request: Request, error: HTTPException) -> Response:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _error(error.status_code, code, message, dict(error.headers or {}))


def _answer_disconnect(_: Request, __: Exception) -> Response:
    return _error(400, "disconnected", "the body ended early")


def _answer_fault(_: Request, __: Exception) -> Response:
    return _error(500, "internal_error", "the renderer has a fault; its log says more")


_ERROR_ANSWERS: dict[Any, Callable[[Request, Any], Response]] = {
    RequestError: _answer_refusal,
    HTTPException: _answer_http,
    ClientDisconnect: _answer_disconnect,
    Exception: _answer_fault,
}
