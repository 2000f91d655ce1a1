"""Everything that one launch has decided before it starts a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from progrock.launcher.address import Address, free_port, names_of
from progrock.launcher.environment import (
    ROOT,
    embedded_defaults,
    given,
    read_running,
    redis_socket,
)
from progrock.launcher.redis_server import RedisServer, find_server

BUNDLED_BACKENDS = ROOT / "examples" / "backends.toml"
RENDERER_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One launch. What is None is not started: somebody else runs it."""

    address: Address
    data: Path
    environ: Mapping[str, str]
    """The whole environment of the children."""
    redis: RedisServer | None
    redis_socket: Path
    renderer_port: int | None
    notes: tuple[str, ...]
    """What the person at the terminal should know, a sentence each."""

    @property
    def uses_own_database(self) -> bool:
        """Whether the database is the SQLite file in the data folder."""
        return not given(self.environ, "DATABASE_URL")

    @property
    def probe_name(self) -> str:
        """A Host that the web server accepts."""
        words = [word.strip() for word in given(self.environ, "ALLOWED_HOSTS").split(",")]
        exact = [word.removeprefix(".") for word in words if word and word != "*"]
        return exact[0] if exact else "localhost"


def make_plan(environ: Mapping[str, str], address: Address, data: Path) -> Plan:
    """Fill in what the environment leaves open. Raises LaunchRefused."""
    brings_redis = not given(environ, "REDIS_URL")
    said = {name: value for name, value in environ.items() if value.strip()}
    full = {**embedded_defaults(environ, data), **said}
    full |= {"PROGROCK_DATA": str(data), "PYTHONUNBUFFERED": "1"}
    if not given(environ, "ALLOWED_HOSTS"):
        full["ALLOWED_HOSTS"] = ",".join(names_of(address))
    notes = _secure(full, address)
    renderer_port = None
    if _brings_renderer(environ):
        renderer_port = _renderer_port(address, data)
        full["RENDERER_URL"] = f"http://{RENDERER_HOST}:{renderer_port}"
    return Plan(
        address=address,
        data=data,
        environ=full,
        redis=find_server(environ) if brings_redis else None,
        redis_socket=redis_socket(environ, data),
        renderer_port=renderer_port,
        notes=tuple(notes),
    )


def _secure(full: dict[str, str], address: Address) -> list[str]:
    """Close the door to strangers where strangers can come; return what to say about it."""
    if address.is_loopback:
        return []
    anonymous = given(full, "PROGROCK_ANONYMOUS").lower()
    if not anonymous:
        full["PROGROCK_ANONYMOUS"] = "off"
        return [
            f"HOST is {address.host}, so others can reach this server and PROGROCK_ANONYMOUS is "
            "off: each visitor needs a user or a token.",
            "Make a user: .venv/bin/python manage.py createsuperuser   "
            "Make a token: .venv/bin/python manage.py tokens create USER",
        ]
    if anonymous in {"1", "on", "true", "yes"}:
        return [
            f"WARNING: HOST is {address.host} and PROGROCK_ANONYMOUS is on: everybody who can "
            "reach this machine may start, see and cancel jobs."
        ]
    return []


def _brings_renderer(environ: Mapping[str, str]) -> bool:
    if given(environ, "RENDERER_URL"):
        return False
    backends = given(environ, "PROGROCK_BACKENDS")
    return not backends or Path(backends).expanduser().absolute() == BUNDLED_BACKENDS


def _renderer_port(address: Address, data: Path) -> int:
    """Return the port of the last launch when it is free: jobs in progress are asked for there."""
    wishes = [address.port + 1]
    try:
        if before := urlsplit(read_running(data).get("RENDERER_URL", "")).port:
            wishes.insert(0, before)
    except ValueError:
        pass
    return free_port(RENDERER_HOST, tuple(port for port in wishes if port != address.port))
