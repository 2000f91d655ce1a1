"""Which environment `make run` and manage.py work in."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis.connection import parse_url

from progrock.launcher import environment
from progrock.launcher.environment import (
    LONGEST_SOCKET_PATH,
    adopt_embedded_environment,
    data_folder,
    read_running,
    redis_socket,
    secret_key,
    write_running,
)
from progrock.launcher.errors import LaunchRefused

MARKS = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")
ADOPTED = (*MARKS, "PROGROCK_EMBEDDED", "DJANGO_SETTINGS_MODULE", "RENDERER_URL")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, in an environment where nothing else is said; all of it undone after."""
    for name in ADOPTED:
        monkeypatch.setenv(name, "")  # so that what is adopted is forgotten afterwards
    data = tmp_path / "data"
    monkeypatch.setenv("PROGROCK_DATA", str(data))
    return data


def test_manage_py_adopts_the_embedded_defaults(data: Path) -> None:
    adopt_embedded_environment()
    assert os.environ["PROGROCK_EMBEDDED"] == "on"
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "config.settings"
    assert os.environ["REDIS_URL"] == f"unix://{data}/redis.sock"
    assert os.environ["SECRET_KEY"] == (data / "secret_key").read_text().strip()


@pytest.mark.parametrize("mark", MARKS)
def test_in_production_nothing_is_adopted_and_nothing_written(
    data: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setenv(mark, "said-by-the-operator")
    before = dict(os.environ)
    adopt_embedded_environment()
    assert dict(os.environ) == before
    assert not data.exists()


def test_manage_py_uses_the_addresses_of_the_last_launch(data: Path) -> None:
    data.mkdir()
    addresses = {"REDIS_URL": "redis://redis.test/3", "RENDERER_URL": "http://127.0.0.1:8123"}
    write_running(data, {**addresses, "PATH": "/bin"})
    assert read_running(data) == addresses
    assert stat.S_IMODE((data / "running.json").stat().st_mode) == 0o600
    adopt_embedded_environment()
    assert os.environ["REDIS_URL"] == "redis://redis.test/3"
    assert os.environ["RENDERER_URL"] == "http://127.0.0.1:8123"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"REDIS_URL": 5}', "\udcff"])
def test_a_damaged_note_of_the_last_launch_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_running(tmp_path) == {}


def test_what_the_user_said_stays(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mine.settings")
    adopt_embedded_environment()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "mine.settings"


def test_a_data_folder_that_cannot_be_made_ends_manage_py_with_a_sentence(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.write_text("a file, not a folder")
    with pytest.raises(SystemExit, match=r"cannot be read or made: .*\nMake the folder"):
        adopt_embedded_environment()


def test_the_secret_is_long_private_and_stays(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "data")
    assert len(first) >= 48
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert secret_key(tmp_path / "data") == first
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_processes_that_make_the_first_secret_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: secret_key(tmp_path / "data"), range(32)))
    assert len(secrets) == 1


@pytest.mark.parametrize("damage", ["", "short\n"])
def test_a_secret_that_a_crash_cut_off_is_made_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "secret_key").write_text(damage)
    assert len(secret_key(tmp_path)) >= 48


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_bytes(b"\xff" * 64)
    with pytest.raises(LaunchRefused, match="secret_key"):
        secret_key(tmp_path)


def test_the_socket_lies_with_the_data_unless_its_path_is_too_long(tmp_path: Path) -> None:
    assert redis_socket({}, Path("/srv/data")) == Path("/srv/data/redis.sock")
    deep = Path("/srv", "d" * 100)
    short = redis_socket({"XDG_RUNTIME_DIR": "/run/user/7"}, deep)
    assert short.parent.parent == Path("/run/user/7")
    assert len(os.fsencode(short)) <= LONGEST_SOCKET_PATH


def test_the_short_socket_path_is_the_same_each_time_and_for_no_other_data() -> None:
    one, other = Path("/srv", "d" * 100), Path("/srv", "e" * 100)
    assert redis_socket({}, one) == redis_socket({}, one)
    assert redis_socket({}, one) != redis_socket({}, other)
    too_deep_as_well = {"XDG_RUNTIME_DIR": "/run/" + "x" * 100}
    assert len(os.fsencode(redis_socket(too_deep_as_well, one))) <= LONGEST_SOCKET_PATH


def test_a_path_with_odd_characters_makes_an_address_that_leads_back(tmp_path: Path) -> None:
    data = tmp_path / "a b%20#?"
    url = environment.embedded_defaults({"SECRET_KEY": "x"}, data)["REDIS_URL"]
    assert parse_url(url)["path"] == str(data / "redis.sock")


def test_the_data_folder_is_absolute_and_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder({}) == environment.ROOT / "var"
    assert data_folder({"PROGROCK_DATA": " "}) == environment.ROOT / "var"
    assert data_folder({"PROGROCK_DATA": "here"}) == Path.cwd() / "here"
    assert data_folder({"PROGROCK_DATA": "~/there"}) == Path.home() / "there"


def test_manage_py_stays_light(tmp_path: Path) -> None:
    """What it imports before Django must cost nothing, since every command pays for it."""
    program = (
        "import sys; import progrock.launcher.environment; "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"django", "asyncio", "redis", "pydantic"} & set(shown)
