"""The data folder of one launch: made, found usable, and held against a second launch."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from progrock.launcher.environment import reason
from progrock.launcher.errors import LaunchRefused

LEAST_FREE_BYTES = 50 * 1024 * 1024
LOCK_FILE = "lock"
_PROBE_BYTES = 4096
_ANOTHER = "or choose another folder: make run PROGROCK_DATA=FOLDER"


class HeldFolder:
    """The lock on a data folder; the system takes it away when this process ends, however."""

    def __init__(self, data: Path, address: str) -> None:
        """Hold the folder, or raise LaunchRefused with who holds it and where that one answers."""
        lock = data / LOCK_FILE
        try:
            self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = lock.read_text("utf-8", "replace").split()
            raise LaunchRefused(_already_running(data, holder)) from error
        except OSError as error:
            raise LaunchRefused(
                f"{lock} cannot be locked: {reason(error)}\n"
                f"Make it yours if it was made by another user, {_ANOTHER}"
            ) from error
        self._write(f"{os.getpid()} {address}\n")

    def release(self) -> None:
        """Let the next launch have the folder."""
        with contextlib.suppress(OSError):
            self._write("")
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


def prepare(data: Path) -> None:
    """Make the folder, private, and make sure that it can be written. Raises LaunchRefused.

    An existing folder keeps its mode, since it may serve others as well; what the children write
    is private by the umask.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_probe(data)
        free = shutil.disk_usage(data).free
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise LaunchRefused(_full(data, 0)) from error
        raise LaunchRefused(
            f"The data folder {data} cannot be written: {reason(error)}\n"
            f"Make it writable for you, {_ANOTHER}"
        ) from error
    if free < LEAST_FREE_BYTES:
        raise LaunchRefused(_full(data, free))


def private_folder(folder: Path) -> None:
    """Make a folder that only we may enter, or raise LaunchRefused when it is not so.

    For one in a place where others may write, like the folder for temporary files.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise LaunchRefused(
            f"{folder} cannot be made: {reason(error)}\nSet TMPDIR to a folder of your own."
        ) from error
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != os.getuid():
        raise LaunchRefused(f"{folder} is not yours. Remove it, or set TMPDIR to another folder.")
    folder.chmod(0o700)


def _write_probe(data: Path) -> None:
    with tempfile.TemporaryFile(dir=data) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _full(data: Path, free: int) -> str:
    return (
        f"The disk of {data} is full: {free >> 20} MB are free, "
        f"{LEAST_FREE_BYTES >> 20} MB are needed.\nFree some space, {_ANOTHER}"
    )


def _already_running(data: Path, holder: list[str]) -> str:
    pid, address = holder if len(holder) == 2 else ("unknown", "")
    where = f" It answers at {address}" if address else ""
    return (
        f"ProgRock already runs on {data}, as process {pid}.{where}\n"
        f"Use that one, end it with Ctrl-C or `kill {pid}`, or start a second one on data of its "
        "own: make run PORT=8010 PROGROCK_DATA=./var2"
    )
