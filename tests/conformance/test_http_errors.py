"""PROTOCOL 2.1, 2.7 and 3: what HTTP refuses, each as a problem document (RFC 9457)."""

import json
import uuid
from typing import Any

import httpx
import pytest

from tests.conformance.target import Target

NO_JOB = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the problem document of an answer, which must be one with this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert isinstance(document["code"], str)
    assert document.get("detail") or document.get("title")
    if code is not None:
        assert document["code"] == code
    return document


@pytest.mark.parametrize(
    "path", ["", "nothing", "job", "jobs/", "jobs/x/y/z", "backends/a/b", "%00"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404(target: Target, http: httpx.Client, path: str, method: str) -> None:
    answer = http.request(method, f"{target.url}/api/v1/{path}", json={})

    problem(answer, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "jobs"),
        ("PUT", "jobs"),
        ("DELETE", "jobs/{job}"),
        ("POST", "jobs/{job}"),
        ("GET", "jobs/{job}/cancel"),
        ("POST", "backends"),
        ("DELETE", "backends/{backend}"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    target: Target, http: httpx.Client, method: str, path: str
) -> None:
    full = path.format(job=uuid.uuid4(), backend=target.quick.backend)

    answer = http.request(method, full, json={})

    problem(answer, 405)
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "job", ["0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11", "nothing", "0" * 32, "x" * 500]
)
def test_an_unknown_job_is_404(http: httpx.Client, job: str) -> None:
    problem(http.get(f"jobs/{job}"), 404, "unknown_job")
    problem(http.post(f"jobs/{job}/cancel", json={}), 404, "unknown_job")


def test_an_unknown_backend_is_422(http: httpx.Client) -> None:
    problem(http.post("jobs", json={"backend": "nowhere"}), 422, "unknown_backend")


def test_params_against_the_schema_are_422_with_details(target: Target, http: httpx.Client) -> None:
    document = problem(http.post("jobs", json=target.wrong.request()), 422, "bad_params")

    assert document["details"]


@pytest.mark.parametrize("body", ["", "{", "hello", "{'a':1}", '{"params":{"x":NaN}}', "[" * 5000])
def test_a_body_that_is_not_json_is_400(http: httpx.Client, body: str) -> None:
    problem(http.post("jobs", content=body.encode(), headers=JSON), 400, "bad_json")


@pytest.mark.parametrize(
    "body",
    [[], 7, "x", None, {"params": []}, {"title": 7}, {"labels": "x"}, {"backend": {}}],
    ids=json.dumps,
)
def test_a_body_of_the_wrong_form_is_422(http: httpx.Client, body: Any) -> None:
    answer = http.post("jobs", content=json.dumps(body).encode(), headers=JSON)

    problem(answer, 422, "bad_message")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("path", ["jobs", "jobs/{job}/cancel"])
def test_an_unsafe_call_needs_a_json_body_type(http: httpx.Client, kind: str, path: str) -> None:
    full = path.format(job=uuid.uuid4())

    answer = http.post(full, content=b"{}", headers={"Content-Type": kind})

    problem(answer, 415)


def test_a_json_body_type_may_name_its_charset(target: Target, http: httpx.Client) -> None:
    answer = http.post(
        "jobs",
        content=json.dumps(target.quick.request()).encode(),
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )

    assert answer.status_code == 202


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["jobs", "jobs/{job}/cancel"])
def test_an_unsafe_call_with_a_foreign_origin_is_refused(
    http: httpx.Client, origin: str, path: str
) -> None:
    full = path.format(job=uuid.uuid4())

    problem(http.post(full, json={}, headers={"Origin": origin}), 403, "not_permitted")


def test_an_unsafe_call_with_an_own_origin_is_taken(target: Target, http: httpx.Client) -> None:
    answer = http.post("jobs", json=target.quick.request(), headers={"Origin": target.url})

    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["jobs", "backends", "nothing"])
def test_a_foreign_host_is_refused_with_400(http: httpx.Client, path: str) -> None:
    problem(http.get(path, headers={"Host": "elsewhere.example"}), 400)


def test_a_foreign_host_is_refused_also_for_unsafe_calls(http: httpx.Client) -> None:
    elsewhere = {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"}

    problem(http.post("jobs", json={}, headers=elsewhere), 400)


def test_a_foreign_host_is_refused_outside_the_prefix_too(
    target: Target, http: httpx.Client
) -> None:
    answer = http.get(target.url, headers={"Host": "elsewhere.example"})

    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["jobs", "backends"])
def test_a_wrong_bearer_token_is_401_also_where_none_is_needed(
    http: httpx.Client, path: str
) -> None:
    answer = http.get(path, headers={"Authorization": "Bearer wrong"})

    problem(answer, 401, "not_authenticated")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_of_the_wrong_length_is_a_bad_message(
    target: Target, http: httpx.Client, key: str
) -> None:
    answer = http.post("jobs", json=target.quick.request(), headers={"Idempotency-Key": key})

    problem(answer, 422, "bad_message")


def test_a_body_that_is_too_large_is_413(http: httpx.Client) -> None:
    large = {"params": {"text": "x" * 20_000_000}}

    problem(http.post("jobs", json=large), 413, "too_large")
