"""The stack of a bench: one Redis and one backend, and for each side its database and processes."""

import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
import psycopg
import redis
import requests
import uuid_utils.compat as uuids

from bench import mqtt
from bench.processes import Child, allow_many_files, free_port, listens, run
from progrock.launcher import redis_server

BACKEND_NAME = "bench"
IN_FLIGHT = 64
LARGEST_FRAME_BYTES = 65536
_TOML = """
default = "{name}"
[backends.{name}]
preset = "progrock"
base_url = "{url}"
[backends.{name}.poll]
min = {seconds}
max = {seconds}
per_second = 100000
in_flight = {in_flight}
timeout = 30
"""


class Side(StrEnum):
    """Whose design."""

    PLAIN = "plain"
    THREADS = "threads"  # the plain one, with the requests of all jobs in threads of one task
    OURS = "ours"
    BARE = "bare"  # a bare ASGI application on the same server
    MOSQUITTO = "mosquitto"

    @property
    def is_ours(self) -> bool:
        """Whether it is ProgRock itself."""
        return self is Side.OURS


BOTH = (Side.PLAIN, Side.OURS)
POLLERS = (Side.PLAIN, Side.THREADS, Side.OURS)
SERVERS = (Side.PLAIN, Side.OURS, Side.BARE, Side.MOSQUITTO)


class Stack:
    """What both sides share, and how to start what they do not. Make it with `stack()`."""

    def __init__(self, folder: Path, database: str, redis_url: str, backend: Child, url: str):
        self.folder = folder
        self.database = database
        self.redis_url = redis_url
        self.backend = backend
        self.backend_url = url
        self.ids = folder / "ids.json"  # of the seeded jobs
        self._secret = secrets.token_urlsafe(48)
        self._seconds = 1.0
        self.mqtt_port = 0
        self._session = requests.Session()

    # --- preparing ---

    def seed(
        self,
        side: Side,
        *,
        jobs: int,
        seconds: float,
        polled: bool = True,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        """Begin again with so many running jobs, polled at this interval or not at all."""
        self._seconds = seconds
        toml = _TOML.format(
            name=BACKEND_NAME, url=self.backend_url, seconds=seconds, in_flight=in_flight
        )
        (self.folder / "backends.toml").write_text(toml)
        with redis.Redis.from_url(self.redis_url) as connection:
            connection.flushall()
        if side not in POLLERS:  # it keeps nothing
            self.ids.write_bytes(orjson.dumps([str(uuids.uuid7()) for _ in range(jobs)]))
            return
        words = ["-m", "bench.seeding", str(jobs), str(seconds if polled else 0), str(self.ids)]
        run("seeding", [sys.executable, *words], self.environ(side), self.folder)
        self.forget()

    def migrate(self, side: Side) -> None:
        """Make a side's tables."""
        words = ["-m", "django", "migrate", "--verbosity", "0"]
        if not side.is_ours:
            words.append("--run-syncdb")
        run("migrate", [sys.executable, *words], self.environ(side), self.folder)

    def environ(self, side: Side) -> dict[str, str]:
        """Return the environment of a side's processes."""
        settings = os.environ.get("BENCH_SETTINGS", "config.settings")
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": (
                "bench.plain.settings" if side in {Side.PLAIN, Side.THREADS} else settings
            ),
            "SECRET_KEY": self._secret,
            "DATABASE_URL": self.database.format(side=side),
            "REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": "",
            "CHANNEL_LAYER_URL": "",
            # ours
            "PROGROCK_EMBEDDED": "on",
            "PROGROCK_DATA": str(self.folder),
            "PROGROCK_BACKENDS": str(self.folder / "backends.toml"),
            "PROGROCK_ANONYMOUS": "on",
            "ALLOWED_HOSTS": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            # plain
            "BACKEND_URL": self.backend_url,
            "POLL_SECONDS": str(self._seconds),
            "IN_THREADS": "on" if side is Side.THREADS else "",
            "BARE_REDIS": self.redis_url,
            "MQTT_PORT": str(self.mqtt_port),
        }

    # --- a side's processes ---

    def worker(self, side: Side) -> Child:
        """Return a side's Celery worker: one process that works, for figures per core."""
        if not side.is_ours:
            application, pool = "bench.plain", ["--pool", "prefork", "--concurrency", "1"]
        else:
            application, pool = "config", ["--pool", "threads", "--concurrency", "16"]
        options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        celery = [sys.executable, "-m", "celery", "-A", application, "--quiet", "worker"]
        return Child(
            f"worker-{side}",
            [*celery, *pool, *options, "--loglevel", "WARNING"],
            self.environ(side),
            self.folder,
        )

    @contextmanager
    def web(self, side: Side, port: int | None = None) -> Iterator[tuple[Child, int]]:
        """Run a side's web server, with the same options for all; give it and its port."""
        port = port or free_port()
        if side is Side.MOSQUITTO:
            self.mqtt_port = free_port()
            file = mqtt.configure(self.folder, self.mqtt_port, port)
            with Child("mosquitto", ["mosquitto", "-c", str(file)], os.environ, self.folder) as web:
                web.wait_for(lambda: listens(port), "mosquitto listens")
                yield web, port
            return
        modules = {Side.OURS: "config.asgi", Side.BARE: "bench.bare_web"}
        application = modules.get(side, "bench.plain.routing")
        options = {
            "host": "127.0.0.1",
            "port": str(port),
            "ws": "websockets-sansio",
            "ws-max-size": str(LARGEST_FRAME_BYTES),
            "ws-per-message-deflate": "false",
            "ws-ping-interval": "600",  # the watchers only count, and answer none
            "timeout-graceful-shutdown": "1",
            "log-level": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "uvicorn", f"{application}:application", *words]
        with Child(
            f"web-{side}", [*command, "--no-access-log"], self.environ(side), self.folder
        ) as web:
            web.wait_for(lambda: listens(port), "the web server listens")
            yield web, port

    def tool(self, side: Side, name: str, module: str, *words: str, **more: object) -> Child:
        """Return one of the bench's own programs in a side's environment."""
        command = [sys.executable, "-m", module, *words]
        return Child(name, command, self.environ(side), self.folder, **more)  # type: ignore[arg-type]

    # --- reading ---

    def looks(self) -> int:
        """Return how many polls the backend has answered since it last forgot."""
        return int(self._ask("looks"))

    def gaps(self) -> list[float]:
        """Return the seconds between each two polls of the same job since it last forgot."""
        found: list[float] = self._ask("gaps")
        return found

    def lateness(self, seconds: float, since: float) -> list[float]:
        """Return the milliseconds from due to done of our looks since a time (Unix seconds)."""
        file = self.folder / "lateness.json"
        words = ["-m", "bench.lateness", str(seconds), str(since), str(file)]
        run("lateness", [sys.executable, *words], self.environ(Side.OURS), self.folder)
        found: list[float] = orjson.loads(file.read_bytes())
        return found

    def written(self, side: Side) -> int:
        """Return how many polls the side's database has seen since the seeding."""
        what = "count(*) FROM progrock_event" if side.is_ours else "sum(polls) FROM plain_job"
        return self._select(side, what)

    def transactions(self) -> int:
        """Return how many transactions wrote our events: those of one batch have one time."""
        return self._select(Side.OURS, "count(DISTINCT at) FROM progrock_event")

    def _select(self, side: Side, what: str) -> int:
        url = self.database.format(side=side)
        with closing(
            sqlite3.connect(url.removeprefix("sqlite:///"))
            if url.startswith("sqlite")
            else psycopg.connect(url)
        ) as connection:
            (count,) = connection.execute(f"SELECT {what}").fetchone() or (0,)
            return int(count)

    def looked_at(self) -> int:
        """Return how many jobs had any poll since the backend last forgot."""
        return int(self._ask("looked_at"))

    def behave(self, *, latency_ms: float = 0.0, still: int = 0) -> None:
        """Have the backend answer so late, and so many per cent of its jobs stand still."""
        self._ask(f"latency/{latency_ms:g}")
        self._ask(f"still/{still}")

    def forget(self) -> None:
        """Have the backend count from zero."""
        self._ask("reset")

    def _ask(self, what: str) -> Any:
        return orjson.loads(self._session.get(f"{self.backend_url}/{what}", timeout=10).content)


