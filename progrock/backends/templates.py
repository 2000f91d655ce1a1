"""Templates in a description: `{params.NAME}`, `{operation}` and their kin (BACKENDS). Pure.

A text that is one template alone keeps the value's type; within a longer text the value becomes
text. `${NAME}` and `${NAME:-default}` read the environment once, when the file is loaded; what
they bring is never taken for a template.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from progrock.backends.errors import TemplateError
from progrock.protocol.codec import encode

ROOTS = frozenset(
    {"params", "operation", "operations", "job", "lookup", "start", "offset"}
    | {"status_url", "cancel_url"}
)
_TOKEN = re.compile(
    r"\$\{(?P<env>\w+)(?::-(?P<default>[^}]*))?\}"
    r"|\{(?P<ref>[A-Za-z_][\w-]*(?:\.[\w-]+)*)\}"
)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Reference:
    """One `{root.name}` in a template."""

    path: tuple[str, ...]

    def find(self, context: Mapping[str, Any]) -> Any:
        """Return the value in the context, or MISSING; null counts as missing."""
        value: Any = context
        for part in self.path:
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return MISSING
        return MISSING if value is None else value

    def __str__(self) -> str:
        return "{" + ".".join(self.path) + "}"


class EnvironmentProblem(ValueError):
    """Raised when `${NAME}` is not set."""


class UnknownReference(ValueError):
    """Raised when a template names a root that does not exist."""


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return a text with `${NAME}` replaced, its templates left alone."""

    def value(match: re.Match[str]) -> str:
        if match["ref"]:
            return match[0]
        return _from_environment(match, env)

    return _TOKEN.sub(value, text)


def _unknown(name: str, roots: frozenset[str]) -> str:
    text = f"{{{name}}} names nothing here; known: {', '.join(sorted(roots))}"
    if "params" not in roots:
        return text
    id_ = "the backend's id is {operation}, " if "operation" in roots else ""
    return f"{text}; {id_}a parameter {{params.{name}}}"


def _from_environment(match: re.Match[str], env: Mapping[str, str]) -> str:
    value = env.get(match["env"]) or match["default"]
    if value is None:
        raise EnvironmentProblem(
            f"the environment variable {match['env']} is not set; set it, or give a default: "
            f"${{{match['env']}:-value}}"
        )
    return value


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text: literal parts and references in their order."""

    parts: tuple[str | Reference, ...]

    @classmethod
    def parse(cls, text: str, env: Mapping[str, str], roots: frozenset[str] = ROOTS) -> "Template":
        """Return the template in a text. Raises EnvironmentProblem or UnknownReference."""
        parts: list[str | Reference] = []
        position = 0
        for match in _TOKEN.finditer(text):
            parts.append(text[position : match.start()])
            position = match.end()
            if match["ref"]:
                path = tuple(match["ref"].split("."))
                if path[0] not in roots:
                    raise UnknownReference(_unknown(match["ref"], roots))
                parts.append(Reference(path))
            else:
                parts.append(_from_environment(match, env))
        parts.append(text[position:])
        return cls(tuple(part for part in parts if part != ""))

    @property
    def lone(self) -> Reference | None:
        """The reference, when the text is one template alone."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Reference):
            return self.parts[0]
        return None

    def render(self, context: Mapping[str, Any]) -> Any:
        """Return the text, or for a lone template the value with its type, or MISSING."""
        if self.lone:
            return self.lone.find(context)
        return self.render_text(context)

    def render_text(
        self, context: Mapping[str, Any], encode_value: Callable[[str], str] = str
    ) -> str:
        """Return the text; each value passes through `encode_value`. Raises TemplateError."""
        return "".join(
            part if isinstance(part, str) else encode_value(_text_of(part, context))
            for part in self.parts
        )


def _text_of(reference: Reference, context: Mapping[str, Any]) -> str:
    value = reference.find(context)
    if value is MISSING:
        raise TemplateError(f"The request needs {reference}, and this job has no such value.")
    return as_text(value)


class Address(str):
    """The value of `{status_url}` or `{cancel_url}`: checked when it was told, never encoded."""


class Operations(list[str]):
    """The value of `{operations}`: a list in JSON, joined by commas in a text or a query."""


def as_text(value: Any) -> str:
    """Return a JSON value as text: a string as it is, anything else as JSON."""
    if isinstance(value, Operations):
        return ",".join(value)
    return value if isinstance(value, str) else encode(value)


def parse_tree(value: Any, env: Mapping[str, str], roots: frozenset[str] = ROOTS) -> Any:
    """Return a TOML value with every text in it parsed as a template."""
    if isinstance(value, str):
        return Template.parse(value, env, roots)
    if isinstance(value, Mapping):
        return {key: parse_tree(item, env, roots) for key, item in value.items()}
    if isinstance(value, list):
        return [parse_tree(item, env, roots) for item in value]
    return value


def render_tree(tree: Any, context: Mapping[str, Any]) -> Any:
    """Return a parsed tree with values; a missing lone template takes its key or item away."""
    if isinstance(tree, Template):
        return tree.render(context)
    if isinstance(tree, Mapping):
        rendered = {key: render_tree(item, context) for key, item in tree.items()}
        return {key: item for key, item in rendered.items() if item is not MISSING}
    if isinstance(tree, list):
        items = [render_tree(item, context) for item in tree]
        return [item for item in items if item is not MISSING]
    return tree
