"""A PostgreSQL server of the tests' own, in a folder that goes with it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class PartMissingError(Exception):
    """Raised where this machine cannot run a server; says what it lacks."""


class PostgresProcess:
    """One server on a socket in `folder`, which is made. The data stays over restarts.

    With `keeps_commits` what was committed is there after a `kill`, too; without, it is quicker.
    """

    def __init__(self, folder: Path, *, keeps_commits: bool = False) -> None:
        self.folder = folder
        self._options = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "synchronous_commit": "on" if keeps_commits else "off",
            "full_page_writes": "off",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def url_of(self, database: str) -> str:
        """Return the DATABASE_URL of one of its databases."""
        return f"postgres://postgres@{quote(str(self.folder), safe='')}/{database}"

    def start(self) -> None:
        """Start it, and return when it answers. Raises PartMissingError."""
        programs, owner = _programs(), self._owner()
        if not (self.folder / "data").exists():
            self._make(programs, owner)
        self._process = subprocess.Popen(
            [programs / "postgres", "-D", self.folder / "data"]
            + [f"--{name}={value}" for name, value in self._options.items()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **owner,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise PartMissingError("PostgreSQL did not start")
            time.sleep(0.01)

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        with psycopg.connect(**self._address(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]

    def kill(self) -> None:
        """End it without a goodbye to anybody, and without writing what can be recovered."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGINT)  # it would wait for its clients at a SIGTERM

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _owner(self) -> Mapping[str, Any]:
        self.folder.mkdir(exist_ok=True)
        if os.geteuid() != 0:
            return {}
        try:  # it refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        except LookupError:
            raise PartMissingError(
                "PostgreSQL does not run as root, and there is no user postgres"
            ) from None
        return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": self.folder}

    def _make(self, programs: Path, owner: Mapping[str, Any]) -> None:
        words = "--username postgres --auth trust --encoding UTF8 --no-locale --no-sync".split()
        made = subprocess.run(
            [programs / "initdb", "--pgdata", self.folder / "data", *words],
            capture_output=True,
            text=True,
            check=False,
            **owner,
        )
        if made.returncode:
            raise PartMissingError(f"initdb failed: {made.stderr.strip()}")

    def _address(self) -> dict[str, Any]:
        return {"host": str(self.folder), "user": "postgres", "dbname": "postgres"}

    def _answers(self) -> bool:
        try:
            psycopg.connect(**self._address()).close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> Path:
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda program: float(program.parts[-3]),
    )
    if not found:
        raise PartMissingError(
            "no initdb is on the PATH or under /usr/lib/postgresql: install postgresql"
        )
    return found[-1].parent
