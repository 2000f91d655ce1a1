"""Secrets of a description appear nowhere, though the backend says all that it is told.

One run of everything, on a backend that echoes headers, query and body into whatever it says;
then each place where something is kept or shown is searched for each secret, in each of its forms.
"""

import base64
import html
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from standardwebhooks import Webhook

from tests.conformance.connection import DEADLINE_SECONDS, Connection, opened
from tests.conformance.stack import Stack, launch
from tests.integration.echo_backend import STYLES, Echo
from tests.integration.secrets_sought import FORMS, SECRETS, VARIABLES, leaks_in, strings_in
from tests.integration.snapshots import end_of
from tests.launcher_process import ROOT, wait_until

DESCRIPTION = Path(__file__).with_name("echo.toml")
PLOTS = {
    "succeeds": "succeeded",
    "fails": "failed",
    "refused": "failed",
    "refused in text": "failed",
    "out of order": "failed",
    "no id": "failed",
    "redirected": "failed",
    "no words": "failed",
    "odd words": "succeeded",
    "runs": "cancelled",
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        yield echo
        echo.shutdown()


@pytest.fixture(scope="module")
def file(echo: Echo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secrets") / "backends.toml"
    file.write_text(DESCRIPTION.read_text().replace("@URL", echo.url))
    return file


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    with ExitStack() as running:
        yield launch(running, {"PROGROCK_BACKENDS": str(file), **VARIABLES})


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


def begin(api: httpx.Client, plot: str, backend: str = "echo", style: str = "json") -> str:
    params = {"plot": plot, "style": style}
    return str(api.post("jobs", json={"backend": backend, "params": params}).json()["job"])


@dataclass
class Found:
    """What is kept and shown after a run, by the place where it is."""

    places: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def found(stack: Stack, api: httpx.Client, file: Path, echo: Echo) -> Found:
    """Run everything once, and gather all that can be read of it."""
    found = Found()
    with opened(stack.url) as watcher:
        watcher.ask("watch", feed="jobs")
        jobs = {plot: begin(api, plot) for plot in PLOTS}
        jobs |= {"by basic": begin(api, "succeeds", "basic"), "dead": begin(api, "x", "dead")}
        wait_until(lambda: api.get(f"jobs/{jobs['runs']}").json()["progress"], "it runs")
        hook(api, jobs["runs"], SECRETS["hook"])
        hook(api, jobs["runs"], SECRETS["old hook"])
        hook(api, jobs["runs"], "whsec_" + base64.b64encode(b"another").decode())
        logs = [api.get(f"jobs/{jobs['runs']}/log").text]
        api.post(f"jobs/{jobs['runs']}/cancel", json={})
        found.states = {name: end_of(api, job)["state"] for name, job in jobs.items()}
        found.places["frames"] = frames_of(watcher, list(jobs.values()))
    found.places["api"] = [*answers(api, list(jobs.values())), *logs]
    found.places["pages"] = [
        httpx.get(f"{stack.url}{path}").text
        for path in ("/", *(f"/jobs/{job}" for job in jobs.values()))
    ]
    found.places["commands"] = list(commands(file, stack.launcher.data))
    found.places["database"] = cells(stack.launcher.data)
    found.places["files"] = contents(stack.launcher.data)
    found.places["logs"] = stack.launcher.log.splitlines()
    return found


def hook(api: httpx.Client, job: str, secret: str) -> None:
    body, at = json.dumps({"job": job}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg", at, body),
        "Content-Type": "application/json",
    }
    api.post("hooks/echo", content=body, headers=headers)


def frames_of(watcher: Connection, jobs: list[str]) -> list[str]:
    """Return all frames: as they came, and of each job its log from the beginning."""
    for job in jobs:
        watcher.ask("watch", job=job, after=0)
    watcher.ask("list", limit=200)
    watcher.settle()
    return [json.dumps(frame, ensure_ascii=False) for frame in watcher.frames]


def answers(api: httpx.Client, jobs: list[str]) -> Iterator[str]:
    """Yield what HTTP answers about jobs and backends."""
    paths = ["jobs", "backends", "backends/echo", "openapi.json", "docs", "/metrics", "/readyz"]
    for job in jobs:
        paths += [f"jobs/{job}{more}" for more in ("", "/events", "/log", "/result", "/comments")]
    for path in paths:
        answer = api.get(str(api.base_url.join(path)) if path.startswith("/") else path)
        yield answer.text
        yield json.dumps(dict(answer.headers))


def commands(file: Path, data: Path) -> Iterator[str]:
    """Yield what the commands print and write."""
    with pytest.MonkeyPatch.context() as patch, override_settings(PROGROCK_BACKENDS=str(file)):
        for name, text in VARIABLES.items():
            patch.setenv(name, text)
        yield run("list")
        yield run("check", str(file))
        for plot in ("succeeds", "refused", "no words", "odd words", "runs"):
            kept = file.with_name(f"{plot}.json")
            params = json.dumps({"plot": plot, "style": "json"})
            words = ["--file", str(file), "--params", params, "--timeout", "0.3"]
            yield run("try", "echo", *words, "--record", str(kept))
            yield kept.read_text(encoding="utf-8")
        yield run("replay", str(kept), "--file", str(file))
        yield run("try", "basic", "--file", str(file), "--params", '{"plot": "succeeds"}')
        yield run("try", "dead", "--file", str(file), "--params", '{"plot": "x"}')
    environ = {"PROGROCK_DATA": str(data), "PROGROCK_BACKENDS": str(file), **VARIABLES}
    doctor = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(
        doctor, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    yield done.stdout + done.stderr


def run(*words: str) -> str:
    """Run `manage.py backends …` in this process, and return what it printed."""
    output = io.StringIO()
    try:
        call_command("backends", *words, stdout=output)
    except CommandError as error:
        output.write(str(error))
    except SystemExit:
        pass
    return output.getvalue()


def cells(data: Path) -> list[str]:
    """Return all that the database holds, cell by cell."""
    found: list[str] = []
    with sqlite3.connect(f"file:{data / 'progrock.sqlite3'}?mode=ro", uri=True) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                found += [cell for cell in row if isinstance(cell, str)]
    return found


def contents(data: Path) -> list[str]:
    """Return all files of the data folder as they lie, the database and its WAL among them."""
    files = [file for file in data.rglob("*") if file.is_file()]
    assert {"progrock.sqlite3", "progrock.sqlite3-wal"} <= {file.name for file in files}
    return [file.read_bytes().decode("utf-8", "replace") for file in files]


PLACES = ["database", "files", "logs", "api", "frames", "pages", "commands"]


def test_the_run_went_as_it_should(found: Found, echo: Echo) -> None:
    assert {plot: found.states[plot] for plot in PLOTS} == PLOTS
    assert (found.states["by basic"], found.states["dead"]) == ("succeeded", "failed")
    heard = "\n".join(echo.heard)
    assert [name for name, secret in SECRETS.items() if secret not in heard] == []


@pytest.mark.parametrize("place", PLACES)
def test_what_was_said_is_there_with_the_secrets_masked(found: Found, place: str) -> None:
    assert any("•••" in text or "\\u2022" in text for text in found.places[place])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_found_nowhere(found: Found, place: str, secret: str) -> None:
    leaking = [text for text in found.places[place] if secret in leaks_in(text)]

    assert [shortened(text, secret) for text in leaking[:3]] == []


def shortened(text: str, secret: str) -> str:
    """Return the surroundings of the first form of a secret in a text."""
    for each in [text, html.unescape(text), *strings_in(text)]:
        for form in FORMS[secret]:
            if (at := each.find(form)) >= 0:
                return each[max(at - 60, 0) : at + len(form) + 20]
    return text[:100]


# --- after that --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def styled(api: httpx.Client, found: Found) -> dict[str, str]:
    """A job for each way of writing JSON."""
    return {style: begin(api, "succeeds", style=style) for style in STYLES}


@pytest.mark.parametrize("style", STYLES)
def test_a_secret_is_masked_however_the_backend_writes_it(
    api: httpx.Client, styled: dict[str, str], style: str
) -> None:
    end_of(api, styled[style])

    assert leaks_in(api.get(f"jobs/{styled[style]}").text) == set()


def test_a_cookie_that_holds_a_secret_is_not_kept_in_the_clear(
    stack: Stack, api: httpx.Client, found: Found
) -> None:
    end_of(api, begin(api, "succeeds", "jar"))

    assert set().union(*map(leaks_in, cells(stack.launcher.data))) == set()


@pytest.mark.parametrize("plot", ["picture", "photograph"])
def test_what_comes_in_the_place_of_a_picture_tells_no_secret(
    api: httpx.Client, found: Found, plot: str
) -> None:
    job = begin(api, plot)
    assert end_of(api, job)["state"] == "succeeded"

    answer = api.get(f"jobs/{job}/result")

    assert leaks_in(answer.text) == set()
    assert leaks_in(json.dumps(dict(answer.headers))) == set()


def test_a_reload_that_is_refused_logs_no_secret(stack: Stack, found: Found, file: Path) -> None:
    before, good = stack.launcher.lines_so_far(), file.read_text()
    file.write_text(good.replace('state = ".body.state"', """state = '.x == "${OUR_PATH}' """))
    try:
        for name in ("web", "worker"):
            os.kill(stack.launcher.pid_of(name), signal.SIGHUP)
            stack.launcher.wait_for_line(rf"{name} +\|.*refused", after=before)
    finally:
        file.write_text(good)

    wait_until(lambda: stack.launcher.log.count("map.state") >= 2, "the reasons")
    assert leaks_in("\n".join(stack.launcher.log.splitlines()[before:])) == set()
