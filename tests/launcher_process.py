"""The real launcher as a process, for tests: on a data folder and ports of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
END_SECONDS = 10.0  # what `make run` promises
_OUR_VARIABLES = re.compile(
    "PROGROCK_|RENDERER_|(HOST|PORT|SECRET_KEY|ALLOWED_HOSTS|CSRF_TRUSTED_ORIGINS"
    "|DJANGO_SETTINGS_MODULE|DATABASE_URL|REDIS_URL|CELERY_BROKER_URL|CHANNEL_LAYER_URL)$"
)


def free_port() -> int:
    """Return a port that is free now, with a free one after it for the example backend."""
    while True:
        with (
            socket.create_server(("127.0.0.1", 0)) as first,
            contextlib.suppress(OSError, OverflowError),
        ):
            port = int(first.getsockname()[1])
            with socket.create_server(("127.0.0.1", port + 1)):
                return port


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until the condition is true; fail with `what` when it is not within the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Launcher:
    """One `python -m progrock.launcher`. Leaving the `with` block ends it, by force if need be.

    `environ` overrides variables; nothing of the tests' own settings reaches the process.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "progrock.launcher"),
        folder: Path = ROOT,
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/"
        self._command = command
        self._folder = folder
        self._environ = {
            **{name: text for name, text in os.environ.items() if not _OUR_VARIABLES.match(name)},
            "PORT": str(self.port),
            "PROGROCK_DATA": str(data),
            **(environ or {}),
        }
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self._process.kill()
        for pid in self.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if error is not None:
            sys.stderr.write(f"--- log of the launcher on {self.data}\n{self.log}\n")

    @property
    def process(self) -> subprocess.Popen[str]:
        """The launcher's own process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> str:
        """All that it printed so far, refusals included, over all starts."""
        return "\n".join(self._lines)

    def start(self) -> str:
        """Start, wait for the ready line, and return the address, such as http://127.0.0.1:1234/."""
        before = len(self._lines)
        self.spawn()
        self.wait_for_line("ProgRock is ready: ", after=before)
        return self.base_url

    def spawn(self) -> None:
        """Start without waiting."""
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def wait_for_line(
        self, pattern: str, *, after: int = 0, seconds: float = START_SECONDS
    ) -> re.Match[str]:
        """Wait for a log line that matches; `after` is the number of lines to pass over."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            running = self.process.poll() is None
            if not running and self._reader is not None:
                self._reader.join(5)
            found.extend(
                match for line in self._lines[after:] if (match := re.search(pattern, line))
            )
            assert found or running, f"ended without {pattern!r}:\n{self.log}"
            return bool(found)

        wait_until(look, f"a line with {pattern!r}", seconds)
        return found[0]

    def lines_so_far(self) -> int:
        """Return how many lines were printed, for `after`."""
        return len(self._lines)

    def pid_of(self, name: str) -> int:
        """Return the process of a child (`web`, `worker`, `beat`, `redis`, `renderer`) now."""
        pids = re.findall(rf"started {name} \(pid (\d+)\)", self.log)
        assert pids, f"{name} was not started"
        return int(pids[-1])

    def kill_child(self, name: str) -> None:
        """SIGKILL a child and wait until the launcher has started it again."""
        before = self.lines_so_far()
        os.kill(self.pid_of(name), signal.SIGKILL)
        self.wait_for_line(rf"started {name} \(pid", after=before)

    def terminate(self) -> int:
        """SIGTERM; return the exit code, which must come within the promised ten seconds."""
        self.process.terminate()
        return self.wait_end()

    def interrupt(self) -> int:
        """SIGINT, as Ctrl-C sends it; return the exit code within the promised ten seconds."""
        self.process.send_signal(signal.SIGINT)
        return self.wait_end()

    def kill(self) -> None:
        """SIGKILL the launcher alone, and wait until no child of it is left."""
        self.process.kill()
        self.process.wait(END_SECONDS)
        wait_until(lambda: not self.survivors(), "all children die with the launcher", END_SECONDS)

    def wait_end(self, seconds: float = END_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(seconds)
        if self._reader is not None:
            self._reader.join(5)
        return code

    def survivors(self) -> list[int]:
        """Return the processes of this data folder, the launcher included; dead ones are not."""
        marker = f"PROGROCK_DATA={self.data}".encode()
        return [pid for pid in _processes() if marker in _environ_of(pid)]

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line.rstrip("\n"))


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environ_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return []
