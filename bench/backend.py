"""The backend that the benches ask: as fast as Python can, so that it is not what is measured.

    python -m bench.backend PORT

`GET /jobs/ID` answers in the form of our own contract, further on at each look; the message holds
the monotonic time of the reply in nanoseconds. `GET /looks` tells how many there were, `GET /gaps`
the seconds between each two at the same job, `GET /looked_at` how many jobs had any, `GET
/reset` forgets all of it. `GET /latency/MS` puts off each later answer to a look by so
many milliseconds, `GET /still/PERCENT` lets so many of the jobs stand still, each with the same
reply every time.
"""

import asyncio
import sys
import time
import zlib
from typing import cast

import orjson
import uvloop

STEP = 0.01  # per cent a look: a job does not end while a bench runs
MAX_PROGRESS = 99.0
TOTAL = 1_000_000
STAMP = b"t="


class Looks:
    """How often and when each job was looked at."""

    def __init__(self) -> None:
        self.latency = 0.0  # seconds
        self.still = 0  # per cent of the jobs
        self.forget()

    def forget(self) -> None:
        """Begin again."""
        self.count = 0
        self.by_job: dict[bytes, int] = {}
        self.last: dict[bytes, float] = {}
        self.gaps: list[float] = []

    def answer(self, job: bytes) -> bytes:
        """Count a look at a job, and return the reply's body."""
        now = time.monotonic()
        self.count += 1
        done = self.by_job[job] = self.by_job.get(job, 0) + 1
        before = self.last.get(job)
        if before is not None:
            self.gaps.append(now - before)
        self.last[job] = now
        if self.still and zlib.crc32(job) % 100 < self.still:
            return b'{"id":"%b","state":"running","progress":50,"message":"It stands"}' % job
        progress = min(done * STEP, MAX_PROGRESS)
        return (
            b'{"id":"%b","state":"running","progress":%.2f,"current":%d,"total":%d,'
            b'"unit":"tiles","message":"Tile %d is being rendered, %b%d"}'
            % (job, progress, done, TOTAL, done, STAMP, time.monotonic_ns())
        )


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests have no body."""

    def __init__(self, looks: Looks, loop: asyncio.AbstractEventLoop) -> None:
        self._looks = looks
        self._loop = loop
        self._left = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        *requests, self._left = (self._left + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1]
            if not path.startswith(b"/jobs/"):
                self._write(self._told(path))
            elif self._looks.latency:
                self._loop.call_later(self._looks.latency, self._answer, path[6:])
            else:
                self._answer(path[6:])

    def _answer(self, job: bytes) -> None:
        self._write(self._looks.answer(job))

    def _write(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def _told(self, path: bytes) -> bytes:
        looks = self._looks
        match path.split(b"/")[1:]:
            case [b"reset"]:
                looks.forget()
            case [b"gaps"]:
                return orjson.dumps(looks.gaps)
            case [b"looked_at"]:
                return orjson.dumps(len(looks.by_job))
            case [b"latency", millis]:
                looks.latency = float(millis) / 1e3
            case [b"still", percent]:
                looks.still = int(percent)
        return orjson.dumps(looks.count)


async def serve(port: int) -> None:
    """Answer for ever."""
    looks = Looks()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(looks, loop), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
