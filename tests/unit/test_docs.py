"""The pages name all that there is: keys, fields, presets, codes, settings and commands."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from pydantic import BaseModel

from progrock.backends import description, expressions, templates
from progrock.backends.loading import load, preset_names
from progrock.jobs.states import JobErrorCode, State

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
BACKENDS = (DOCS / "backends.md").read_text(encoding="utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
TABLES: list[type[BaseModel]] = [
    table
    for table in vars(description).values()
    if isinstance(table, type) and issubclass(table, BaseModel) and table.model_fields
]
ENVIRONMENT = {"ENCODER_KEY": "only-for-tests"}


def section(title: str) -> str:
    """The text of one section of docs/backends.md, up to the next heading of any level."""
    return re.split(r"^#+ ", BACKENDS.partition(f"# {title}\n")[2], maxsplit=1, flags=re.M)[0]


def first_cells(text: str) -> str:
    """The first cells of all table rows of a text."""
    return "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (table.__name__, field.alias or name)
        for table in TABLES
        for name, field in table.model_fields.items()
    ],
)
def test_each_key_of_a_description_is_documented(table: str, key: str) -> None:
    told = BACKENDS if table in {"AuthTable", "ChallengeTable"} else first_cells(BACKENDS)
    assert f"`{key}`" in told


@pytest.mark.parametrize("name", description.PollTable.model_fields)
def test_each_time_of_poll_stands_with_its_default(name: str) -> None:
    default = description.PollTable.model_fields[name].default
    row = next(
        line
        for line in section("The times of `poll`").splitlines()
        if line.startswith(f"| `{name}` |")
    )
    assert row.split("|")[3].strip() == f"{default:g}"


@pytest.mark.parametrize("field", sorted(expressions.FIELDS))
def test_each_field_of_map_is_documented(field: str) -> None:
    assert f"`{field}`" in first_cells(section("The fields of `map`"))


@pytest.mark.parametrize("root", sorted(templates.ROOTS))
def test_each_template_is_documented(root: str) -> None:
    assert re.search(rf"`\{{{root}[.}}]", first_cells(section("Templates")))


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_documented(state: State) -> None:
    assert f"`{state}`" in section("The words of `states`")


@pytest.mark.parametrize("code", list(JobErrorCode))
def test_each_error_of_a_job_is_documented(code: JobErrorCode) -> None:
    assert f"`{code}`" in first_cells(section("Of a job"))


def test_the_presets_are_those_that_there_are() -> None:
    named = re.findall(r"`([^`]+)`", first_cells(section("Presets")))
    assert sorted(named) == preset_names()


def _blocks(language: str) -> list[Any]:
    texts = re.findall(rf"^```{language}\n(.*?)^```", BACKENDS, flags=re.M | re.S)
    return [pytest.param(text, id=text.partition("\n")[0]) for text in texts]


@pytest.mark.parametrize("text", _blocks("toml"))
def test_each_description_on_the_page_is_right(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.toml"
    file.write_text(text, encoding="utf-8")
    assert load(file, ENVIRONMENT).by_name


def _settings() -> list[str]:
    source = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"""\benv\.\w+\(\s*"([A-Z_]+)\"""", source)))


@pytest.mark.parametrize("variable", _settings())
def test_each_setting_has_its_row(variable: str) -> None:
    assert f"`{variable}`" in first_cells(CONFIGURATION)


def _commands() -> list[str]:
    """Each command of ours, one that has actions with each of them."""
    found = []
    for file in (ROOT / "progrock" / "management" / "commands").glob("[a-z]*.py"):
        parser = load_command_class("progrock", file.stem).create_parser("manage.py", file.stem)
        actions = [
            word
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
            for word in action.choices
        ]
        found += [f"{file.stem} {word}" for word in actions] or [file.stem]
    return sorted(found)


@pytest.mark.parametrize("command", _commands())
def test_each_command_has_its_row(command: str) -> None:
    assert f"`manage.py {command}" in first_cells(CONFIGURATION + BACKENDS)


@pytest.mark.parametrize(
    "option", ["--params", "--file", "--record", "--timeout", "--backend", "NO_COLOR"]
)
def test_each_option_of_a_trial_is_documented(option: str) -> None:
    assert option in section("Trying")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_each_link_within_the_project_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        file = (page.parent / target) if target else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file.read_text(encoding="utf-8")), f"{target}#{anchor}"


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
