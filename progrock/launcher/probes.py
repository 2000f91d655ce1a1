"""Ask our own web servers how they are, with the standard library only."""

import asyncio
import contextlib
from dataclasses import dataclass

LONGEST_ANSWER = 4096


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said: the status, and the beginning of the body."""

    status: int
    body: str


async def get(
    host: str, port: int, path: str, *, named: str = "localhost", timeout_seconds: float = 3
) -> Answer | None:
    """Return the answer to a GET, or None when there is none in time.

    `named` is the Host that is asked for.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode("ascii", "replace"))
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.read(LONGEST_ANSWER)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        status = int(head.split(None, 2)[1])
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    except (ValueError, IndexError):  # not HTTP at all
        return None
    return Answer(status=status, body=body.decode("utf-8", "replace"))
