"""What `openapi.json` allows, and what it does not, asked of the real server by schemathesis.

It makes requests from the document: at the bounds, within them and beyond. No answer may be an
error of the server, or one that the document does not tell of; what is against the document is
refused, and what is not is taken. Nothing here is random: each run asks the same.
"""

import re
import zlib
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from progrock.api.openapi import describe_http
from progrock.api.urls import api as described
from progrock.protocol.messages import as_job_id
from tests.conformance.stack import Stack
from tests.scripted_backend import ScriptedBackend

EXAMPLES = 8  # of each call, beside those at the bounds
DEADLINE_SECONDS = 30.0
WAIT_SECONDS = 0.05  # of a long poll, at most
OWN_REASONS = {"unknown_backend", "bad_params"}  # to refuse what is of the right form …
UNTELLABLE = re.compile("cursor|NUL|nested")  # … and what no schema can say
FEED = "/api/v1/events"  # answers with a stream without an end; tests/conformance reads it

SCHEMA = schemathesis.openapi.from_dict(describe_http(described)).exclude(path=FEED)
SCHEMA.config.checks.negative_data_rejection.expected_statuses = ["4xx"]
SCHEMA.config.checks.positive_data_acceptance.expected_statuses.append("412")  # as If-Match asks


@pytest.fixture(scope="module")
def session() -> Any:
    """One connection for all calls."""
    with requests.Session() as made:
        yield made


@pytest.fixture(scope="module")
def jobs(backend: ScriptedBackend, api: httpx.Client) -> list[str]:
    """Jobs of each kind: one that has ended, one that runs, and a reported one."""
    backend.script({"state": "running"}, {"state": "succeeded", "result": [1]}, name="default")
    backend.script(*[{"state": "running", "progress": 1}] * 1000, name="runs on")
    made = [
        api.post("jobs", json=request).json()["job"]
        for request in (
            {"backend": "steps"},
            {"backend": "steps", "params": {"script": "runs on"}},
            {"backend": "push"},
        )
    ]
    snapshot = {"seq": 0, "complete": False}
    while not snapshot["complete"]:
        after = {"after": snapshot["seq"], "wait": 20}
        snapshot = api.get(f"jobs/{made[0]}", params=after).json()
    return made


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_was_published(
    case: Any, stack: Stack, session: requests.Session, jobs: list[str]
) -> None:
    name = (case.path_parameters or {}).get("job")
    choice = zlib.crc32(str(name).encode()) % (len(jobs) + 1)
    if isinstance(name, str) and as_job_id(name) is not None and choice < len(jobs):
        case.path_parameters["job"] = jobs[choice]
    if isinstance((case.query or {}).get("wait"), int | float) and case.query["wait"] > 0:
        case.query["wait"] = min(case.query["wait"], WAIT_SECONDS)

    answer = case.call(base_url=stack.url, session=session, timeout=DEADLINE_SECONDS)

    has_own_reason = answer.status_code == 422 and (
        answer.json()["code"] in OWN_REASONS or UNTELLABLE.search(answer.json()["detail"])
    )
    excluded = [positive_data_acceptance] if has_own_reason else []
    case.validate_response(answer, excluded_checks=excluded)
