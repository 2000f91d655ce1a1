"""Holds what a server says against what it has published: `openapi.json` and `asyncapi.json`.

Every answer that a client of `client_of` gets, and every frame of a checked connection, must be
one that the documents tell of, with no key beside those that they name.
"""

import json
import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

DEADLINE_SECONDS = 30.0
PREFIX = "/api/v1/"
STREAM = "text/event-stream"
Document = dict[str, Any]


@cache
def published_at(url: str) -> "Published":
    """Return what the server at an address, such as `http://127.0.0.1:8000`, has published."""
    return Published(_document(url, "openapi"), _document(url, "asyncapi"))


def _document(url: str, name: str) -> Document:
    answer = httpx.get(f"{url}{PREFIX}{name}.json", timeout=DEADLINE_SECONDS)
    assert answer.status_code == 200, f"{name}.json is not published: {answer.status_code}"
    return answer.json()


def client_of(url: str, base: str = "", **options: Any) -> httpx.Client:
    """Return a client of a server: it raises where an answer is not as was published."""
    found = published_at(url)
    return httpx.Client(
        base_url=f"{url}{base}",
        timeout=DEADLINE_SECONDS,
        event_hooks={"response": [found.check_answer]},
        **options,
    )


class Published:
    """The two documents of a server, read."""

    def __init__(self, http: Document, socket: Document) -> None:
        self.http = http
        self.socket = socket
        self._frames = _by_type(socket)
        self._schemas = {"http": http["components"], "socket": socket["components"]}
        self._validators: dict[str, Draft202012Validator] = {}

    # --- frames ---

    def check_frame(self, frame: Document) -> None:
        """Raise AssertionError where a frame is none that the WebSocket's document tells of."""
        refusals = []
        for name in self._frames.get(frame.get("type", ""), ()):
            refusal = self._refusal("socket", {"$ref": f"#/components/schemas/{name}"}, frame)
            if refusal is None:
                return
            refusals.append(f"{name}: {refusal}")
        raise AssertionError(f"not a frame of asyncapi.json: {frame}; {'; '.join(refusals)}")

    # --- answers ---

    def check_answer(self, answer: httpx.Response) -> None:
        """Raise AssertionError where an answer is none that `openapi.json` tells of."""
        path, method = answer.request.url.path, answer.request.method
        if not path.startswith(PREFIX) or method == "OPTIONS":
            return
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        if media != STREAM:
            answer.read()
        operations = self._operations(path)
        what = f"{method} {path}: {answer.status_code} {media}"
        if operations is None or method.lower() not in operations:
            self._check_nothing(answer, what, is_there=operations is not None)
            return
        operation = operations[method.lower()]
        told = operation["responses"].get(str(answer.status_code))
        assert told is not None, f"not told of by openapi.json: {what} {_text(answer)}"
        self._check_headers(answer, told.get("headers", {}), what)
        if not answer.is_error:
            self._check_request(answer.request, operation, what)
        contents = told.get("content", {})
        if media == STREAM:
            assert STREAM in contents, what
        elif answer.content or contents:
            assert media in contents, f"not a media type of openapi.json: {what}"
            if media.endswith("json"):
                self._check("http", contents[media]["schema"], answer.json(), what)

    def check_event(self, path: str, type_: str, data: Document) -> None:
        """Raise AssertionError where an event of a stream is none that is told of."""
        operations = self._operations(path) or {}
        told = operations["get"]["responses"]["200"]["content"][STREAM]["x-events"]
        assert type_ in told, f"not told of by openapi.json: {type_} {data}"
        self._check("http", told[type_], data, f"{path}: {type_}")

    def _check_nothing(self, answer: httpx.Response, what: str, *, is_there: bool) -> None:
        """Where the document tells of nothing there is nothing but a problem that says so."""
        statuses = {400, 401, 403, 404, 405} if is_there else {400, 401, 403, 404}
        assert answer.status_code in statuses, f"not told of by openapi.json: {what}"
        self._check("http", {"$ref": "#/components/schemas/Problem"}, answer.json(), what)

    def _check_headers(self, answer: httpx.Response, told: Document, what: str) -> None:
        for name, header in told.items():
            value: Any = answer.headers.get(name)
            if value is None:
                assert not header.get("required"), f"without {name}: {what}"
                continue
            if header["schema"]["type"] == "integer":
                value = int(value)
            self._check("http", header["schema"], value, f"{what}, {name}")

    def _check_request(self, request: httpx.Request, operation: Document, what: str) -> None:
        """What was taken must have been of the published form: the document may not be narrower."""
        named = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        # A share's token stands in an address also where the tests say that it does not count.
        unknown = set(request.url.params) - named - {"token"}
        assert not unknown, f"parameters that openapi.json does not know: {what} {unknown}"
        body = operation.get("requestBody")
        content = request.read()
        if body is not None and content:
            schema = body["content"]["application/json"]["schema"]
            self._check("http", schema, json.loads(content), f"the body of {what}")

    def _operations(self, path: str) -> Document | None:
        for template, operations in self.http["paths"].items():
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                return operations
        return None

    def _check(self, source: str, schema: Document, value: Any, what: str) -> None:
        refusal = self._refusal(source, schema, value)
        assert refusal is None, f"not as openapi.json says: {what}: {refusal}"

    def _refusal(self, source: str, schema: Document, value: Any) -> str | None:
        """Return what is wrong with a value; None where nothing is."""
        key = source + json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            components = _closed(self._schemas[source])
            whole = {**schema, "components": components}
            self._validators[key] = Draft202012Validator(
                whole, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
        error = best_match(self._validators[key].iter_errors(value))
        return None if error is None else f"{error.json_path}: {error.message[:1000]}"


def _by_type(socket: Document) -> dict[str, list[str]]:
    """Return the names of the schemas of what the server tells, by the `type` of the frame."""
    found: dict[str, list[str]] = {}
    for message in socket["components"]["messages"].values():
        name = message["payload"]["$ref"].rpartition("/")[2]
        type_ = socket["components"]["schemas"][name]["properties"].get("type")
        if type_ is not None:
            found.setdefault(type_["const"], []).append(name)
    return found


def _closed(components: Document) -> Document:
    """Return the schemas with no room for keys that they do not name, but where we are asked."""
    asked = {"StartRequest", "RetryRequest", "CommentRequest", "ShareRequest"}
    return {
        "schemas": {
            name: schema
            if name in asked or "properties" not in schema
            else {"additionalProperties": False, **schema}
            for name, schema in components["schemas"].items()
        }
    }


def _text(answer: httpx.Response) -> str:
    return "" if answer.headers.get("Content-Type") == STREAM else answer.text[:500]
