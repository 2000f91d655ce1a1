"""The example renderer as a real process, for tests that need a backend to talk to.

    with RendererProcess(tmp_path / "renderer") as renderer:
        httpx.post(f"{renderer.url}/fractal/jobs")

It can be stopped, killed and started again on the same port and data.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
READY = "renderer: ready on "
DEADLINE_SECONDS = 30.0


def wait_until(look: Callable[[], T], what: str, seconds: float = DEADLINE_SECONDS) -> T:
    """Look again and again until what is seen is true, and give it; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {seen!r}")
        time.sleep(0.01)
    return seen


class RendererProcess:
    """A renderer on a free port, with its data in `data` and its output beside it."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.url = ""
        self._env = dict(env or {})
        self._output = data.with_name(data.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The process id of the service; its workers have their own."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> str:
        """Start it and wait until it answers; gives its URL, the same one each time."""
        assert self._process is None, "it runs already"
        port = self.url.rpartition(":")[2] or "0"
        settings = {"RENDERER_DATA": str(self.data), "RENDERER_PORT": port}
        foreign = {name: value for name, value in os.environ.items() if "RENDERER_" not in name}
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "examples.renderer"],
                cwd=ROOT,
                env=foreign | settings | self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A process group of its own, so that all that belongs to it can be found.
                start_new_session=True,
            )
        line = wait_until(self._ready_line, "the renderer is ready")
        self.url = line.removeprefix(READY).partition(",")[0]
        assert httpx.get(f"{self.url}/healthz").status_code == 200
        return self.url

    def stop(self) -> int:
        """Ask it to end, with SIGTERM; gives its exit code once it has."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the service with SIGKILL, which it cannot notice. Its workers get no signal."""
        self._end(signal.SIGKILL)

    def output(self) -> str:
        """All that it printed since it was last started."""
        return self._output.read_text(errors="replace")

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE_SECONDS)
        self._process = None
        return code

    def _ready_line(self) -> str | None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the renderer did not start:\n{self.output()}")
        # A line counts when it is whole.
        lines = self.output().split("\n")[:-1]
        return next((line for line in lines if line.startswith(READY)), None)


def group_members(group: int) -> list[int]:
    """The processes of a process group that run; those that only wait to be reaped do not."""
    return [pid for pid, pgid, state in _processes() if pgid == group and state != "Z"]


def _processes() -> Iterator[tuple[int, int, str]]:
    """Id, process group and state of every process: from /proc, and from ps where there is none."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
        )
        for line in listing.stdout.splitlines():
            pid, pgid, state = line.split()
            yield int(pid), int(pgid), state[0]
        return
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name, in brackets, may hold spaces and brackets itself; then state, ppid, pgrp.
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            yield int(folder.name), int(pgrp), state
