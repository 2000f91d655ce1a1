"""Answers that a real process gives only in rare moments."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from examples.renderer import jobs as jobs_module
from examples.renderer.app import create_app
from examples.renderer.settings import read_settings
from examples.renderer.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.open()
    return store


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(read_settings({}), "http://renderer.test", store)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://renderer.test") as client:
        yield client


async def test_a_full_queue_is_503_with_a_time_to_come_back(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MOST_UNFINISHED", 0)
    reply = await http.post("/flaky/jobs")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "queue_full")
    assert int(reply.headers["Retry-After"]) > 0


async def test_a_job_that_cannot_be_stored_is_not_accepted(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "add", refuse)
    reply = await http.post("/flaky/jobs")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_failed")
    assert "No space left" in reply.json()["error"]["message"]


async def test_a_fault_is_a_500_that_tells_nothing_of_the_inside(
    http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: object) -> None:
        raise ZeroDivisionError("inner secret")

    monkeypatch.setattr(store, "add", break_down)
    reply = await http.post("/flaky/jobs")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in reply.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/nothing/jobs", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("PUT", "/flaky/jobs", 405, "method_not_allowed"),
        ("GET", "/flaky/jobs/1/cancel", 405, "method_not_allowed"),
    ],
)
async def test_a_path_or_method_that_is_none_is_refused_in_the_same_form(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    reply = await http.request(method, path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_that_cannot_be_one_is_refused(http: httpx.AsyncClient, key: str) -> None:
    reply = await http.post("/flaky/jobs", headers={"Idempotency-Key": key})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_key")
