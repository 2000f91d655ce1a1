"""From the TOML file to backends: presets laid under, all of it checked, every fault told.

`load` reads files and nothing else; the environment comes in as a mapping.
"""

import copy
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from progrock.backends import description, push
from progrock.backends.backend import Backend
from progrock.backends.compiling import compile_backend
from progrock.backends.description import BackendsFile
from progrock.backends.errors import DescriptionError, Problem
from progrock.backends.wording import near

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, slots=True)
class Backends:
    """All that a file describes, by name; `default` names the one of a start without."""

    default: str | None
    by_name: Mapping[str, Backend]


def load(file: Path, env: Mapping[str, str]) -> Backends:
    """Return the backends of a file. Raises DescriptionError with every problem found."""
    raw = _read_toml(file)
    problems: list[Problem] = []
    tables = raw.get("backends")
    if isinstance(tables, dict):
        laid = {name: _with_preset(name, table, problems) for name, table in tables.items()}
        raw = raw | {"backends": laid}
    described = _validated(raw, problems)
    by_name = {
        name: compile_backend(name, table, env, problems)
        for name, table in described.backends.items()
    }
    if push.NAME in described.backends:
        problems.append(Problem(f"backends.{push.NAME}", "this name is taken: for reported jobs"))
    if described.default is not None and described.default not in by_name:
        hint = near(described.default, by_name)
        problems.append(Problem("default", f"names no backend of this file{hint}"))
    if problems:
        raise DescriptionError(str(file), problems)
    return Backends(described.default, {k: v for k, v in by_name.items() if v is not None})


def preset_names() -> list[str]:
    """Return the names that `preset` may have."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        problem = Problem("(file)", f"cannot be read: {exc.strerror}; check PROGROCK_BACKENDS")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        problem = Problem("(file)", f"is not TOML: {exc}")
    raise DescriptionError(str(file), [problem])


# --- presets ----------------------------------------------------------------------------------

_REPLACED_WHOLE = frozenset({"params", "json", "form"})
_BODIES = frozenset({"json", "form", "body"})
_ADDRESSES = frozenset({"path", "url"})


def _with_preset(name: str, table: Any, problems: list[Problem]) -> Any:
    preset = table.get("preset") if isinstance(table, dict) else None
    if not isinstance(preset, str):
        return table
    if preset not in preset_names():
        key = f"backends.{name}.preset"
        problems.append(Problem(key, "there is no such preset" + near(preset, preset_names())))
        return table
    under = _read_toml(PRESETS / f"{preset}.toml")
    fields, under_fields = table.get("map"), under.get("map", {})
    in_status = isinstance(fields, dict) and "log" in fields and "log" not in under_fields
    if "log" in table or in_status:  # another log, of which the preset's status tells nothing
        under_fields.pop("log_size", None)
    if in_status and "log" not in table:
        under.pop("log", None)
    return _merged(under, table)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one table over another, deeply; what describes data is replaced whole."""
    merged = dict(under)
    for exclusive in (_BODIES, _ADDRESSES):  # one of a kind takes the place of the others
        if exclusive & over.keys():
            merged = {key: value for key, value in merged.items() if key not in exclusive}
    for key, value in over.items():
        is_deep = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = (
            _merged(under[key], value) if is_deep and key not in _REPLACED_WHOLE else value
        )
    return merged


# --- the form ---------------------------------------------------------------------------------

ROUNDS = 5  # of taking away what is wrong: each may uncover more below it
_STANDINS: dict[str, Any] = {
    "base_url": "http://unset.invalid",
    "start": {"path": "/"},
    "status": {"path": "/"},
    "path": "/",
    "each": ".",
}


