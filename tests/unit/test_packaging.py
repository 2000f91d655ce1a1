"""The wheel: a client and a command that need no Django, and are quick to start."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from progrock import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_THE_SERVER = "aiohttp celery channels django jq kombu ninja orjson pydantic redis".split()
PACKED = "progrock config tasks pyproject.toml README.md LICENSE".split()
MANY_MODULES = 150  # that `progrock --help` may load: httpx or rich would be hundreds more


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that holds the wheel and what it asks for.

    What it asks for is lent from this environment, so that no index is needed: a package that it
    imports and does not ask for is not there.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in _files():
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("progrock-*.whl")
    venv.create(folder / "env", symlinks=True)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    for needed in _closure(Requirement(text) for text in PROJECT["dependencies"]):
        tops = {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}
        for top in tops:
            (packages / top).symlink_to(str(needed.locate_file(top)))
    programs = folder / "env" / "bin"
    _pip("--python", programs / "python", "install", "--no-deps", "--no-compile", wheel)
    return programs


def _files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def _pip(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)],
        env={**os.environ, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _closure(wanted: Iterator[Requirement]) -> list[Distribution]:
    """Return the packages that some need, with what these need."""
    found: dict[str, Distribution] = {}
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        is_for_us = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if is_for_us and requirement.name not in found:
            found[requirement.name] = distribution(requirement.name)
            waiting += map(Requirement, found[requirement.name].requires or ())
    return list(found.values())


def run(*words: object) -> str:
    """Run a program apart from this checkout, and return what it prints."""
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)),
        cwd="/",
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_base_is_the_client_alone() -> None:
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert names == {"httpx", "rich", "websockets"}
    assert "django" in {
        Requirement(text).name for text in PROJECT["optional-dependencies"]["server"]
    }


def test_the_wheel_is_installed_without_django_and_the_command_runs(fresh: Path) -> None:
    assert run(fresh / "progrock", "--version") == f"progrock {__version__}\n"
    assert "exit codes:" in run(fresh / "progrock", "--help")
    is_there = (
        "import importlib.util as u, json; print(json.dumps([n for n in {} if u.find_spec(n)]))"
    )
    there = run(fresh / "python", "-c", is_there.format([*OF_THE_SERVER, "httpx"]))
    assert json.loads(there) == ["httpx"]
    loads = "import progrock.client, progrock.command.running; print(progrock.client.track)"
    assert "track" in run(fresh / "python", "-c", loads)


def test_help_loads_little(fresh: Path) -> None:
    code = (
        "import sys; from progrock.command import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('#', *sys.modules)"
    )
    loaded = run(fresh / "python", "-c", code).rpartition("#")[2].split()
    assert not {"httpx", "rich", "websockets", "asyncio", "ssl"} & set(loaded)
    assert len(loaded) <= MANY_MODULES, f"{len(loaded)} modules"


def test_the_time_to_help_is_told(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert run(fresh / "progrock", "--help")
        times.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\nprogrock --help: {min(times) * 1000:.0f} ms at best of 5")  # noqa: T201


def test_the_locks_are_made_with_all_extras() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for extra in PROJECT["optional-dependencies"]:
        assert f"--extra {extra} " in makefile
    for lock in ("requirements.lock", "requirements-dev.lock"):
        pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.M))
        for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
            names = {re.sub(r"[._]", "-", Requirement(text).name) for text in group}
            assert names <= pinned, f"{names - pinned} is not in {lock}"
