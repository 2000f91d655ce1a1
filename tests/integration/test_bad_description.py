"""A bad description never serves: whatever is started says all that is wrong with it, and ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from progrock.backends import registry
from tests.launcher_process import ROOT, Launcher

WRONG = """
[backends.x]
base_url = "http://127.0.0.1:9"
titel = "X"
start.path = "/jobs/${NOT_SET_ANYWHERE}"
status.path = "/jobs/{operation}"
map.state = ".body |"
"""
FAULTS = {
    "backends.x.titel": 'did you mean "title"?',
    "backends.x.start.path": "NOT_SET_ANYWHERE is not set",
    "backends.x.map.state": "is not a jq expression",
}
SERVERS = {
    "asgi": "uvicorn config.asgi:application --port 0",
    "wsgi": "uvicorn --interface wsgi config.wsgi:application --port 0",
    "worker": "celery -A config worker --pool threads",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "backends.toml"
    file.write_text(WRONG)
    return file


def assert_told(text: str, file: Path) -> None:
    """All faults are told at once, each with its key, and the file is named."""
    assert str(file) in text
    for key, reason in FAULTS.items():
        assert f"{key}: " in text
        assert reason in text


@pytest.mark.parametrize("server", SERVERS)
def test_no_server_starts_with_it(server: str, file: Path, tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PROGROCK_DATA": str(tmp_path),
        "PROGROCK_BACKENDS": str(file),
        "SECRET_KEY": "a key of fifty characters and more, for nothing but this one test",
    }

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *SERVERS[server].split()],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert_told(ended.stderr, file)
    assert "Traceback" not in ended.stderr


def test_make_run_ends_and_says_why(file: Path, tmp_path: Path) -> None:
    with Launcher(tmp_path / "data", environ={"PROGROCK_BACKENDS": str(file)}) as launcher:
        launcher.spawn()

        assert launcher.wait_end(60) != 0

        assert_told(launcher.log, file)
        assert "ready" not in launcher.log


def test_each_fault_is_a_system_check_with_a_remedy(file: Path, settings: Settings) -> None:
    settings.PROGROCK_BACKENDS = file
    registry.replace_all(None)
    try:
        with pytest.raises(SystemCheckError) as raised:
            call_command("check")
    finally:
        registry.replace_all(None)

    told = str(raised.value)
    assert told.count("(progrock.E001)") == told.count("HINT: Mend it in") == len(FAULTS)
    assert_told(told, file)
