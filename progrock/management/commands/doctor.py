"""`manage.py doctor`: is everything reachable, does a worker poll, is the clock sane?"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from progrock import conf
from progrock.backends import registry
from progrock.backends.errors import DescriptionError
from progrock.polling import pulse

MAX_CLOCK_OFF_SECONDS = 2.0
NOTE = "note: "  # to know, not to mend


class Command(BaseCommand):
    """Looks at each part, and says what is wrong and what to do."""

    help = "Check that every part is reachable and does its work."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        parts: list[tuple[str, Callable[[], Iterator[str]]]] = [
            ("database", _database),
            ("redis", _redis),
            ("worker", _worker),
            ("backends", _backends),
            ("settings", _settings),
        ]
        faults = 0
        for name, look in parts:
            found = list(look())
            faults += sum(not line.startswith(NOTE) for line in found)
            self.stdout.write(f"{name:10} {'ok' if not found else ''}")
            for line in found:
                self.stdout.write(f"  - {line}")
        if faults:
            raise CommandError(f"{faults} thing(s) to mend, see above.")


def _database() -> Iterator[str]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as exc:
        yield f"It does not answer: {exc}. Check DATABASE_URL, and that the server runs."
        return
    if pending:
        yield f"{len(pending)} migration(s) are not applied. Run: manage.py migrate"


def _redis() -> Iterator[str]:
    try:
        with pulse.client() as client:
            seconds, micros = client.time()
    except redis.RedisError as exc:
        yield f"It does not answer: {exc}. Check REDIS_URL, and that the server (make run) runs."
        return
    off = abs(seconds + micros / 1e6 - time.time())
    if off > MAX_CLOCK_OFF_SECONDS:
        yield f"Its clock and this machine's are {off:.1f} s apart. Run an NTP client on both."


def _worker() -> Iterator[str]:
    try:
        age = pulse.age_seconds()
    except redis.RedisError:
        yield "Unknown while Redis does not answer."
        return
    if age is None:
        yield (
            f"None gave a sign of life within {pulse.TTL_SECONDS} s. Start both: "
            "celery -A config worker --pool threads, and celery -A config beat"
        )


def _backends() -> Iterator[str]:
    try:
        known = registry.backends()
    except DescriptionError as exc:
        for problem in exc.problems:
            yield f"{conf.backends_file()}: {problem.key}: {problem.message}"
        return
    if not known.by_name:
        yield f"{conf.backends_file()} describes none. See docs/backends.md."


def _settings() -> Iterator[str]:
    if conf.anonymous_allowed() and not settings.EMBEDDED:
        yield f"{NOTE}PROGROCK_ANONYMOUS is on: all who reach this site may start and cancel jobs."
    data = Path(settings.DATA_DIR)
    if settings.EMBEDDED and data.exists() and data.stat().st_mode & 0o077:
        yield f"{data} can be read by others. Run: chmod 700 {data}"
