"""One run of one child process, from its start to the death of all it started."""

import asyncio
import collections
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from progrock.launcher.environment import ROOT
from progrock.launcher.output import LineSplitter

KEPT_LINES = 20
TETHER = Path(__file__).with_name("tether.py")


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to run under which name. `environ` is the whole environment of the child."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    noise: re.Pattern[str] | None = None
    """Lines that it prints at every start and end, and that help nobody; left out of the log."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended: `returncode` as subprocess gives it, negative for a signal."""

    returncode: int
    lived_seconds: float
    last_lines: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The ending in words, to follow the child's name."""
        if self.returncode >= 0:
            return f"ended with exit code {self.returncode}"
        number = -self.returncode
        try:
            return f"ended by signal {number} ({signal.Signals(number).name})"
        except ValueError:
            return f"ended by signal {number}"


class Child(asyncio.SubprocessProtocol):
    """A running child in a session of its own, so that a terminal's Ctrl-C does not reach it."""

    def __init__(self, spec: ChildSpec, on_lines: Callable[[str, list[str]], None]) -> None:
        self.spec = spec
        self.pid = 0
        self._on_lines = on_lines
        self._splitter = LineSplitter()
        self._last_lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._started_at = time.monotonic()
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._output_ended = asyncio.Event()

    @classmethod
    async def start(cls, spec: ChildSpec, on_lines: Callable[[str, list[str]], None]) -> "Child":
        """Start the process. `on_lines` gets the child's name and what it prints."""
        tether = (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()))
        child = cls(spec, on_lines)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            *tether,
            *spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT,
            env=dict(spec.environ),
        )
        return child

    async def ended(self) -> Ending:
        """Wait for the end, kill what the child left behind, and return how it ended."""
        await self._exited.wait()
        lived = time.monotonic() - self._started_at
        self.kill()
        # A grandchild in a session of its own might keep the pipe open; it is not waited for.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._output_ended.wait(), timeout=1)
        self._emit(self._splitter.rest())
        assert self._transport is not None  # noqa: S101 - it started, so it was connected
        returncode = self._transport.get_returncode()
        self._transport.close()
        return Ending(
            returncode=-signal.SIGKILL if returncode is None else returncode,
            lived_seconds=lived,
            last_lines=tuple(self._last_lines),
        )

    def terminate(self) -> None:
        """Ask the child itself to end; it decides about its own children."""
        if not self._exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child with all that it started."""
        # No other group can have this number while one of its processes lives.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the process that was started (called by asyncio)."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what the child printed (called by asyncio)."""
        self._emit(self._splitter.feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note the end of the output (called by asyncio)."""
        self._output_ended.set()

    def process_exited(self) -> None:
        """Note the end of the process (called by asyncio)."""
        self._exited.set()

    def _emit(self, lines: list[str]) -> None:
        if lines:
            self._last_lines.extend(lines)
            noise = self.spec.noise
            self._on_lines(
                self.spec.name, [line for line in lines if not (noise and noise.search(line))]
            )
