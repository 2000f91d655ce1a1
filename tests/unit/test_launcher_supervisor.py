"""Children that die come back; all of them end together. Stub children, real processes."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from progrock.launcher import supervisor as supervisor_module
from progrock.launcher.child import TETHER, Child, ChildSpec, Ending
from progrock.launcher.supervisor import Backoff, Supervisor
from tests.launcher_process import wait_until

IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
WAITS = "print('up', flush=True)\nimport time\nwhile True: time.sleep(60)\n"
HAS_A_CHILD = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('grandchild', child.pid, flush=True)\n"
)


class Scene:
    """A supervisor, and what it and its children said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.printed: list[str] = []
        self.supervisor = Supervisor(self.said.append, lambda _, lines: self.printed.extend(lines))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the world outside the loop sets no event
                await asyncio.sleep(0.01)

    async def until_said(self, words: str, times: int = 1) -> None:
        await self.until(lambda: sum(words in line for line in self.said) >= times)

    async def until_up(self, times: int = 1) -> None:
        await self.until(lambda: self.printed.count("up") >= times)

    def pid(self) -> int:
        starts = [line for line in self.said if line.startswith("started")]
        return int(starts[-1].rpartition(" ")[2].rstrip(")"))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.supervisor.hurry()
    await scene.supervisor.end_all()


def python(program: str, name: str = "stub") -> ChildSpec:
    return ChildSpec(name=name, command=(sys.executable, "-c", program), environ=dict(os.environ))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_a_killed_child_comes_back_and_the_reason_is_said(scene: Scene) -> None:
    scene.supervisor.keep(python(WAITS))
    await scene.until_up()
    first = scene.pid()
    os.kill(first, signal.SIGKILL)
    await scene.until_up(times=2)
    assert scene.said[1] == "stub ended by signal 9 (SIGKILL); starting it again in 0.2 s"
    assert scene.pid() != first


async def test_a_child_that_fails_comes_back_ever_later(scene: Scene) -> None:
    scene.supervisor.keep(python("raise SystemExit(3)"))
    await scene.until_said("stub ended with exit code 3; starting it again in 0.2 s")
    await scene.until_said("stub ended with exit code 3; starting it again in 0.4 s")


async def test_a_program_that_is_not_there_is_told(scene: Scene) -> None:
    spec = ChildSpec(name="stub", command=("/nowhere/program",), environ={})
    scene.supervisor.keep(spec)
    await scene.until_said("stub ended with exit code 127")
    assert scene.printed == ["/nowhere/program cannot be run: No such file or directory."]


async def test_a_child_that_must_come_up_first_is_not_started_again(scene: Scene) -> None:
    task = scene.supervisor.keep(
        python("print('no')\nraise SystemExit(1)"), came_up=asyncio.Event()
    )
    ending = await asyncio.wait_for(task, 20)
    assert ending.reason == "ended with exit code 1"
    assert ending.last_lines == ("no",)
    assert len([line for line in scene.said if line.startswith("started")]) == 1


async def test_a_child_that_came_up_is_started_again(scene: Scene) -> None:
    came_up = asyncio.Event()
    scene.supervisor.keep(python(WAITS), came_up=came_up)
    await scene.until_up()
    came_up.set()
    os.kill(scene.pid(), signal.SIGKILL)
    await scene.until_up(times=2)


async def test_a_child_runs_once_and_its_ending_is_returned(scene: Scene) -> None:
    ending = await scene.supervisor.run_once(python("print('done')"))
    assert (ending.returncode, ending.last_lines) == (0, ("done",))


async def test_the_end_asks_first(scene: Scene) -> None:
    polite = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: (print('bye'), exit(0)))\n"
    scene.supervisor.keep(python(polite + WAITS))
    await scene.until_up()
    await scene.supervisor.end_all()
    assert scene.printed == ["up", "bye"]
    assert not is_alive(scene.pid())


async def test_a_child_that_does_not_listen_is_killed_with_all_it_started(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.1)
    scene.supervisor.keep(python(IGNORES_SIGTERM + HAS_A_CHILD + WAITS))
    await scene.until_up()
    grandchild = int(scene.printed[0].split()[1])
    await scene.supervisor.end_all()
    assert "stub did not end in 0.1 s; killing it" in scene.said
    await scene.until(lambda: not is_alive(scene.pid()) and not is_alive(grandchild))


async def test_what_a_dead_child_started_does_not_outlive_it(scene: Scene) -> None:
    scene.supervisor.keep(python(HAS_A_CHILD + WAITS))
    await scene.until_up()
    grandchild = int(scene.printed[0].split()[1])
    os.kill(scene.pid(), signal.SIGKILL)
    await scene.until(lambda: not is_alive(grandchild))


