"""Processes of a bench: started, waited for, their CPU time read, ended."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.absolute()
_TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 10.0


class Child:
    """A process in a session of its own, with its output in a file. Use it with `with`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        *,
        stdin: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.output = folder / f"{name}.log"
        self._environ = dict(environ)
        self._stdin = subprocess.DEVNULL if stdin is None else stdin
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self._environ,
                stdin=self._stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._running()
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # what it left behind in its session
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def cpu_seconds(self) -> float:
        """Return user and system time so far, of the process and all that it has started."""
        return sum(_cpu_seconds(pid) for pid in _family(self._running().pid))

    def kill(self) -> None:
        """End it at once, as if the power were cut, and wait until it is gone."""
        self._running().kill()
        self._running().wait()

    def memory_bytes(self) -> int:
        """Return what it holds in memory, of shared pages its part (man 5 proc: Pss)."""
        rollup = Path(f"/proc/{self._running().pid}/smaps_rollup").read_text()
        return 1024 * int(rollup.partition("\nPss:")[2].split()[0])

    def wait_for(self, look: Callable[[], T], what: str, seconds: float = 30.0) -> T:
        """Look until what is seen is true, and return it. Raises RuntimeError with the output."""
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            code = self._running().poll()
            if code is not None or time.monotonic() > deadline:
                why = f"ended with {code}" if code is not None else f"not within {seconds:g} s"
                said = self.output.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{self.name}: {why}: {what}\n{said}")
            time.sleep(0.01)
        return seen

    def wait(self, seconds: float) -> None:
        """Wait until it ends by itself. Raises RuntimeError when it fails or takes longer."""
        self.wait_for(lambda: self._running().poll() is not None, "the end", seconds)
        if code := self._running().returncode:
            said = self.output.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{self.name}: ended with {code}\n{said}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process


def run(name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
    """Run a process to its end. Raises RuntimeError with its output when it fails."""
    with Child(name, command, environ, folder) as child:
        child.wait(60)


def free_port() -> int:
    """Return a TCP port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def received(counter: Path) -> int:
    """Return how many frames the watchers have counted; 0 before they begin."""
    return int.from_bytes(counter.read_bytes() if counter.exists() else b"", "little")


def allow_many_files() -> None:
    """Raise the limit of open files as far as it may go, for this process and its children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat.rpartition(")")[2].split()  # from the third on (man 5 proc)
    return (int(fields[11]) + int(fields[12])) / _TICKS
