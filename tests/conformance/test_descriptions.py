"""PROTOCOL 3: `openapi.json` and `docs`; and `asyncapi.json`, the same for the WebSocket."""

import httpx
import pytest

from tests.conformance.connection import Frame
from tests.conformance.target import ClosedTarget, Target


@pytest.mark.parametrize(
    ("name", "word"), [("openapi.json", "openapi"), ("asyncapi.json", "asyncapi")]
)
def test_a_description_is_published(http: httpx.Client, name: str, word: str) -> None:
    answer = http.get(name)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()[word].startswith("3.")


def test_the_docs_are_a_page_of_the_site_alone(http: httpx.Client) -> None:
    answer = http.get("docs")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "POST" in answer.text
    assert "/api/v1/jobs/{job}/cancel" in answer.text


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json", "docs"])
def test_a_description_is_there_to_be_read_only(http: httpx.Client, name: str) -> None:
    assert http.post(name, json={}).status_code == 405


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json", "docs"])
def test_a_description_is_no_secret(closed: ClosedTarget, name: str) -> None:
    assert httpx.get(f"{closed.url}/api/v1/{name}").status_code == 200


def test_the_figures_of_a_backend_are_as_published(
    target: Target, http: httpx.Client, finished: tuple[str, list[Frame]]
) -> None:
    backends = http.get("backends", params={"figures": True}).json()["backends"]

    figures = next(each for each in backends if each["name"] == target.quick.backend)["figures"]
    assert figures["jobs"]["ended"]["succeeded"] > 0
