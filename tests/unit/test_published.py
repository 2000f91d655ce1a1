"""What is published of the protocol: OpenAPI, AsyncAPI, and the page that people read."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from jsonschema import Draft7Validator, Draft202012Validator

from progrock.dashboard.policy import content_security_policy
from progrock.protocol import codec, frames
from progrock.protocol.codes import CloseCode, ErrorCode

ASYNCAPI = Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json"
Document = dict[str, Any]


def answered(name: str) -> HttpResponse:
    """Return what the server answers to a request for a description."""
    request = RequestFactory(headers={"host": "localhost:8000"}).get(f"/api/v1/{name}")
    request.user = AnonymousUser()

    def view(asked: HttpRequest) -> HttpResponse:
        called, _, _ = resolve(asked.path)
        return called(asked)

    return content_security_policy(view)(request)


@pytest.fixture(scope="module")
def http() -> Document:
    return json.loads(answered("openapi.json").content)


@pytest.fixture(scope="module")
def socket() -> Document:
    return json.loads(answered("asyncapi.json").content)


# --- OpenAPI ---


def test_the_calls_are_told_in_openapi_3_1(http: Document) -> None:
    assert http["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(http).validate()


@pytest.mark.parametrize(
    "call",
    [
        "POST jobs",
        "GET jobs",
        "GET jobs/{job}",
        "PATCH jobs/{job}",
        "GET jobs/{job}/events",
        "GET events",
        "POST jobs/{job}/cancel",
        "POST jobs/{job}/retry",
        "GET jobs/{job}/comments",
        "POST jobs/{job}/comments",
        "POST jobs/{job}/report",
        "POST jobs/{job}/share",
        "POST hooks/{name}",
        "GET backends",
        "GET backends/{name}",
        "GET openapi.json",
        "GET docs",
    ],
)
def test_each_call_of_the_protocol_is_told(http: Document, call: str) -> None:
    method, path = call.split()

    assert http["paths"][f"/api/v1/{path}"][method.lower()]["summary"]


@pytest.mark.parametrize(
    ("call", "place", "names"),
    [
        ("POST jobs", "header", {"Idempotency-Key"}),
        ("POST jobs/{job}/retry", "header", {"Idempotency-Key"}),
        ("GET jobs", "query", {"state", "backend", "label", "q", "mine", "limit", "cursor"}),
        ("GET jobs/{job}", "query", {"after", "wait"}),
        ("GET jobs/{job}", "header", {"If-None-Match"}),
        ("PATCH jobs/{job}", "header", {"If-Match"}),
        ("GET jobs/{job}/events", "query", {"after", "limit", "token"}),
        ("GET jobs/{job}/events", "header", {"Last-Event-ID"}),
        ("GET events", "query", {"state", "backend", "label", "mine", "after"}),
        ("GET events", "header", {"Last-Event-ID"}),
        (
            "POST hooks/{name}",
            "header",
            {"webhook-id", "webhook-timestamp", "webhook-signature"},
        ),
    ],
)
def test_parameters_and_headers_are_told(
    http: Document, call: str, place: str, names: set[str]
) -> None:
    method, path = call.split()
    parameters = http["paths"][f"/api/v1/{path}"][method.lower()]["parameters"]

    assert {each["name"] for each in parameters if each["in"] == place} == names


@pytest.mark.parametrize(
    ("call", "status", "codes"),
    [
        ("POST jobs", "400", {"bad_json", "bad_message"}),
        ("POST jobs", "409", {"conflict"}),
        ("POST jobs", "422", {"bad_message", "bad_params", "unknown_backend"}),
        ("POST jobs/{job}/cancel", "409", {"not_cancellable"}),
        ("POST jobs/{job}/retry", "409", {"conflict", "not_finished"}),
        ("PATCH jobs/{job}", "412", {"conflict"}),
        ("GET jobs/{job}/result", "409", {"not_finished"}),
        ("POST jobs/{job}/report", "429", {"rate_limited"}),
        ("GET events", "406", {"not_acceptable"}),
        ("GET backends/{name}", "404", {"not_found", "unknown_backend"}),
        ("GET jobs/{job}", "404", {"not_found", "unknown_job"}),
    ],
)
def test_the_codes_of_refusals_are_told(
    http: Document, call: str, status: str, codes: set[str]
) -> None:
    method, path = call.split()
    refusal = http["paths"][f"/api/v1/{path}"][method.lower()]["responses"][status]
    schema = refusal["content"]["application/problem+json"]["schema"]

    assert set(schema["properties"]["code"]["enum"]) == codes


def test_each_code_of_http_is_told_of_somewhere(http: Document) -> None:
    told = set(re.findall(r'"([a-z_]+)"', json.dumps(_enums_of_codes(http))))

    of_frames_alone = {ErrorCode.UNKNOWN_ACTION, ErrorCode.TOO_MANY_WATCHES}
    assert told == {code.value for code in ErrorCode} - of_frames_alone


def _enums_of_codes(http: Document) -> list[list[str]]:
    return [
        answer["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
        for operations in http["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status >= "4"
    ]


# --- AsyncAPI ---


def test_the_socket_is_told_in_asyncapi_3(socket: Document) -> None:
    published = json.loads(ASYNCAPI.read_text(encoding="utf-8"))

    assert [error.message for error in Draft7Validator(published).iter_errors(socket)] == []


def test_each_action_is_told_with_its_answers(socket: Document) -> None:
    operations = socket["operations"]
    received = {name for name, each in operations.items() if each["action"] == "receive"}

    assert received == set(codec._ACTIONS)
    for name in received:
        assert "#/channels/progress/messages/error" in [
            each["$ref"] for each in operations[name]["reply"]["messages"]
        ]


def test_each_type_of_frame_is_told(socket: Document) -> None:
    schemas = socket["components"]["schemas"].values()
    told = {schema.get("properties", {}).get("type", {}).get("const") for schema in schemas}

    assert told - {None} == {
        *("hello", "started", "watching", "unwatched", "ack", "jobs", "pong", "heartbeat"),
        *("state", "progress", "log", "comment", "edited", "presence", "complete", "error"),
    }


def test_each_close_code_is_told(socket: Document) -> None:
    told = {each["code"]: each for each in socket["channels"]["progress"]["x-close-codes"]}

    assert set(told) == {code.value for code in CloseCode}
    assert {code for code, each in told.items() if not each["reconnect"]} == {4400, 4401, 4403}


def test_the_server_is_named_as_it_was_asked(socket: Document) -> None:
    assert socket["servers"]["here"]["host"] == "localhost:8000"
    assert socket["channels"]["progress"]["address"] == "/prog/"


# --- both ---


def test_every_schema_is_one(http: Document, socket: Document) -> None:
    for document in (http, socket):
        for schema in document["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)


def test_both_say_the_same_of_what_both_know(http: Document, socket: Document) -> None:
    ours, theirs = http["components"]["schemas"], socket["components"]["schemas"]

    both = ours.keys() & theirs.keys()
    assert {"Snapshot", "ProgressEvent", "CompleteEvent", "JobEdit"} <= both
    for name in both:
        assert ours[name] == theirs[name]


def test_what_is_referred_to_is_there(http: Document, socket: Document) -> None:
    for document in (http, socket):
        for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
            place: Any = document
            for step in reference.split("/"):
                place = place[step]
            assert place


def test_a_frame_with_a_key_too_many_or_too_few_is_not_as_published(socket: Document) -> None:
    pong = frames.pong("7")
    schema = {
        "$ref": "#/components/schemas/Pong",
        "components": socket["components"],
    }

    assert Draft202012Validator(schema).is_valid(pong)
    assert not Draft202012Validator(schema).is_valid({"type": "pong"})


# --- the page ---


class Links(HTMLParser):
    """Collects where a page leads, what it loads, and what can be led to."""

    def __init__(self) -> None:
        super().__init__()
        self.leads_to: set[str] = set()
        self.loads: set[str] = set()
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is of interest."""
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= found.keys()
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.leads_to.add(found["href"])
        elif "src" in found or tag == "link":
            self.loads.add(found.get("src") or found["href"])


@pytest.fixture(scope="module")
def page() -> str:
    return answered("docs").content.decode()


@pytest.fixture(scope="module")
def links(page: str) -> Links:
    read = Links()
    read.feed(page)
    return read


def test_the_page_tells_of_every_call_and_every_action(
    page: str, http: Document, socket: Document
) -> None:
    for path, operations in http["paths"].items():
        for method, operation in operations.items():
            assert f"<b>{method.upper()}</b> {path}" in page
            assert f'id="{operation["operationId"]}"' in page
    for name in codec._ACTIONS:
        assert f"<code>{name}</code>" in page


def test_the_page_needs_nothing_that_the_policy_forbids(links: Links) -> None:
    assert "script" not in links.tags
    assert "style" not in links.tags | links.attributes
    assert all(place.startswith("/static/") for place in links.loads)


def test_every_link_of_the_page_leads_somewhere(links: Links) -> None:
    inside = {place.removeprefix("#") for place in links.leads_to if place.startswith("#")}

    assert inside <= set(links.ids)
    assert len(links.ids) == len(set(links.ids))
    assert {"openapi.json", "asyncapi.json"} <= links.leads_to
