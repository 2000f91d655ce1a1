"""Send requests to backends: aiohttp for polls, requests for the single calls.

Both are thin: what is sent was built, and its origin checked, by `building`; neither follows a
redirect, uses proxies or keeps cookies, and both read at most 1 MiB within the time.
"""

import asyncio
import time

import aiohttp
import requests

from progrock.backends.errors import Refused, Unreachable
from progrock.backends.http import MAX_BODY_BYTES, HttpReply, HttpRequest

USER_AGENT = "ProgRock/0.1"
_CHUNK = 64 * 1024
_TOO_LARGE = "The backend's answer is larger than 1 MiB."


class Poller:
    """An aiohttp session with connections that stay open; belongs to one event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, timeout_seconds: float) -> HttpReply:
        """Return the reply. Raises Unreachable, or Refused for one that is too large."""
        try:
            async with self._open().request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as reply:
                content = await _read(reply)
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return HttpReply(status=reply.status, headers=headers, content=content)
        except TimeoutError as exc:
            raise Unreachable(_slow(timeout_seconds)) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise Unreachable(f"The backend does not answer: {exc or type(exc).__name__}") from exc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    content = await reply.content.read(_CHUNK)
    if reply.content.at_eof():
        return content
    chunks, size = [content], len(content)
    async for chunk in reply.content.iter_chunked(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            reply.close()
            raise Refused(_TOO_LARGE)
        await asyncio.sleep(0)
    return b"".join(chunks)


def send_once(
    request: HttpRequest, timeout_seconds: float, max_bytes: int = MAX_BODY_BYTES
) -> HttpReply:
    """Return the reply to a single call. Raises Unreachable, or Refused for one too large."""
    until = time.monotonic() + timeout_seconds
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.request(
                request.method,
                request.url,
                headers={"User-Agent": USER_AGENT, **request.headers},
                data=request.body,
                allow_redirects=False,
                timeout=timeout_seconds,
                stream=True,
            ) as reply:
                content = bytearray()
                for chunk in reply.iter_content(_CHUNK):
                    content += chunk
                    if len(content) > max_bytes:
                        raise Refused(_TOO_LARGE)
                    if time.monotonic() > until:
                        raise Unreachable(_slow(timeout_seconds))
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return HttpReply(status=reply.status_code, headers=headers, content=bytes(content))
        except requests.Timeout as exc:
            raise Unreachable(_slow(timeout_seconds)) from exc
        except (requests.RequestException, OSError) as exc:
            raise Unreachable(f"The backend does not answer: {_reason(exc)}") from exc


def _slow(seconds: float) -> str:
    return f"The backend did not answer within {seconds:g} s."


def _reason(exc: Exception) -> str:
    """Name the innermost cause: requests wraps it in several layers of its own words."""
    cause: BaseException = exc
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause) or type(cause).__name__
