"""Make what must be secret, once: `make_secrets.py FOLDER`, the service `init` of compose.

    secret_key           signs sessions and links; for the server's user only
    postgres_password    for the server's group too: postgres reads it there when it is new
    pgpass               the same password, as libpq reads it (PGPASSFILE)

A file that is there stays as it is, so the secrets last as long as the volume that holds them.
"""

import os
import secrets
import sys
from pathlib import Path

DATABASE_USER = "progrock"


def make_secrets(folder: Path) -> None:
    """Write the files that are missing."""
    _kept(folder / "secret_key", 0o600, secrets.token_urlsafe(48))
    password = _kept(folder / "postgres_password", 0o640, secrets.token_urlsafe(32))
    _kept(folder / "pgpass", 0o600, f"*:*:*:{DATABASE_USER}:{password}")


def _kept(file: Path, mode: int, text: str) -> str:
    """Return the text that the file holds; write `text` first where it is missing."""
    if not file.exists():
        beside = file.with_name(f".{file.name}.new")
        beside.unlink(missing_ok=True)
        beside.touch(mode)
        with beside.open("w", encoding="ascii") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        beside.rename(file)  # whole or not at all, also when the machine stops in between
    return file.read_text("ascii").strip()


if __name__ == "__main__":
    make_secrets(Path(sys.argv[1]))
