"""The data folder: usable, or a sentence that says what to do."""

import collections
import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from progrock.launcher import data_folder
from progrock.launcher.data_folder import HeldFolder, prepare, private_folder
from progrock.launcher.errors import LaunchRefused


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchRefused, match=r"cannot be written: .*\nMake it writable"):
        prepare(tmp_path / "file" / "data")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(data: Path) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(data_folder, "_write_probe", fail)
    with pytest.raises(LaunchRefused, match=f"cannot be written: {os.strerror(number)}"):
        prepare(tmp_path)


def test_a_disk_without_a_byte_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data_folder, "_write_probe", fail)
    with pytest.raises(LaunchRefused, match="is full: 0 MB are free"):
        prepare(tmp_path)


def test_a_disk_that_is_nearly_full_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 49 << 20))
    with pytest.raises(LaunchRefused, match=r"49 MB are free, 50 MB are needed\.\nFree some"):
        prepare(tmp_path)


def test_a_held_folder_names_its_holder(tmp_path: Path) -> None:
    held = HeldFolder(tmp_path, "http://127.0.0.1:8000/")
    with pytest.raises(LaunchRefused) as refused:
        HeldFolder(tmp_path, "http://127.0.0.1:8010/")
    assert f"as process {os.getpid()}. It answers at http://127.0.0.1:8000/" in str(refused.value)
    held.release()
    HeldFolder(tmp_path, "http://127.0.0.1:8010/").release()


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from progrock.launcher.data_folder import HeldFolder; "
        "held = HeldFolder(Path(sys.argv[1]), 'http://127.0.0.1:8000/'); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert (tmp_path / "lock").read_text()
    HeldFolder(tmp_path, "http://127.0.0.1:8010/").release()


def test_a_lock_without_words_is_refused_all_the_same(tmp_path: Path) -> None:
    held = HeldFolder(tmp_path, "x")
    (tmp_path / "lock").write_text("")
    with pytest.raises(LaunchRefused, match="already runs"):
        HeldFolder(tmp_path, "y")
    held.release()


def test_a_lock_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(LaunchRefused, match="lock cannot be locked: Is a directory"):
        HeldFolder(tmp_path, "x")


def test_a_private_folder_is_closed_to_others(tmp_path: Path) -> None:
    private_folder(tmp_path / "new")
    (tmp_path / "open").mkdir(mode=0o755)
    private_folder(tmp_path / "open")
    for name in ("new", "open"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_link_that_somebody_laid_there_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LaunchRefused, match="is not yours"):
        private_folder(tmp_path / "link")
