"""A changed description is taken up by every process that is told of it, and by no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from progrock.backends import registry

TEXT = """
[backends.x]
title = "{title}"
base_url = "http://127.0.0.1:9"
start.path = "/jobs"
status.path = "/jobs/{{operation}}"
"""


@pytest.fixture
def file(
    transactional_db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The file of a process that has just started, and looks for notices at each use."""
    settings.PROGROCK_BACKENDS = tmp_path / "backends.toml"
    write(settings.PROGROCK_BACKENDS, "first")
    monkeypatch.setattr(registry, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(registry, "_notice", None)
    registry.replace_all(None)
    yield settings.PROGROCK_BACKENDS
    registry.replace_all(None)


def write(file: Path, title: str) -> None:
    file.write_text(TEXT.format(title=title))


def title() -> str:
    return registry.backends().by_name["x"].title


@pytest.mark.parametrize("uses", [1, 2, 3])
def test_a_changed_file_is_taken_up_when_it_is_announced(file: Path, uses: int) -> None:
    """Also by a process that has never looked for a notice before."""
    assert [title() for _ in range(uses)] == ["first"] * uses
    write(file, "the second")
    call_command("backends", "reload")
    assert title() == "the second"
    write(file, "another")
    assert title() == "the second"
    call_command("backends", "reload")
    assert title() == "another"


def test_a_changed_file_is_not_taken_up_before_it_is_announced(file: Path) -> None:
    registry.announce()
    assert [title(), title()] == ["first", "first"]
    write(file, "half writ")
    assert title() == "first"


def test_a_bad_file_is_refused_by_the_command_and_announced_to_nobody(file: Path) -> None:
    assert [title(), title()] == ["first", "first"]
    file.write_text(TEXT.format(title="second") + "titel = 7\n")
    with pytest.raises(CommandError, match="did you mean"):
        call_command("backends", "reload")
    assert title() == "first"


def test_a_file_that_went_bad_after_it_was_announced_leaves_the_old_one_in_force(
    file: Path,
) -> None:
    assert [title(), title()] == ["first", "first"]
    registry.announce()
    file.write_text("[backends")
    assert [title(), title()] == ["first", "first"]
    write(file, "mended")
    registry.announce()
    assert title() == "mended"
