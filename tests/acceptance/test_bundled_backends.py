"""Our own contract for real: the example renderer that comes with it, by the preset alone."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.connection import Connection, events_of, holes_in, opened
from tests.integration.snapshots import end_of
from tests.launcher_process import Launcher


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `make run` starts."""
    with Launcher(tmp_path_factory.mktemp("bundled") / "data") as launcher:
        yield launcher.start().rstrip("/")


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/api/v1/", timeout=30) as client:
        yield client


@pytest.fixture
def watcher(url: str) -> Iterator[Connection]:
    with opened(url) as connection:
        yield connection


def begin(api: httpx.Client, backend: str = "flaky", **params: Any) -> str:
    answer = api.post("jobs", json={"backend": backend, "params": params})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def test_a_job_goes_to_100_with_its_figures_steps_and_log(
    api: httpx.Client, watcher: Connection
) -> None:
    size = {"width": 400, "height": 300, "iterations": 50}
    job = begin(api, "fractal", **size, pause_ms=50)
    watcher.ask("watch", job=job, after=0)

    watcher.until_complete(job)

    end, told = api.get(f"jobs/{job}").json(), events_of(watcher.frames, job)
    assert holes_in(told) == []
    assert (end["state"], end["progress"]) == ("succeeded", 100)
    assert [step["name"] for step in end["steps"]] == ["render tiles", "assemble", "encode"]
    shown = [event["progress"] for event in told if event["progress"] is not None]
    assert shown == sorted(shown)
    assert len(set(shown)) > 3
    lines = [line for event in told for line in event.get("lines", [])]
    kept = api.get(f"jobs/{job}/log").text.splitlines()
    assert lines == kept
    assert any(" pixels" in line for line in lines)
    assert sum("lines" in event for event in told) < len(lines)
    assert api.get(f"jobs/{job}/result").content.startswith(b"\x89PNG")


def test_a_job_fails_with_the_reason_of_the_service(api: httpx.Client) -> None:
    end = end_of(api, begin(api, rows=100))

    assert (end["state"], end["error"]["code"]) == ("failed", "backend_failed")
    assert "row 50" in end["error"]["message"]


def test_a_job_is_cancelled_when_the_service_says_so(
    api: httpx.Client, watcher: Connection
) -> None:
    job = begin(api, rows=100_000, pause_ms=100)
    watcher.ask("watch", job=job, after=0)
    watcher.until(lambda frame: frame.get("state") == "running", "it runs")

    assert api.post(f"jobs/{job}/cancel", json={}).status_code == 202

    assert watcher.until_complete(job)["state"] == "cancelled"
    states = [event["state"] for event in events_of(watcher.frames, job)]
    assert list(dict.fromkeys(states))[-2:] == ["cancelling", "cancelled"]


def test_what_the_service_refuses_is_told_in_its_words(api: httpx.Client) -> None:
    end = end_of(api, begin(api, "digest", folder="/nowhere"))

    assert (end["state"], end["error"]["code"]) == ("failed", "backend_refused")
    assert "/nowhere" in end["error"]["message"]
