"""What both drivers share: options of the libraries, and their errors in our words."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)

from progrock.client.effects import Listen, Lost, NotTaken, Silent, Unreached

MAX_FRAME_BYTES = 16 * 1024 * 1024  # a result may be large
DIAL_OPTIONS: dict[str, Any] = {
    "subprotocols": ["progrock.v1"],
    "compression": None,
    "ping_interval": None,  # the server's heartbeats tell whether it is there
    "close_timeout": 1.0,
    "max_size": MAX_FRAME_BYTES,
}
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.InvalidURL)


@contextmanager
def requesting() -> Iterator[None]:
    """Turn what httpx raises into a LineError."""
    try:
        yield
    except _NOTHING_SENT as exc:
        raise Unreached(str(exc) or type(exc).__name__) from exc
    except httpx.TimeoutException as exc:
        raise Silent("no answer in time") from exc
    except (httpx.HTTPError, httpx.StreamError) as exc:
        raise Lost(str(exc) or type(exc).__name__) from exc


@contextmanager
def dialling() -> Iterator[None]:
    """Turn what opening a WebSocket raises into a LineError."""
    try:
        yield
    except TimeoutError as exc:
        raise Silent("the WebSocket was not opened in time") from exc
    except (InvalidHandshake, InvalidURI, ProxyError, EOFError) as exc:
        status = exc.response.status_code if isinstance(exc, InvalidStatus) else None
        raise NotTaken(status, str(exc) or type(exc).__name__) from exc
    except (OSError, ssl.SSLError) as exc:
        raise Unreached(str(exc)) from exc


@contextmanager
def talking(seconds: float = 0.0) -> Iterator[None]:
    """Turn what a WebSocket raises, and the end of `seconds`, into a LineError."""
    try:
        yield
    except TimeoutError as exc:
        raise Silent(f"nothing came within {seconds:.0f} s") from exc
    except ConnectionClosed as exc:
        raise Lost(str(exc), exc.rcvd.code if exc.rcvd else None) from exc


def stream_timeout(listen: Listen) -> httpx.Timeout:
    """Return the bounds of a stream: to connect, and of each wait."""
    return httpx.Timeout(listen.seconds, read=listen.silence)
