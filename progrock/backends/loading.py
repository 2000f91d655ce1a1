"""From the TOML file to backends: presets laid under, all of it checked, every fault told.

`load` reads files and nothing else; the environment comes in as a mapping.
"""

import base64
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError

from progrock.backends import expressions, templates
from progrock.backends.backend import Backend, Origin, RequestTemplate
from progrock.backends.description import BackendsFile, BackendTable, RequestTable
from progrock.backends.errors import DescriptionError, Problem
from progrock.backends.templates import Template
from progrock.jobs.policy import PollPolicy
from progrock.jobs.states import State
from progrock.protocol.codec import problems as validation_problems

PRESETS = Path(__file__).parent / "presets"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backends:
    """All that a file describes, by name; `default` names the one of a start without."""

    default: str | None
    by_name: Mapping[str, Backend]


def load(file: Path, env: Mapping[str, str]) -> Backends:
    """Return the backends of a file. Raises DescriptionError with every problem found."""
    raw = _read_toml(file)
    tables = raw.get("backends")
    if isinstance(tables, dict):
        raw = raw | {"backends": {name: _with_preset(table) for name, table in tables.items()}}
    try:
        described = BackendsFile.model_validate(raw)
    except ValidationError as exc:
        found = [
            Problem(item["field"] or "(file)", item["message"]) for item in validation_problems(exc)
        ]
        raise DescriptionError(str(file), found) from exc
    problems: list[Problem] = []
    by_name = {
        name: _Compiler(name, table, env, problems).backend()
        for name, table in described.backends.items()
    }
    if described.default is not None and described.default not in by_name:
        known = ", ".join(by_name) or "none"
        problems.append(Problem("default", f"names no backend of this file; known: {known}"))
    if problems:
        raise DescriptionError(str(file), problems)
    return Backends(described.default, {k: v for k, v in by_name.items() if v is not None})


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        problem = Problem("(file)", f"cannot be read: {exc.strerror}; check PROGROCK_BACKENDS")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        problem = Problem("(file)", f"is not TOML: {exc}")
    raise DescriptionError(str(file), [problem])


def _with_preset(table: Any) -> Any:
    if not isinstance(table, dict) or not isinstance(table.get("preset"), str):
        return table
    preset = PRESETS / f"{table['preset']}.toml"
    if preset.stem not in preset_names():
        return table  # the compiler tells, with all other problems
    return _merged(_read_toml(preset), table)


def preset_names() -> list[str]:
    """Return the names that `preset` may have."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


_REPLACED_WHOLE = ("params", "json", "form")


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one table over another, deeply; what describes data is replaced whole."""
    merged = dict(under)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = value if key in _REPLACED_WHOLE else _merged(merged[key], value)
        else:
            merged[key] = value
    if {"json", "form", "body"} & over.keys():
        for key in {"json", "form", "body"} - over.keys():
            merged.pop(key, None)
    return merged


