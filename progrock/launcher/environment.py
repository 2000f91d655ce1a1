"""The environment of the embedded default: where its files lie, its secret, its addresses.

manage.py imports this at every call, so it stays light: standard library only, no Django.
"""

import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from progrock.launcher.errors import LaunchRefused

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET_FILE = "secret_key"  # noqa: S105 - a file's name
RUNNING_FILE = "running.json"
SHORTEST_SECRET = 32
# sockaddr_un holds 108 bytes with the closing zero on Linux, 104 on the BSDs (man 7 unix).
LONGEST_SOCKET_PATH = 100
_PRODUCTION_MARKS = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")
_REMEMBERED = (
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "CHANNEL_LAYER_URL",
    "RENDERER_URL",
)


def adopt_embedded_environment() -> None:
    """Let a manage.py command talk to the Redis and database of `make run`.

    Sets the embedded defaults in os.environ, unless one of SECRET_KEY, DATABASE_URL and REDIS_URL
    is set: that is production, where everything is said by whoever runs it. Ends the process with
    a sentence when the data folder cannot be used.
    """
    if any(given(os.environ, name) for name in _PRODUCTION_MARKS):
        return
    try:
        data = data_folder(os.environ)
        defaults = embedded_defaults(os.environ, data) | read_running(data)
    except LaunchRefused as refusal:
        sys.exit(str(refusal))
    for name, value in defaults.items():
        if not given(os.environ, name):
            os.environ[name] = value


def given(environ: Mapping[str, str], name: str) -> str:
    """Return a variable without surrounding blanks; an empty one counts as unset."""
    return environ.get(name, "").strip()


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return PROGROCK_DATA as an absolute path; `./var` when it is unset."""
    text = given(environ, "PROGROCK_DATA")
    return Path(text).expanduser().absolute() if text else ROOT / "var"


def embedded_defaults(environ: Mapping[str, str], data: Path) -> dict[str, str]:
    """Return the variables that make the settings the embedded ones.

    Makes the data folder and the secret in it when they do not exist yet. Raises LaunchRefused
    when that is not possible.
    """
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PROGROCK_DATA": str(data),
        "PROGROCK_EMBEDDED": "on",
        "REDIS_URL": "unix://" + quote(str(redis_socket(environ, data))),
    }
    if not given(environ, "SECRET_KEY"):
        defaults["SECRET_KEY"] = secret_key(data)
    return defaults


def redis_socket(environ: Mapping[str, str], data: Path) -> Path:
    """Return where the bundled Redis listens: in the data folder, unless its path is too long.

    Then in a private folder of its own, the same one for the same data folder each time.
    """
    wanted = data / "redis.sock"
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_PATH:
        return wanted
    name = f"progrock-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    for base in (given(environ, "XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        short = Path(base, name, "redis.sock")
        if base and short.is_absolute() and len(os.fsencode(short)) <= LONGEST_SOCKET_PATH:
            return short
    return Path("/tmp", name, "redis.sock")  # noqa: S108 - the folder is checked to be ours


def secret_key(data: Path) -> str:
    """Return the secret kept in the data folder, made on first use, readable by its owner only."""
    file = data / SECRET_FILE
    try:
        is_there = file.exists()
        text = file.read_text("utf-8").strip() if is_there else ""
        if len(text) >= SHORTEST_SECRET:
            return text
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One that is there and too short was cut off by a crash.
        _write_private(file, secrets.token_urlsafe(48) + "\n", replace=is_there)
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise LaunchRefused(
            f"The secret in {file} cannot be read or made: {reason(error)}\n"
            "Make the folder readable and writable for you, or choose another one: "
            "PROGROCK_DATA=FOLDER."
        ) from error


def write_running(data: Path, environ: Mapping[str, str]) -> None:
    """Note the addresses of this launch for manage.py and for the next launch."""
    addresses = {name: environ[name] for name in _REMEMBERED if given(environ, name)}
    _write_private(data / RUNNING_FILE, json.dumps(addresses) + "\n", replace=True)


def read_running(data: Path) -> dict[str, str]:
    """Return the addresses that the last launch noted; a missing or damaged note is empty."""
    try:
        found = json.loads((data / RUNNING_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in _REMEMBERED if isinstance(found.get(name), str)}


def reason(error: Exception) -> str:
    """Return what an error says, without its number and the path that the sentence names."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return f"{strerror or error}."


def _write_private(file: Path, text: str, *, replace: bool) -> None:
    """Write a whole file (0600) or none of it. Without `replace`, an existing one stays."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            Path(temporary).replace(file)
            return
        try:
            # Of two processes that make the first secret at once, one wins and both use its own.
            os.link(temporary, file)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            Path(temporary).replace(file)
    finally:
        Path(temporary).unlink(missing_ok=True)
