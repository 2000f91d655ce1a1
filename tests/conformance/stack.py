"""The real processes of this checkout, for a whole test session: one set open, one closed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.target import ClosedTarget, Target, Visitor, Work
from tests.launcher_process import ROOT, Launcher
from tests.scripted_backend import ScriptedBackend

BACKENDS = Path(__file__).with_name("backends.toml")
LINES_SHOWN = 80
PASSWORD = "correct horse battery staple"
NEW_VISITORS = """
from django.contrib.auth import get_user_model
from django.core.management import call_command
users = get_user_model().objects
users.create_superuser("staff", password={password!r})
users.create_user("one")
users.create_user("other")
for name in ("staff", "one", "other"):
    call_command("tokens", "create", name)
"""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Processes that run, with the backend that they poll."""

    url: str
    launcher: Launcher
    backend: ScriptedBackend


_open_stack: pytest.StashKey[Stack] = pytest.StashKey()


def open_stack(config: pytest.Config) -> Stack:
    """Return the session's processes that let everybody in; started by the first who asks."""
    if _open_stack not in config.stash:
        running = ExitStack()
        config.add_cleanup(running.close)
        config.stash[_open_stack] = launch(running)
    return config.stash[_open_stack]


def tracebacks(config: pytest.Config) -> list[str]:
    """Return where the session's open processes printed one; empty where none were started."""
    stack = config.stash.get(_open_stack, None)
    lines = stack.launcher.log.splitlines() if stack else []
    return [
        f"{lines[number - 1]} / {line}" for number, line in enumerate(lines) if "Traceback" in line
    ]


def last_lines(config: pytest.Config) -> list[str]:
    """Return the last lines of the session's open processes, for who looks for a fault."""
    stack = config.stash.get(_open_stack, None)
    return stack.launcher.log.splitlines()[-LINES_SHOWN:] if stack else []


def launch(running: ExitStack, environ: Mapping[str, str] | None = None) -> Stack:
    """Start processes with a scripted backend; they end when `running` is closed."""
    folder = running.enter_context(TemporaryDirectory(prefix="progrock-"))
    backend = running.enter_context(ScriptedBackend())
    launcher = running.enter_context(
        Launcher(
            Path(folder, "data"),
            # Tests that are killed take their processes with them.
            command=(sys.executable, "-m", "progrock.launcher", "--end-with-parent"),
            environ={
                "PROGROCK_BACKENDS": str(BACKENDS),
                "SCRIPTED_URL": backend.url,
                "PROGROCK_HEARTBEAT": "6",
                **(environ or {}),
            },
        )
    )
    return Stack(url=launcher.start().rstrip("/"), launcher=launcher, backend=backend)


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Hold a process still: it is there, and says nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def open_target(stack: Stack) -> Target:
    """Return the open processes with work for the tests of the protocol."""
    steps = [{"state": "running", "progress": 9 * step, "message": f"{step}"} for step in range(11)]
    end = {"state": "succeeded", "progress": 100, "result": {"pictures": 3}}
    stack.backend.script(*steps, end, name="default")
    stack.backend.script(steps[3], steps[6], end, name="quick")
    many = [{"state": "running", "progress": step / 10} for step in range(900)]
    stack.backend.script(*many, end, name="slow")
    stack.backend.script(
        {"state": "running", "progress": 50},
        {"state": "failed", "error": {"code": "disk_full", "message": "The disk is full."}},
        name="failing",
    )
    return Target(
        url=stack.url,
        quick=Work(backend="steps", params={"script": "quick"}),
        other=Work(backend="other", params={"script": "quick"}),
        slow=Work(backend="steps", params={"script": "slow"}),
        failing=Work(backend="steps", params={"script": "failing"}),
        wrong=Work(backend="steps", params={"script": "quick", "count": 10}),
    )


def closed_target(running: ExitStack) -> ClosedTarget:
    """Start processes that want to know who is there, with three users."""
    stack = launch(running, {"PROGROCK_ANONYMOUS": "off"})
    stack.backend.script({"state": "running"}, {"state": "succeeded"}, name="quick")
    printed = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", NEW_VISITORS.format(password=PASSWORD)],
        cwd=ROOT,
        env={**os.environ, "PROGROCK_DATA": str(stack.launcher.data), "PROGROCK_BACKENDS": ""}
        | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    staff, one, other = printed.stdout.split()[-3:]
    return ClosedTarget(
        url=stack.url,
        work=Work(backend="steps", params={"script": "quick"}),
        staff=Visitor(name="staff", token=staff, password=PASSWORD),
        one=Visitor(name="one", token=one),
        other=Visitor(name="other", token=other),
    )