class _Compiler:
    """Turns one table into a Backend, and collects problems instead of stopping at the first."""

    def __init__(
        self, name: str, table: BackendTable, env: Mapping[str, str], problems: list[Problem]
    ) -> None:
        self.name = name
        self.table = table
        self.env = env
        self.problems = problems

    def backend(self) -> Backend | None:
        before = len(self.problems)
        table = self.table
        if table.preset is not None and table.preset not in preset_names():
            self._tell("preset", f"there is none; known: {', '.join(preset_names())}")
        base_url = self._text("base_url", table.base_url)
        origins = {self._try("base_url", lambda: Origin.of(base_url))}
        for index, text in enumerate(table.origins):
            key = f"origins.{index}"
            url = self._text(key, text)
            origins.add(self._try(key, lambda url=url: Origin.of(url)))  # type: ignore[misc]
        headers = {
            key: self._text(f"headers.{key}", value) for key, value in table.headers.items()
        } | self._authorization()
        start = self._request("start", table.start, "POST")
        status = self._request("status", table.status, "GET")
        cancel = self._request("cancel", table.cancel, "GET") if table.cancel else None
        fields = self._map()
        states = self._states()
        self._check_schema()
        if len(self.problems) > before:
            return None
        return Backend(
            name=self.name,
            title=table.title or self.name,
            description=table.description,
            base_url=base_url.rstrip("/"),
            origins=frozenset(origin for origin in origins if origin),
            headers=headers,
            params_schema=table.params,
            start=start,
            is_idempotent=table.start.idempotent
            or any(key.lower() == "idempotency-key" for key in table.start.headers),
            status=status,
            cancel=cancel,
            start_fields=_fields(fields, expressions.FIELDS),
            poll_fields=_fields(fields, expressions.POLL_FIELDS),
            states=states,
            policy=PollPolicy(**table.poll.model_dump()),
            not_found_grace=table.not_found_grace,
        )

    def _tell(self, key: str, message: str) -> None:
        self.problems.append(Problem(f"backends.{self.name}.{key}", message))

    def _try(self, key: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ValueError as exc:
            self._tell(key, str(exc))
            return None

    def _text(self, key: str, text: str) -> str:
        return self._try(key, lambda: templates.expand(text, self.env)) or ""

    def _authorization(self) -> dict[str, str]:
        auth = self.table.auth
        if auth is None:
            return {}
        if auth.bearer is not None:
            return {"Authorization": "Bearer " + self._text("auth.bearer", auth.bearer)}
        pair = self._text("auth.basic", auth.basic or "")
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def _request(self, key: str, table: RequestTable, default_method: str) -> RequestTemplate:
        def parsed(part: str, value: Any) -> Any:
            return self._try(f"{key}.{part}", lambda: templates.parse_tree(value, self.env))

        if table.path is not None and not table.path.startswith("/"):
            self._tell(f"{key}.path", 'begins with "/"; for a whole address use url')
        request = RequestTemplate(
            method=table.method or default_method,
            path=parsed("path", table.path),
            url=parsed("url", table.url),
            query=parsed("query", table.query) or {},
            headers=parsed("headers", table.headers) or {},
            json=parsed("json", table.json_),
            form=parsed("form", table.form),
            body=parsed("body", table.body),
        )
        self._check_origin(f"{key}.url", request.url)
        return request

    def _check_origin(self, key: str, url: Template | None) -> None:
        """Refuse a fixed foreign address now; one with templates is checked when it is built."""
        if url is None or any(not isinstance(part, str) for part in url.parts[:1]):
            return
        text = str(url.parts[0])
        if "://" not in text:
            return
        allowed = [self._text("base_url", self.table.base_url), *self.table.origins]
        origin = self._try(key, lambda: Origin.of(text))
        if origin and all(origin != self._quiet_origin(item) for item in allowed):
            self._tell(key, f"{origin} is neither base_url's origin nor in origins; name it there")

    def _quiet_origin(self, text: str) -> Origin | None:
        try:
            return Origin.of(templates.expand(text, self.env))
        except ValueError:
            return None

    def _map(self) -> dict[str, str]:
        valid = {}
        for field, text in self.table.map.items():
            key = f"map.{field}"
            if field not in expressions.FIELDS:
                known = ", ".join(sorted(expressions.FIELDS))
                self._tell(key, f"there is no such field; known: {known}")
                continue
            try:
                expression = templates.expand(text, self.env)
                expressions.check(expression)
            except ValueError as exc:
                self._tell(key, f"is not a jq expression: {exc}")
            else:
                valid[field] = expression
        return valid

    def _states(self) -> dict[str, State]:
        states = {}
        for word, ours in self.table.states.items():
            state = self._try(f"states.{word}", lambda ours=ours: State(ours))  # type: ignore[misc]
            if state:
                states[word] = state
        return states

    def _check_schema(self) -> None:
        try:
            Draft202012Validator.check_schema(self.table.params)
        except SchemaError as exc:
            self._tell("params", f"is not a JSON Schema: {exc.message}")


def _fields(fields: Mapping[str, str], wanted: frozenset[str]) -> expressions.Fields:
    return expressions.Fields({k: v for k, v in fields.items() if k in wanted})
