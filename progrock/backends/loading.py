"""From the TOML file to backends: presets laid under, all of it checked, every fault told.

`load` reads files and nothing else; the environment comes in as a mapping.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from progrock.backends import description
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
    described, invalid = _validated(raw, problems)
    by_name = {
        name: compile_backend(name, table, env, problems)
        for name, table in described.backends.items()
    }
    names = [*by_name, *invalid]
    if described.default is not None and described.default not in names:
        problems.append(
            Problem("default", "names no backend of this file" + near(described.default, names))
        )
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
    return _merged(_read_toml(PRESETS / f"{preset}.toml"), table)


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


def _validated(raw: dict[str, Any], problems: list[Problem]) -> tuple[BackendsFile, list[str]]:
    """Return what is valid of a file, and the names of the backends that are not."""
    try:
        return BackendsFile.model_validate(raw), []
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    invalid: list[str] = []
    for error in errors:
        loc = [str(part) for part in error["loc"] if part not in _UNION_TAGS]
        problems.append(Problem(".".join(loc) or "(file)", _sentence(error, loc)))
        if len(loc) > 1 and loc[0] == "backends":
            invalid.append(loc[1])
    tables = raw.get("backends")
    rest = {k: v for k, v in tables.items() if k not in invalid} if isinstance(tables, dict) else {}
    default = raw.get("default")
    kept = {"backends": rest, "default": default if isinstance(default, str) else None}
    try:
        return BackendsFile.model_validate(kept), invalid
    except ValidationError:
        return BackendsFile(), invalid


# pydantic names the branch of a union in the place of an error
_UNION_TAGS = frozenset({"StatusTable", "literal['code']", "json_"})
_TABLES: dict[str, type[BaseModel]] = {
    "start": description.StartTable,
    "status": description.StatusTable,
    "batch": description.BatchTable,
    "poll": description.PollTable,
    "auth": description.AuthTable,
    "challenge": description.ChallengeTable,
    **dict.fromkeys(["lookup", "also", "outcome", "cancel", "log"], description.RequestTable),
}


def _sentence(error: Any, loc: list[str]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key" + near(loc[-1], _known_keys(loc[:-1]))
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")


def _known_keys(table: list[str]) -> list[str]:
    model: type[BaseModel] = BackendsFile
    if len(table) == 2:
        model = description.BackendTable
    elif len(table) > 2:
        model = _TABLES.get(table[2], description.RequestTable)
    return [field.alias or name for name, field in model.model_fields.items()]
