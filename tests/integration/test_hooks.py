"""A backend that calls brings the next poll forward, and says nothing by that."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.integration.reported import NewProgram
from tests.integration.snapshots import end_of
from tests.launcher_process import wait_until
from tests.scripted_backend import Script, ScriptedBackend

# Of the backend `calling` in tests/conformance/backends.toml.
SECRET = "whsec_bm90IGEgc2VjcmV0LCBidXQgbG9uZyBlbm91Z2g="
OLD_SECRET = "whsec_dGhlIG9uZSBiZWZvcmUgaXQsIHN0aWxsIHZhbGlk"
OTHER_SECRET = "whsec_bmVpdGhlciBvZiB0aGUgdHdvIG9mIHRoZSBmaWxl"
JSON = {"Content-Type": "application/json"}


def call(
    api: httpx.Client,
    body: object,
    *,
    secret: str = SECRET,
    name: str = "calling",
    age: timedelta = timedelta(0),
    **changed: str,
) -> httpx.Response:
    """Call as a backend does, signed; `changed` replaces headers, by their last word."""
    text, at = json.dumps(body), datetime.now(UTC) - age
    headers = {
        "webhook-id": changed.get("id", "msg_1"),
        "webhook-timestamp": changed.get("timestamp", str(int(at.timestamp()))),
        "webhook-signature": changed.get("signature", Webhook(secret).sign("msg_1", at, text)),
    }
    return api.post(f"hooks/{name}", content=text, headers=headers | JSON)


@pytest.fixture
def waiting(
    api: httpx.Client, backend: ScriptedBackend
) -> Iterator[Callable[[], tuple[str, Script]]]:
    """Give a function that starts a job, looked at once and not soon again; each finds it on."""
    started: list[tuple[str, Script]] = []

    def start() -> tuple[str, Script]:
        script = backend.script(*({"state": "running", "progress": n} for n in range(1, 9)))
        job = api.post("jobs", json={"backend": "calling", "params": script.params}).json()["job"]
        started.append((job, script))
        wait_until(lambda: progress_of(api, job) == 1, "the first look")
        return job, script

    yield start
    for job, script in started:
        script.say({"state": "cancelled"})
        api.post(f"jobs/{job}/cancel", json={})
        call(api, {"job": job})


Waiting = Callable[[], tuple[str, Script]]


@pytest.mark.parametrize("by", ["operation", "job"])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET], ids=["new secret", "old secret"])
def test_a_hook_brings_the_next_poll_forward(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting, by: str, secret: str
) -> None:
    job, script = waiting()
    before = len(script.polls)
    told = {"job": job} if by == "job" else {"operation": script.operations[0]}

    answer = call(api, told, secret=secret)

    assert answer.status_code == 202
    backend.wait_for(lambda: len(script.polls) == before + 1, "one poll more")


def test_a_hook_brings_the_poll_of_no_other_job_forward(
    api: httpx.Client, waiting: Waiting
) -> None:
    (job, script), (_, other) = waiting(), waiting()

    for number in (2, 3, 4):
        call(api, {"job": job})
        wait_until(lambda number=number: progress_of(api, job) == number, "what the poll says")

    assert (len(script.polls), len(other.polls)) == (4, 1)


def progress_of(api: httpx.Client, job: str) -> float | None:
    return api.get(f"jobs/{job}").json()["progress"]


def test_a_hook_never_says_itself_what_became_of_the_job(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting
) -> None:
    job, script = waiting()
    said = {"state": "succeeded", "status": "failed", "progress": 99, "result": 1, "error": "x"}

    call(api, {"operation": script.operations[0], **said})
    wait_until(lambda: progress_of(api, job) == 2, "what the poll says")

    snapshot = api.get(f"jobs/{job}").json()
    assert (snapshot["state"], snapshot["result"], snapshot["error"]) == ("running", None, None)


def test_what_the_poll_after_a_hook_finds_counts(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting
) -> None:
    job, script = waiting()
    script.say({"state": "succeeded", "result": {"rows": 3}})

    call(api, {"operation": script.operations[0], "state": "failed"})

    snapshot = end_of(api, job)
    assert (snapshot["state"], snapshot["result"]) == ("succeeded", {"rows": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": OTHER_SECRET},
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1,bm90IHRoZSBzaWduYXR1cmU="},
        {"signature": "nonsense"},
        {"signature": "v1,%%%"},
        {"id": "msg_2"},
        {"age": timedelta(minutes=6)},
        {"age": timedelta(minutes=-6)},
        {"timestamp": "0"},
        {"timestamp": "soon"},
        {"timestamp": "9" * 400},
        {"timestamp": "nan"},
        {"timestamp": ""},
    ],
    ids=str,
)
def test_a_hook_that_is_not_rightly_signed_is_refused_and_asks_for_nothing(
    api: httpx.Client, backend: ScriptedBackend, waiting: Waiting, wrong: dict[str, Any]
) -> None:
    job, script = waiting()
    before = len(script.polls)

    answer = call(api, {"job": job}, **wrong)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    call(api, {"job": job})  # this one counts, and would come after the other
    backend.wait_for(lambda: len(script.polls) > before, "the poll after the right one")
    assert len(script.polls) == before + 1


def test_the_signature_is_of_the_body_as_it_was_sent(api: httpx.Client) -> None:
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", at, '{"job":"a"}'),
    }

    answer = api.post("hooks/calling", content='{"job":"b"}', headers=headers | JSON)

    assert answer.status_code == 401


def test_without_its_headers_a_hook_is_refused(api: httpx.Client) -> None:
    assert api.post("hooks/calling", json={"job": "x"}).status_code == 401


@pytest.mark.parametrize("name", ["other", "none", "push", "%2e%2e"])
def test_a_backend_without_secrets_takes_no_hooks(api: httpx.Client, name: str) -> None:
    answer = call(api, {"job": "x"}, name=name)

    assert (answer.status_code, answer.json()["code"]) in {
        (404, "unknown_backend"), (404, "not_found"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [{"operation": "unknown"}, {"job": "01890000-0000-7000-8000-000000000000"}, {"job": "x"}],
    ids=str,
)
def test_a_hook_for_a_job_that_is_none_of_ours_is_taken(api: httpx.Client, body: object) -> None:
    assert call(api, body).status_code == 202


@pytest.mark.parametrize("body", [{}, {"state": "x"}, [], 7, None, {"job": 7}, {"operation": {}}])
def test_a_hook_that_names_nothing_is_a_bad_message(api: httpx.Client, body: object) -> None:
    answer = call(api, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")


def test_a_hook_of_one_backend_does_not_touch_the_jobs_of_another(
    api: httpx.Client, new_program: NewProgram
) -> None:
    program = new_program()

    answer = call(api, {"job": program.job})

    assert answer.status_code == 202
    assert api.get(f"jobs/{program.job}").json()["seq"] == 1
