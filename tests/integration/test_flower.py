"""Flower with a real Celery worker behind the whole system, by a few lines of TOML."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.connection import Connection, Frame, holes_in, opened
from tests.launcher_process import Launcher, free_port, wait_until

PASSWORD = "watering-can"
APP = """
import os
import time
from pathlib import Path

from celery import Celery

app = Celery("shop", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_REDIS"])


@app.task(name="shop.add")
def add(first, second):
    return {"sum": first + second}


@app.task(name="shop.open")
def open_file(name):
    raise FileNotFoundError(f"there is no {name}")


@app.task(name="shop.work")
def work(seconds, done):
    time.sleep(seconds)
    Path(done).touch()
    return "worked"
"""


@contextmanager
def celery(folder: Path, environ: dict[str, str], *words: str) -> Iterator[None]:
    """Run a Celery program on the little app of the tests; its output is in a file."""
    with (folder / f"{words[0]}.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app", "shop", *words],
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # a worker has processes of its own
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def stack(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    folder = tmp_path_factory.mktemp("flower")
    (folder / "shop.py").write_text(APP)
    port = free_port()
    socket = redis_server.removeprefix("unix://").partition("?")[0]
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith("DJANGO_")},
        "SHOP_REDIS": f"redis+socket://{socket}?virtual_host=7",
        "FLOWER_BASIC_AUTH": f"progrock:{PASSWORD}",
    }
    backends = folder / "backends.toml"
    backends.write_text(
        f"""
        [backends.shop]
        preset = "flower"
        base_url = "http://127.0.0.1:{port}"
        auth = {{ basic = "progrock:${{FLOWER_PASSWORD}}" }}
        poll = {{ min = 0.2, max = 0.5 }}
        """
    )
    with ExitStack() as running:
        worker = ["worker", "--concurrency=1", "--task-events", "--loglevel=warning"]
        running.enter_context(celery(folder, environ, *worker))
        flower = ["flower", "--address=127.0.0.1", f"--port={port}"]
        running.enter_context(celery(folder, environ, *flower))
        own = {"PROGROCK_BACKENDS": str(backends), "FLOWER_PASSWORD": PASSWORD}
        launcher = running.enter_context(Launcher(folder / "data", environ=own))
        launcher.start()
        wait_until(partial(answers, f"http://127.0.0.1:{port}/healthcheck"), "Flower answers")
        yield launcher


@pytest.fixture
def connection(stack: Launcher) -> Iterator[Connection]:
    with opened(stack.base_url) as connection:
        yield connection


def begin(connection: Connection, task: str, **params: Any) -> str:
    """Start a task, which is watched from then on; gives the job."""
    snapshot = connection.start(backend="shop", params={"task": task, **params})
    assert snapshot["seq"] == 1
    return str(snapshot["job"])


def end_of(connection: Connection, job: str) -> Frame:
    """Return the job's last event, once its log is known to be whole."""
    end = connection.until_complete(job)
    assert holes_in(connection.events(job), after=1) == []
    return end


def test_a_task_gives_its_result(connection: Connection) -> None:
    end = end_of(connection, begin(connection, "shop.add", args=[19], kwargs={"second": 23}))
    assert (end["state"], end["result"], end["error"]) == ("succeeded", {"sum": 42}, None)


def test_a_task_is_seen_to_run_though_celery_does_not_keep_it(
    connection: Connection, tmp_path: Path
) -> None:
    job = begin(connection, "shop.work", args=[2, str(tmp_path / "done")])
    assert end_of(connection, job)["result"] == "worked"
    states = [event["state"] for event in connection.events(job)]
    assert list(dict.fromkeys(states)) == ["queued", "running", "succeeded"]
    assert (tmp_path / "done").exists()


def test_a_task_fails_with_its_reason_and_leaves_its_traceback(connection: Connection) -> None:
    job = begin(connection, "shop.open", args=["ledger.csv"])
    end = end_of(connection, job)
    assert end["error"] == {
        "code": "backend_failed",
        "message": "FileNotFoundError('there is no ledger.csv')",
    }
    lines = [line for event in connection.events(job) for line in event.get("lines", [])]
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "FileNotFoundError: there is no ledger.csv"


def test_a_task_that_flower_does_not_know_is_refused(connection: Connection) -> None:
    end = end_of(connection, begin(connection, "shop.close"))
    assert end["error"]["code"] == "backend_refused"
    assert end["error"]["message"].endswith("Unknown task 'shop.close'")


def test_a_cancelled_task_is_terminated(connection: Connection, tmp_path: Path) -> None:
    job = begin(connection, "shop.work", args=[60, str(tmp_path / "done")])
    connection.until(
        lambda frame: frame.get("job") == job and frame.get("state") == "running", "it runs"
    )
    connection.ask("cancel", job=job)
    assert end_of(connection, job)["state"] == "cancelled"
    # the worker, which has room for one, is free again
    assert end_of(connection, begin(connection, "shop.add", args=[1, 1]))["result"] == {"sum": 2}
    assert not (tmp_path / "done").exists()