def databases() -> dict[str, str | None]:
    """Return where to measure, by name: on SQLite, and on the PostgreSQL of DATABASE_URL."""
    found: dict[str, str | None] = {"SQLite": None}
    if url := os.environ.get("DATABASE_URL", ""):
        found["PostgreSQL"] = url
    return found


@contextmanager
def stack(database_url: str | None = None) -> Iterator[Stack]:
    """Run Redis and the backend on private data, with a fresh database for each side.

    `database_url` is a PostgreSQL server's; without it, SQLite.
    """
    allow_many_files()
    folder = Path(tempfile.mkdtemp(prefix="progrock-bench-"))
    with ExitStack() as exits:
        exits.callback(shutil.rmtree, folder, ignore_errors=True)
        socket = folder / "redis.sock"
        exits.enter_context(_redis(socket, folder))
        port = free_port()
        command = [sys.executable, "-m", "bench.backend", str(port)]
        backend = exits.enter_context(Child("backend", command, os.environ, folder))
        backend.wait_for(lambda: listens(port), "the backend listens")
        made = Stack(
            folder,
            exits.enter_context(_databases(database_url, folder)),
            f"unix://{socket}",
            backend,
            f"http://127.0.0.1:{port}",
        )
        (folder / "backends.toml").write_text("")
        for side in POLLERS:
            made.migrate(side)
        yield made


@contextmanager
def _redis(socket: Path, folder: Path) -> Iterator[Child]:
    server = redis_server.find_server(os.environ)
    command = [
        server.program, "--port", "0", "--unixsocket", str(socket), "--dir", str(folder),
        "--save", "", "--appendonly", "no", "--daemonize", "no",
    ]  # fmt: skip
    with Child("redis", command, {**os.environ, "LC_ALL": "C"}, folder) as child:
        child.wait_for(socket.exists, "Redis listens")
        yield child


@contextmanager
def _databases(url: str | None, folder: Path) -> Iterator[str]:
    """Give the database URL as a template of `side`."""
    if url is None:
        yield f"sqlite:///{folder}/{{side}}.sqlite3"
        return
    parts = urlsplit(url)
    names = [f"progrock_bench_{side}" for side in POLLERS]
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(parts._replace(path="/progrock_bench_{side}"))
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
