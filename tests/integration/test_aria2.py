"""A real aria2 behind the whole system, by a few lines of TOML."""

import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conformance.connection import Connection, Frame, holes_in, opened
from tests.launcher_process import Launcher, free_port, wait_until

SECRET = "open-sesame-of-aria2"
SIZE = 600_000
CHUNKS = 20
PAUSE_SECONDS = 0.08


class Files(ThreadingHTTPServer):
    """Serves `/slow/NAME` bit by bit, `/unsized/NAME` without saying how much, and nothing else."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.is_closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind not in {"slow", "unsized"}:
            self.send_error(404)
            return
        self.send_response(200)
        if kind == "slow":
            self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        for _ in range(CHUNKS):
            self.wfile.write(bytes(SIZE // CHUNKS))
            if self.server.is_closing.wait(PAUSE_SECONDS):
                return

    def handle(self) -> None:
        with suppress(OSError):  # a download that is cancelled hangs up
            super().handle()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def lacking(what: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"A part that the tests need is missing: {what}.")
    pytest.skip(what)


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    with Files() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.is_closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@contextmanager
def aria2(folder: Path) -> Iterator[str]:
    """Run aria2 for this folder; gives its address."""
    program = shutil.which("aria2c") or lacking("no aria2c is on the PATH: install aria2")
    port = free_port()
    options = {
        "enable-rpc": "true",
        "rpc-listen-port": port,
        "rpc-secret": SECRET,
        "dir": folder,
        "quiet": "true",
        "no-conf": "true",
        "file-allocation": "none",
    }
    process = subprocess.Popen([program, *(f"--{name}={options[name]}" for name in options)])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(partial(has_begun, url, process), "aria2 answers")
        yield url
    finally:
        process.kill()
        process.wait()


def has_begun(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "aria2 ended"
    call = {"jsonrpc": "2.0", "id": 1, "method": "aria2.getVersion", "params": [f"token:{SECRET}"]}
    try:
        urllib.request.urlopen(f"{url}/jsonrpc", json.dumps(call).encode(), timeout=1).close()
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def stack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    home = tmp_path_factory.mktemp("aria2")
    with aria2(folder) as url:
        backends = home / "backends.toml"
        backends.write_text(
            f"""
            [backends.downloads]
            preset = "aria2"
            base_url = "{url}"
            poll = {{ min = 0.2, max = 0.5 }}
            """
        )
        environ = {"PROGROCK_BACKENDS": str(backends), "ARIA2_SECRET": SECRET}
        with Launcher(home / "data", environ=environ) as launcher:
            launcher.start()
            yield launcher


@pytest.fixture
def connection(stack: Launcher) -> Iterator[Connection]:
    with opened(stack.base_url) as connection:
        yield connection


def download(connection: Connection, url: str) -> str:
    """Start a download, which is watched from then on; gives the job."""
    snapshot = connection.start(backend="downloads", params={"url": url})
    assert snapshot["seq"] == 1
    return str(snapshot["job"])


def end_of(connection: Connection, job: str) -> Frame:
    """Return the job's last event, once its log is known to be whole."""
    end = connection.until_complete(job)
    assert holes_in(connection.events(job), after=1) == []
    return end


def test_a_download_is_followed_to_100(connection: Connection, files: Files, folder: Path) -> None:
    job = download(connection, f"{files.url}/slow/picture.raw")
    end = end_of(connection, job)
    events = connection.events(job)
    shown = [event["progress"] for event in events if event["progress"] is not None]
    assert shown == sorted(shown)
    assert len(set(shown)) >= 4
    assert [event["state"] for event in events if event["progress"] == 100] == ["succeeded"]
    assert {event["total"] for event in events} <= {None, SIZE}
    assert (end["current"], end["unit"], end["error"]) == (SIZE, "bytes", None)
    assert end["result"] == {"files": [str(folder / "picture.raw")]}
    assert (folder / "picture.raw").stat().st_size == SIZE


def test_a_download_of_unknown_size_has_no_figure_until_it_ends(
    connection: Connection, files: Files
) -> None:
    job = download(connection, f"{files.url}/unsized/stream.raw")
    assert end_of(connection, job)["state"] == "succeeded"
    running = [event for event in connection.events(job) if event["state"] == "running"]
    assert {event["progress"] for event in running} == {None}
    assert any(event["current"] for event in running)


def test_a_download_of_nothing_fails_with_its_reason(connection: Connection, files: Files) -> None:
    end = end_of(connection, download(connection, f"{files.url}/nothing.raw"))
    assert end["state"] == "failed"
    assert end["error"] == {"code": "backend_failed", "message": "Resource not found"}
    assert end["result"] is None


def test_an_address_that_is_none_is_refused(connection: Connection) -> None:
    end = end_of(connection, download(connection, "nowhere"))
    assert end["error"] == {"code": "backend_refused", "message": "No URI to download."}


def test_a_cancelled_download_is_removed(
    connection: Connection, files: Files, folder: Path
) -> None:
    job = download(connection, f"{files.url}/slow/cancelled.raw")
    connection.until(
        lambda frame: frame.get("job") == job and bool(frame.get("progress")), "some progress"
    )
    connection.ask("cancel", job=job)
    end = end_of(connection, job)
    assert end["state"] == "cancelled"
    assert end["progress"] < 100
    assert (folder / "cancelled.raw").stat().st_size < SIZE


def test_the_secret_is_told_to_nobody(stack: Launcher, connection: Connection) -> None:
    job = download(connection, "nowhere")
    end_of(connection, job)
    told = json.dumps(connection.frames) + stack.log
    told += urllib.request.urlopen(f"{stack.base_url}api/v1/jobs/{job}").read().decode()
    told += urllib.request.urlopen(f"{stack.base_url}api/v1/backends").read().decode()
    assert SECRET not in told
