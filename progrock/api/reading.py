"""The published documents, laid out for the page that people read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Type:
    """What a value may be: a phrase in parts, of which some are names of schemas."""

    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A parameter, a header or a key: its name and what it may be."""

    name: str
    type: Type
    is_required: bool
    description: SafeString
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One status that a call may have."""

    status: str
    description: SafeString
    media: tuple[tuple[str, Type], ...]
    headers: tuple[str, ...]
    is_refusal: bool


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call."""

    id: str
    method: str
    path: str
    summary: SafeString
    description: SafeString
    fields: tuple[Field, ...]
    body: Type | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """The calls about one thing."""

    name: str
    description: SafeString
    calls: tuple[Call, ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A JSON object by name; or a closed set of words."""

    name: str
    description: SafeString
    fields: tuple[Field, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A message that a client sends, and how it is answered."""

    action: str
    summary: SafeString
    type: Type
    answers: tuple[Type, ...]


class Manual:
    """What the page shows."""

    def __init__(self, http: Document, socket: Document) -> None:
        self.http = http
        self.socket = socket

    @property
    def about_the_socket(self) -> SafeString:
        """What the WebSocket is for."""
        return prose(self.socket["info"]["description"])

    @cached_property
    def chapters(self) -> list[Chapter]:
        """The calls by what they are about."""
        calls = [
            (operation["tags"][0], _call(method, path, operation))
            for path, operations in self.http["paths"].items()
            for method, operation in operations.items()
        ]
        return [
            Chapter(
                name=tag["name"],
                description=phrase(tag["description"]),
                calls=tuple(call for name, call in calls if name == tag["name"]),
            )
            for tag in self.http["tags"]
        ]

    @cached_property
    def exchanges(self) -> list[Exchange]:
        """What a client may send over the WebSocket."""
        return [
            Exchange(
                action=name,
                summary=phrase(operation["summary"]),
                type=self._payload(operation["messages"][0]),
                answers=tuple(self._payload(each) for each in operation["reply"]["messages"]),
            )
            for name, operation in self.socket["operations"].items()
            if operation["action"] == "receive"
        ]

    @cached_property
    def unasked(self) -> list[tuple[SafeString, Type]]:
        """What the server sends of itself."""
        told = self.socket["operations"]["tell"]["messages"]
        return [(phrase(self._message(each)["summary"]), self._payload(each)) for each in told]

    @cached_property
    def closes(self) -> list[Document]:
        """Why the server closes a WebSocket."""
        found: list[Document] = self.socket["channels"]["progress"]["x-close-codes"]
        return found

    @cached_property
    def shapes(self) -> list[Shape]:
        """Every object and every closed set, by name."""
        both = self.http["components"]["schemas"] | self.socket["components"]["schemas"]
        return [_shape(name, schema) for name, schema in sorted(both.items())]

    def _message(self, reference: Document) -> Document:
        name = reference["$ref"].rpartition("/")[2]
        found: Document = self.socket["components"]["messages"][name]
        return found

    def _payload(self, reference: Document) -> Type:
        return type_of(self._message(reference)["payload"])


def _call(method: str, path: str, operation: Document) -> Call:
    body = operation.get("requestBody")
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=phrase(operation["summary"]),
        description=prose(operation.get("description", "")),
        fields=tuple(
            Field(
                name=each["name"],
                type=type_of(each["schema"]),
                is_required=each["required"],
                description=phrase(each.get("description", "")),
                place=each["in"],
            )
            for each in operation["parameters"]
        ),
        body=type_of(body["content"]["application/json"]["schema"]) if body else None,
        answers=tuple(_answer(status, each) for status, each in operation["responses"].items()),
    )


def _answer(status: str, answer: Document) -> Answer:
    return Answer(
        status=status,
        description=phrase(answer["description"]),
        media=tuple(
            (name, type_of(each["schema"])) for name, each in answer.get("content", {}).items()
        ),
        headers=tuple(answer.get("headers", ())),
        is_refusal=status >= "4",
    )


def _shape(name: str, schema: Document) -> Shape:
    required = schema.get("required", ())
    return Shape(
        name=name,
        description=prose(schema.get("description", "")),
        fields=tuple(
            Field(
                name=key,
                type=type_of(each),
                is_required=key in required,
                description=phrase(each.get("description", "")),
            )
            for key, each in schema.get("properties", {}).items()
        ),
        words=tuple(schema.get("enum", ())),
    )


def prose(text: str) -> SafeString:
    """Return a description as HTML: its paragraphs, and `code` between backticks."""
    paragraphs = (escape(part) for part in text.strip().split("\n\n") if part)
    marked = (re.sub(r"`([^`]+)`", r"<code>\1</code>", part) for part in paragraphs)
    return mark_safe("".join(f"<p>{part}</p>" for part in marked))  # noqa: S308 - escaped above


def phrase(text: str) -> SafeString:
    """Return a description of one sentence as HTML."""
    return mark_safe(prose(text).removeprefix("<p>").removesuffix("</p>"))  # noqa: S308 - as above


def type_of(schema: Document) -> Type:
    """Return in few words what a schema allows."""
    names = set(_names_in(schema))
    parts = re.split(r"(\w+)", _said(schema))
    return Type(parts=tuple((part, part in names) for part in parts if part))


def _names_in(schema: Document) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for key in ("anyOf", "oneOf"):
        for each in schema.get(key, ()):
            yield from _names_in(each)
    if isinstance(items := schema.get("items"), dict):
        yield from _names_in(items)


def _said(schema: Document) -> str:
    if "$ref" in schema:
        said: str = schema["$ref"].rpartition("/")[2]
        return said
    if "const" in schema:
        return f'"{schema["const"]}"' if isinstance(schema["const"], str) else str(schema["const"])
    if "enum" in schema:
        return " | ".join(f'"{word}"' for word in schema["enum"])
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices and "type" not in schema:
        return " | ".join(dict.fromkeys(_said(each) for each in choices))
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"[{_said(schema.get('items', {}))}]"
    return " ".join([str(schema.get("format") or kind), *_bounds(schema)])


def _bounds(schema: Document) -> Iterator[str]:
    for low, high, unit in (("minimum", "maximum", ""), ("minLength", "maxLength", " characters")):
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            yield f"{least} to {most}{unit}"
        elif least is not None:
            yield f"from {least}{unit}"
        elif most is not None:
            yield f"up to {most}{unit}"
