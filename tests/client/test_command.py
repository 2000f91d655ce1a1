"""The command `progrock` against the real server: in a pipe, and in a terminal of its own."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from progrock.client import Client, State
from progrock.command import main
from tests.client.proxy import Proxy
from tests.conformance.target import Target
from tests.launcher_process import ROOT, free_port, wait_until

SECONDS = 30.0
COMMAND = (sys.executable, "-m", "progrock.command")
Run = Callable[..., "Done"]


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def environ(url: str, **more: str) -> dict[str, str]:
    """Return the environment of the command, without what the tests' own has set."""
    ours = ("PROGROCK_", "COLUMNS", "LINES", "NO_COLOR")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PROGROCK_URL": url, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


@pytest.fixture
def client(target: Target) -> Iterator[Client]:
    with Client(target.url) as client:
        yield client


@pytest.fixture
def run(
    target: Target,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the command without a terminal; in this process, since a new one takes its time."""

    def run(*words: str, url: str = target.url, **more: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for name, text in {"PROGROCK_URL": url, "PROGROCK_TOKEN": "", **more}.items():
                patch.setenv(name, text)
            try:
                code = main(words)
            except SystemExit as end:  # argparse ends so
                code = int(str(end.code))
        return Done(int(code), *capsys.readouterr())

    return run


# --- start and watch, in a pipe ---


def test_start_prints_the_id_alone(run: Run, client: Client) -> None:
    done = run("start", "steps", "-p", "script=quick", "--title", "From a shell", "--label", "sh")
    assert done.returncode == 0
    job = client.job(done.stdout.strip())
    assert (job.snapshot.title, job.snapshot.labels) == ("From a shell", ("sh",))


def test_params_are_json_where_they_parse_and_else_text_or_files(
    run: Run, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "script.txt").write_text("quick")
    done = run("start", "-p", "script=@script.txt", "-p", "count=3")
    assert client.job(done.stdout.strip()).snapshot.params == {"script": "quick", "count": 3}
    done = run("start", "-p", "script=@no-such-file")
    assert done.returncode == 2
    assert "'no-such-file' cannot be read: No such file" in done.stderr
    assert run("start", "-p", "script").returncode == 2


@pytest.mark.parametrize(
    ("script", "code", "end"),
    [("quick", 0, "succeeded after 0:0"), ("failing", 1, "failed after 0:0.: The disk is full.")],
)
def test_watching_prints_lines_and_ends_as_the_job_does(
    run: Run, script: str, code: int, end: str
) -> None:
    done = run("start", "steps", "-p", f"script={script}", "--title", "Watched", "--watch")
    lines = done.stdout.splitlines()
    assert done.returncode == code, done
    assert re.fullmatch(r"[0-9a-f-]{36} Watched: pending", lines[0])
    assert re.search(f" Watched: {end}", lines[-1])
    assert "\x1b" not in done.stdout


def test_a_cancelled_job_and_one_out_of_time_have_codes_of_their_own(
    run: Run, client: Client
) -> None:
    job = client.start("push")
    job.report(state="cancelled")
    assert run("watch", job.id).returncode == 3
    late = client.start("brief", script="slow")
    assert run("watch", late.id).returncode == 4
    assert late.refresh().state is State.TIMED_OUT
    done = client.start("steps", script="quick")
    assert run("watch", done.id, job.id, late.id).returncode == 3  # the first in this order


def test_each_event_is_a_json_line(run: Run) -> None:
    done = run("--json", "start", "steps", "-w", "-p", "script=quick")
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert frames[0]["type"] == "snapshot"
    assert frames[-1]["type"] == "complete"


def test_hostile_text_does_not_reach_the_terminal(run: Run, client: Client) -> None:
    job = client.start("push", title="\x1b]0;owned\x07 \u202eeltit\nsecond line")
    job.report(message="\x1b[2Jgone", log=["\x1b[31mred"], progress=50)
    job.report(state="failed", error="\x9bbad")
    for done in (run("watch", job.id), run("list", "--search", "owned")):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.stdout), done.stdout
        assert "owned" in done.stdout


def test_a_command_in_the_background_of_a_shell_detaches_at_once(
    target: Target, client: Client
) -> None:
    job = client.start("push")
    with subprocess.Popen(
        [*COMMAND, "watch", job.id],
        env=environ(target.url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=SECONDS)
    assert program.returncode == 130
    assert f"progrock watch {job.id}" in errors
    assert not job.refresh().complete


def test_a_lost_server_is_waited_for(client: Client, proxy: Proxy) -> None:
    job = client.start("push")
    with subprocess.Popen(
        [*COMMAND, "watch", "--json", job.id],
        env=environ(proxy.url),
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        seqs = [json.loads(program.stdout.readline())["seq"]]
        wait_until(lambda: "GET /prog/ HTTP/1.1" in proxy.requests, "it follows the job")
        job.report(progress=10)
        proxy.is_away = True
        job.report(progress=20)
        job.report(state="succeeded")
        proxy.is_away = False
        seqs += [json.loads(line)["seq"] for line in program.stdout]
    assert seqs == list(range(seqs[0], job.refresh().seq + 1))
    assert program.returncode == 0


# --- the other commands ---


def test_list_filters_and_prints_fields_or_json(run: Run, client: Client) -> None:
    label = uuid.uuid4().hex
    jobs = [client.start("push", title=f"Job {number}", labels=[label]) for number in range(3)]
    jobs[0].report(state="failed", error="no")
    lines = run("list", "--label", label).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [job.id for job in jobs[::-1]]
    assert lines[2].split("\t")[1:] == ["failed", "", "push", "Job 0"]
    pending = run("list", "--label", label, "--state", "pending", "-n", "1", "--json").stdout
    assert [json.loads(line)["job"] for line in pending.splitlines()] == [jobs[2].id]
    assert run("list", "--label", label, "--backend", "steps").stdout == ""
    assert run("list", "--state", "asleep").returncode == 2


def test_cancel_and_retry(run: Run, client: Client) -> None:
    job = client.start("steps", script="slow")
    done = run("cancel", job.id)
    assert re.fullmatch(f"{job.id} cancell(ing|ed)\n", done.stdout)
    assert run("watch", job.id).returncode == 3
    again = run("cancel", job.id)
    assert (again.returncode, again.stdout) == (2, "")
    assert "has ended" in again.stderr
    retried = run("retry", job.id, "-p", "script=quick", "--watch")
    assert retried.returncode == 0
    new = retried.stdout.split()[0]
    assert client.job(new).snapshot.retry_of == job.id


def test_a_shell_script_reports_its_own_job(run: Run, client: Client) -> None:
    started = json.loads(run("start", "push", "--title", "A script", "--json").stdout)
    job, token = started["job"], started["report_token"]
    reported = run(
        *("report", job, "--current", "30", "--total", "100", "--unit", "rows"),
        *("-m", "row 30", "--log", "one", "--log", "two"),
        PROGROCK_TOKEN=token,
    )
    assert (reported.returncode, reported.stdout, reported.stderr) == (0, "", "")
    seen = client.job(job).snapshot
    assert (seen.progress, seen.unit, seen.message) == (30, "rows", "row 30")
    end = run("report", job, "--state", "succeeded", "--result", '{"rows": 100}', "--json")
    assert json.loads(end.stdout)["result"] == {"rows": 100}
    late = run("report", job, "--progress", "40")
    assert late.returncode == 2
    assert "ended" in late.stderr


def test_a_report_says_when_the_job_was_cancelled(run: Run, client: Client) -> None:
    job = client.start("push")
    job.report(progress=1)
    job.cancel()
    reported = run("report", job.id, "--progress", "2")
    assert reported.returncode == 3
    assert "cancelled" in reported.stderr
    assert run("report", job.id, "--state", "cancelled").returncode == 0


def test_backends_say_what_they_take(run: Run) -> None:
    lines = run("backends").stdout.splitlines()
    assert "steps\tSteps\tDoes what its script says, and looks often." in lines
    assert re.search(r"count +integer .*Count", run("backends", "steps").stdout)
    listed = [json.loads(line)["name"] for line in run("backends", "--json").stdout.splitlines()]
    assert listed[0] == "steps"


# --- what went wrong, and what to do ---


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["start", "stebs"], 2, "no backend 'stebs'. Did you mean steps"),
        (["backends", "oter"], 2, "Did you mean other"),
        (["start", "zzz"], 2, "There are: steps, other"),
        (["start", "steps", "-p", "count=20"], 2, "count: 20 is greater than the maximum of 9"),
        (["start", "steps", "-p", "count=20"], 2, "see `progrock backends steps`"),
        (["watch", "0198c0de-0000-7000-8000-000000000001"], 2, "See `progrock list`"),
        (["--token", "prk_wrong", "list"], 2, "PROGROCK_TOKEN"),
        (["--url", "ftp://x", "list"], 2, "is not the address of a server"),
        (["report", "--progress", "3"], 2, "required: JOB"),
        ([], 2, "COMMAND"),
    ],
)
def test_errors_say_what_to_do(run: Run, words: list[str], code: int, told: str) -> None:
    done = run(*words)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_server_that_is_away_is_said(run: Run) -> None:
    done = run("list", url=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 5
    assert "Is the server running" in done.stderr


def test_help_documents_the_exit_codes(run: Run) -> None:
    for words in (["--help"], ["start", "--help"]):
        told = run(*words).stdout
        for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "130"):
            assert re.search(rf"^  {code} +\w", told, re.M), code


# --- in a terminal ---


class Terminal:
    """The command in a pseudo-terminal; `screen` is what it wrote, without the colours."""

    def __init__(self, words: list[str], env: Mapping[str, str], columns: int) -> None:
        self.written = ""
        self._reader, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.program = subprocess.Popen(
            [*COMMAND, *words],
            env=env,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - it asks the kernel for one thing
        )
        os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self._reader)

    @property
    def screen(self) -> str:
        """What was written so far, without control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written).replace("\r", "\n")

    def wait_for(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Wait until something is on the screen; fails with what is there instead."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.screen[after:])):
            assert self._read(deadline), f"no {pattern!r} in:\n{self.screen}"
        return found

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._reader, keys.encode())

    def wait_end(self) -> int:
        """Return the exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self.program.wait(SECONDS)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._reader], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            self.written += os.read(self._reader, 65_536).decode(errors="replace")
        except OSError:  # the command has ended
            return False
        return True


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(target: Target) -> Iterator[Open]:
    """Open the command in a terminal."""
    opened: list[Terminal] = []

    def open_one(*words: str, columns: int = 80, **more: str) -> Terminal:
        opened.append(Terminal(list(words), environ(target.url, **more), columns))
        return opened[-1]

    yield open_one
    for each in opened:
        each.__exit__()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_bar_fits_the_terminal(terminal: Open, client: Client, columns: int) -> None:
    job = client.start("push", title="An import with a rather long name " * 4)
    job.report(current=30, total=100, unit="rows", message="a message that goes on " * 20)
    screen = terminal("watch", job.id, columns=columns)
    screen.wait_for(r"An import.*… ?━+.* 30 %")
    screen.wait_for(r"30/100 rows")
    assert max(len(line) for line in screen.screen.split("\n")) <= columns
    job.report(state="succeeded")
    screen.wait_for("100 %")
    screen.wait_for("succeeded after 0:")
    assert screen.wait_end() == 0
    assert max(len(line) for line in screen.screen.split("\n")) <= columns


def test_without_colour_there_is_none(terminal: Open, client: Client) -> None:
    job = client.start("push")
    job.report(state="failed", error="no")
    screen = terminal("watch", job.id, NO_COLOR="1")
    assert screen.wait_end() == 1
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", screen.written)
    coloured = terminal("watch", job.id)
    assert coloured.wait_end() == 1
    assert re.search(r"\x1b\[[0-9;]*31", coloured.written)


def test_a_terminal_that_can_do_nothing_gets_lines(terminal: Open, client: Client) -> None:
    job = client.start("push", title="Plain")
    job.report(state="succeeded")
    screen = terminal("watch", job.id, TERM="dumb")
    assert screen.wait_end() == 0
    assert f"{job.id} Plain: succeeded" in screen.written
    assert "\x1b" not in screen.written


def test_several_jobs_are_drawn_below_each_other(terminal: Open, client: Client) -> None:
    jobs = [client.start("push", title=f"Job {number}") for number in range(3)]
    screen = terminal("watch", *(job.id for job in jobs))
    screen.wait_for(r"Job 0 (.|\n)*Job 1 (.|\n)*Job 2 ")
    for job in jobs:
        job.report(state="succeeded")
    assert screen.wait_end() == 0


def test_ctrl_c_asks_and_c_cancels(terminal: Open, client: Client) -> None:
    job = client.start("push")
    job.report(progress=10)
    screen = terminal("watch", job.id)
    screen.wait_for("10 %")
    screen.type("\x03")
    screen.wait_for(r"\(d\)etach .* or \(c\)ancel\?")
    screen.type("x\n")
    screen.wait_for(r"(?s)ancel\?.*ancel\?")
    screen.type("c\n")
    wait_until(lambda: job.refresh().state is State.CANCELLING, "the job is asked to stop")
    job.report(state="cancelled")
    assert screen.wait_end() == 3


@pytest.mark.parametrize("answer", ["d\n", "\n", "\x03", "\x04"])
def test_ctrl_c_asks_and_anything_else_detaches(
    terminal: Open, client: Client, answer: str
) -> None:
    job = client.start("push")
    job.report(progress=10)
    screen = terminal("watch", job.id)
    screen.wait_for("10 %")
    screen.type("\x03")
    screen.wait_for(r"ancel\? \[d/c\]")
    screen.type(answer)
    screen.wait_for(f"progrock watch {job.id}")
    assert screen.wait_end() == 130
    assert job.refresh().state is State.RUNNING


def test_ctrl_c_after_the_wish_to_cancel_detaches(terminal: Open, client: Client) -> None:
    job = client.start("push")
    job.report(progress=10)
    screen = terminal("watch", job.id)
    screen.wait_for("10 %")
    screen.type("\x03")
    screen.wait_for("ancel")
    screen.type("c\n")
    screen.wait_for("cancelling")
    screen.type("\x03")
    assert screen.wait_end() == 130


def test_a_list_in_a_narrow_terminal_keeps_the_ids_whole(terminal: Open, client: Client) -> None:
    label = uuid.uuid4().hex
    job = client.start("push", title="A rather long title " * 5, labels=[label])
    screen = terminal("list", "--label", label, columns=50)
    screen.wait_end()
    assert job.id in screen.screen
    assert max(len(line) for line in screen.screen.split("\n")) <= 50
