"""When the tables need no look: a stamp that fits the files and the database."""

import sqlite3
from pathlib import Path

import pytest

from progrock.launcher import migration
from progrock.launcher.migration import is_current, note_current


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose database was just migrated."""
    with sqlite3.connect(tmp_path / "progrock.sqlite3") as connection:
        connection.execute("CREATE TABLE django_migrations (app TEXT, name TEXT)")
        connection.execute("INSERT INTO django_migrations VALUES ('progrock', '0001_initial')")
    connection.close()
    note_current(tmp_path)
    return tmp_path


def test_a_migrated_database_is_current(data: Path) -> None:
    assert is_current(data)


def test_an_empty_folder_is_not(tmp_path: Path) -> None:
    assert not is_current(tmp_path)


def test_a_database_that_is_gone_is_not(data: Path) -> None:
    (data / "progrock.sqlite3").unlink()
    assert not is_current(data)
    assert not (data / "progrock.sqlite3").exists()


def test_a_database_that_was_rolled_back_is_not(data: Path) -> None:
    with sqlite3.connect(data / "progrock.sqlite3") as connection:
        connection.execute("DELETE FROM django_migrations")
    connection.close()
    assert not is_current(data)


def test_a_damaged_database_is_not(data: Path) -> None:
    (data / "progrock.sqlite3").write_bytes(b"no database" * 100)
    assert not is_current(data)


def test_a_new_migration_file_makes_it_out_of_date(
    data: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "config").mkdir()
    (root / "config" / "settings.py").write_text("")
    (root / "progrock" / "migrations").mkdir(parents=True)
    monkeypatch.setattr(migration, "ROOT", root)
    note_current(data)
    assert is_current(data)
    (root / "progrock" / "migrations" / "0002_more.py").write_text("")
    assert not is_current(data)


def test_a_stamp_of_nothing_fits_nothing(tmp_path: Path) -> None:
    note_current(tmp_path)
    assert not is_current(tmp_path)
