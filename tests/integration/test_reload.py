"""A changed description is taken up without a restart; a bad one is refused."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.stack import Stack, launch
from tests.integration.snapshots import end_of
from tests.launcher_process import wait_until
from tests.scripted_backend import ScriptedBackend

TOML = """
[backends.other]
preset = "progrock"
base_url = "${SCRIPTED_URL}/other"

[backends.changing]
preset = "progrock"
title = "Before"
base_url = "${SCRIPTED_URL}/changing"
poll = { min = 0.05, max = 0.1 }
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description, which tests change."""
    file = tmp_path_factory.mktemp("reload") / "backends.toml"
    file.write_text(TOML)
    return file


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    """Processes of this module's own."""
    with ExitStack() as running:
        stack = launch(running, {"PROGROCK_BACKENDS": str(file)})
        yield stack
        assert "Traceback" not in stack.launcher.log


@pytest.fixture
def changed(stack: Stack, file: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that changes the file and tells web and worker; undone in the end."""
    good = file.read_text()

    def change(text: str) -> None:
        file.write_text(text)
        for name in ("web", "worker"):
            os.kill(stack.launcher.pid_of(name), signal.SIGHUP)

    yield change
    before = stack.launcher.lines_so_far()
    change(good)
    for name in ("web", "worker"):
        stack.launcher.wait_for_line(rf"^{name} .*taken up", after=before)


Changed = Callable[[str], None]


def described(api: httpx.Client, name: str = "changing") -> dict[str, Any]:
    return dict(api.get(f"backends/{name}").json())


def test_a_changed_description_is_taken_up_on_sighup(
    api: httpx.Client, file: Path, changed: Changed
) -> None:
    more = 'params.properties.size = { type = "integer", maximum = 9 }\n'
    text = file.read_text().replace('title = "Before"', f'title = "After"\n{more}')

    changed(text)

    wait_until(lambda: described(api)["title"] == "After", "the new title")
    assert described(api)["params"]["properties"] == {"size": {"type": "integer", "maximum": 9}}
    wrong = api.post("jobs", json={"backend": "changing", "params": {"size": 10}})
    assert wrong.json()["code"] == "bad_params"


def test_the_worker_takes_a_changed_description_up_too(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    changed(file.read_text().replace("/changing", "/moved"))
    stack.launcher.wait_for_line("^worker .*taken up", after=before)
    script = backend.script({"state": "succeeded"})

    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]

    assert end_of(api, job)["state"] == "succeeded"
    assert [request.path for request in script.starts] == ["/moved/jobs"]


def test_a_bad_change_is_refused_with_its_reason_and_the_old_one_stays(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    text = file.read_text().replace('title = "Before"', 'title = "After"\ntitel = "Wrong"')

    changed(text)

    for name in ("web", "worker"):
        stack.launcher.wait_for_line(rf"^{name} .*refused", after=before)
    wait_until(lambda: stack.launcher.log.count("backends.changing.titel") >= 2, "the reasons")
    assert 'did you mean "title"?' in stack.launcher.log.replace('\\"', '"')
    assert described(api)["title"] == "Before"
    script = backend.script({"state": "succeeded"})
    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]
    assert end_of(api, job)["state"] == "succeeded"


def test_a_file_that_is_gone_is_refused_and_the_old_one_stays(
    stack: Stack, api: httpx.Client, file: Path, changed: Changed
) -> None:
    before = stack.launcher.lines_so_far()
    text = file.read_text()
    file.rename(file.with_suffix(".away"))
    try:
        os.kill(stack.launcher.pid_of("web"), signal.SIGHUP)
        stack.launcher.wait_for_line("^web .*refused", after=before)
    finally:
        file.with_suffix(".away").rename(file)

    assert described(api)["title"] == "Before"
    assert file.read_text() == text


def test_jobs_in_progress_go_on_by_the_changed_description(
    stack: Stack, api: httpx.Client, file: Path, backend: ScriptedBackend, changed: Changed
) -> None:
    script = backend.script({"state": "running", "progress": 10})
    job = api.post("jobs", json={"backend": "changing", "params": script.params}).json()["job"]
    backend.wait_for(lambda: bool(script.polls), "a poll")

    before = stack.launcher.lines_so_far()
    changed(file.read_text().replace('title = "Before"', 'title = "B"\nstates.fine = "succeeded"'))
    stack.launcher.wait_for_line("^worker .*taken up", after=before)
    script.say({"state": "fine"})

    assert end_of(api, job)["state"] == "succeeded"
    assert len(script.starts) == 1


def test_a_backend_that_is_taken_out_of_the_file_starts_nothing_more(
    api: httpx.Client, file: Path, changed: Changed
) -> None:
    changed(file.read_text().partition("[backends.changing]")[0])

    wait_until(lambda: api.get("backends/changing").status_code == 404, "it is gone")

    answer = api.post("jobs", json={"backend": "changing"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_backend")