async def test_the_last_ends_after_the_others(scene: Scene) -> None:
    slow = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: exit(time.sleep(0.3)))\n"
    tells = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(print('last')))\n"
    first = scene.supervisor.keep(python(slow + WAITS, "first"))
    first.add_done_callback(lambda _: scene.printed.append("first"))
    scene.supervisor.keep(python(tells + WAITS, "last"))
    await scene.until_up(times=2)
    await scene.supervisor.end_all(last=["last"])
    assert scene.printed[-2:] == ["first", "last"]


async def test_a_hurry_cuts_the_grace_short(scene: Scene) -> None:
    scene.supervisor.keep(python(IGNORES_SIGTERM + WAITS))
    await scene.until_up()
    ending = asyncio.create_task(scene.supervisor.end_all())
    await asyncio.sleep(0)
    scene.supervisor.hurry()
    await asyncio.wait_for(ending, supervisor_module.GRACE_SECONDS / 2)
    assert not is_alive(scene.pid())


async def test_a_child_that_waits_for_its_next_start_does_not_start_at_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.supervisor.keep(python("raise SystemExit(1)"))
    await scene.until_said("starting it again in 1.6 s")
    starts = len([line for line in scene.said if line.startswith("started")])
    await scene.supervisor.end_all()
    assert len([line for line in scene.said if line.startswith("started")]) == starts


async def test_a_child_that_is_just_being_started_ends_too(scene: Scene) -> None:
    scene.supervisor.keep(python(WAITS))
    await scene.supervisor.end_all()
    assert not is_alive(scene.pid())


async def test_a_flood_holds_up_nobody(scene: Scene) -> None:
    flood = "import sys\nwhile True: sys.stdout.write('x' * 4000 + '\\n')\n"
    scene.supervisor = Supervisor(scene.said.append, lambda name, lines: scene.printed.append(name))
    scene.supervisor.keep(python(flood, "flood"))
    scene.supervisor.keep(python(WAITS, "calm"))
    await scene.until(lambda: "calm" in scene.printed and "flood" in scene.printed)
    await scene.supervisor.end_all()


async def test_noise_is_left_out_of_the_log_but_not_of_the_last_lines(scene: Scene) -> None:
    spec = python("print('banner')\nprint('news')")
    spec = ChildSpec(
        name="stub", command=spec.command, environ=spec.environ, noise=re.compile("banner")
    )
    ending = await scene.supervisor.run_once(spec)
    assert scene.printed == ["news"]
    assert ending.last_lines == ("banner", "news")


async def test_a_terminals_ctrl_c_does_not_reach_a_child(scene: Scene) -> None:
    scene.supervisor.keep(python(WAITS))
    await scene.until_up()
    assert os.getsid(scene.pid()) == scene.pid() != os.getsid(0)


def test_the_delay_doubles_to_its_bound_and_begins_anew_after_a_long_life() -> None:
    backoff = Backoff()
    delays = [backoff.delay_after(lived_seconds=1) for _ in range(8)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    assert backoff.delay_after(lived_seconds=30) == pytest.approx(0.2)
    assert backoff.delay_after(lived_seconds=1) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("returncode", "reason"),
    [
        (0, "ended with exit code 0"),
        (-15, "ended by signal 15 (SIGTERM)"),
        (-9, "ended by signal 9 (SIGKILL)"),
        (-64, "ended by signal 64 (SIGRTMAX)"),
        (-40, "ended by signal 40"),
    ],
)
def test_an_ending_in_words(returncode: int, reason: str) -> None:
    assert Ending(returncode=returncode, lived_seconds=1, last_lines=()).reason == reason


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the parent death signal")
def test_a_child_dies_with_a_parent_that_was_killed() -> None:
    child = "print('up', flush=True); import time; time.sleep(600)"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, subprocess, sys, time\n"
            f"child = subprocess.Popen([sys.executable, {str(TETHER)!r}, str(os.getpid()), "
            f"sys.executable, '-c', {child!r}])\n"
            "print(child.pid, flush=True)\ntime.sleep(600)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent, contextlib.closing(parent.stdout):
        first, second = parent.stdout.readline(), parent.stdout.readline()
        child_pid = int(first if first != "up\n" else second)
        assert is_alive(child_pid)
        parent.kill()
        parent.wait(10)
        wait_until(lambda: not is_alive(child_pid), "the child dies", 10)


def test_a_child_whose_parent_died_before_it_could_ask_does_not_run() -> None:
    not_our_parent = str(os.getpid() + 1)
    ended = subprocess.run(
        [sys.executable, TETHER, not_our_parent, sys.executable, "-c", "print('ran')"],
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, b"")


async def test_signals_that_python_ignores_are_not_ignored_by_the_child() -> None:
    program = "grep SigIgn /proc/self/status"
    spec = ChildSpec(name="stub", command=("sh", "-c", program), environ=dict(os.environ))
    lines: list[str] = []
    child = await Child.start(spec, lambda _, printed: lines.extend(printed))
    await child.ended()
    ignored = int(lines[0].split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
