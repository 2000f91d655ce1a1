"""Whether the database has the tables of this version; found out without starting Django.

`migrate` takes a second even when there is nothing to do. So after it ran, a stamp is left in the
data folder: of the migration files, of Django, and of the migrations that the database says it
has. While the stamp fits, a start skips it. A database that was replaced, rolled back or removed
does not fit.
"""

import contextlib
import hashlib
import importlib.metadata
import sqlite3
from pathlib import Path

from progrock.launcher.environment import ROOT

DATABASE_FILE = "progrock.sqlite3"  # as in config/settings.py
STAMP_FILE = "migrated"


def is_current(data: Path) -> bool:
    """Tell whether the embedded database was migrated by just these files."""
    try:
        stamp = (data / STAMP_FILE).read_text("ascii")
    except (OSError, UnicodeError):
        return False
    return stamp == _fingerprint(data)


def note_current(data: Path) -> None:
    """Leave the stamp. A stamp that cannot be written costs a second at the next start."""
    with contextlib.suppress(OSError):
        (data / STAMP_FILE).write_text(_fingerprint(data) or "", "ascii")


def _fingerprint(data: Path) -> str | None:
    applied = _applied_migrations(data / DATABASE_FILE)
    if applied is None:
        return None
    digest = hashlib.sha256(importlib.metadata.version("django").encode())
    # The settings say which applications have tables here.
    for file in [ROOT / "config/settings.py", *sorted((ROOT / "progrock/migrations").glob("*.py"))]:
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    for app, name in applied:
        digest.update(f"\0{app}.{name}".encode())
    return digest.hexdigest()


def _applied_migrations(database: Path) -> list[tuple[str, str]] | None:
    if not database.is_file():
        return None
    query = "SELECT app, name FROM django_migrations ORDER BY app, name"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=5)
        ) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.Error:
        return None