def _validated(raw: dict[str, Any], problems: list[Problem]) -> BackendsFile:
    """Return the file as far as it is valid, so that what it means can be checked as well.

    What is wrong is told, taken away (or, where something is missing, stood in for), and the rest
    is looked at again. The caller uses nothing of it when there are problems.
    """
    rest = copy.deepcopy(raw)
    for _ in range(ROUNDS):
        try:
            return BackendsFile.model_validate(rest)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
        for error in errors:
            loc = [part for part in error["loc"] if not _is_union_tag(part)]
            names = [str(part) for part in loc]
            problem = Problem(".".join(names) or "(file)", _sentence(error, names))
            if problem not in problems:
                problems.append(problem)
            _repair(rest, loc, is_missing=error["type"] == "missing")
    return BackendsFile()


def _repair(rest: dict[str, Any], loc: list[Any], *, is_missing: bool) -> None:
    table: Any = rest
    for part in loc[:-1]:
        inner = table.get(part) if isinstance(table, dict) else None
        if inner is None:
            return
        table = inner
    if not loc or not isinstance(table, dict):
        return
    name = loc[-1]
    if is_missing or name in _STANDINS:
        table[name] = copy.deepcopy(_STANDINS.get(name, ""))
    elif len(loc) == 2 and isinstance(table.get(name), dict):  # a whole backend: no way to ask
        table[name]["status"] = copy.deepcopy(_STANDINS["status"])
    else:
        table.pop(name, None)


def _is_union_tag(part: Any) -> bool:
    """Whether pydantic put the branch of a union, not a key, into the place of an error."""
    return part in {"StatusTable", "literal['code']"} or str(part).startswith("function-after[")


_TABLES: dict[str, type[BaseModel]] = {
    "start": description.StartTable,
    "status": description.StatusTable,
    "batch": description.BatchTable,
    "poll": description.PollTable,
    "auth": description.AuthTable,
    "challenge": description.ChallengeTable,
    **dict.fromkeys(["lookup", "also", "outcome", "cancel", "log"], description.RequestTable),
}


_FORMS = {
    "start": ', as { path = "/jobs" }',
    "status": ', as { path = "/jobs/{operation}" }, or "code"',
    "map": ', as { state = ".body.state" }',
    "states": ', as { done = "succeeded" }',
}
_MEANT = {  # by keys that people try
    "url": "base_url",
    "host": "base_url",
    "token": "auth.bearer",
    "password": "auth.basic",
    "interval": "poll.min",
}


def _sentence(error: Any, loc: list[str]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key" + _hint(loc)
    if error["type"] == "missing":
        return "is missing"
    if error["type"] in {"model_type", "dict_type", "model_attributes_type", "literal_error"}:
        if len(loc) == 3 and loc[2] in _FORMS:
            return f"should be a table{_FORMS[loc[2]]}"
        if error["type"] != "literal_error":
            return "should be a table"
    if error["type"] == "string_type" and len(loc) > 3 and _is_misplaced(loc):
        return f"there is no such key{_hint(loc)}"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _hint(loc: list[str]) -> str:
    *table, name = loc
    if not table:
        hint = near(name, _known_keys([]))
        return hint if "did you mean" in hint else f"{hint}; a backend is [backends.{name}]"
    if _is_misplaced(loc):
        backend, here = ".".join(table[:2]), ".".join(table)
        return f"; it is a key of {backend}: write it above [{here}]"
    meant = _MEANT.get(name)
    if len(table) == 2:
        nested = (f"{key}.{name}" for key in _TABLES if name in _known_keys([*table, key]))
        meant = meant or next(nested, None)
    elif meant and meant.startswith(f"{table[2]}."):
        meant = meant.partition(".")[2]
    else:
        meant = None
    return f'; did you mean "{meant}"?' if meant else near(name, _known_keys(table))


def _is_misplaced(loc: list[str]) -> bool:
    """Whether a key of a backend stands below the head of one of its tables."""
    return len(loc) == 4 and loc[3] in description.BackendTable.model_fields


def _known_keys(table: list[str]) -> list[str]:
    model: type[BaseModel] = BackendsFile
    if len(table) == 2:
        model = description.BackendTable
    elif len(table) > 2:
        model = _TABLES.get(table[2], description.RequestTable)
    return [field.alias or name for name, field in model.model_fields.items()]
