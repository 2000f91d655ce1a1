"""The backends of this process, loaded from the configured file on first use.

A changed file is taken up without a restart: on SIGHUP (`reload`), or when `manage.py backends
reload` has counted up the number in the database that every process looks at now and then. A bad
file is refused, and what was in force stays so.
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import Error as DatabaseError

from progrock import conf
from progrock.backends import push
from progrock.backends.backend import Backend, Offer
from progrock.backends.errors import DescriptionError
from progrock.backends.loading import Backends, load
from progrock.errors import RequestError
from progrock.jobs.policy import PollPolicy
from progrock.models import Notice
from progrock.protocol.codes import ErrorCode

logger = structlog.get_logger(__name__)
NOTICE = "backends"
LOOK_SECONDS = 2.0

_lock = threading.Lock()
_loaded: Backends | None = None
_stamp: tuple[int, int] | None = None  # of the file when it was read
_notice: int | None = None  # None: not looked at yet
_looked_at = 0.0


def backends() -> Backends:
    """Return all backends. Raises DescriptionError when the file was never valid."""
    with _lock:
        if _loaded is None:
            return _load()
        if _is_announced():
            _reload()
        return _loaded


def require() -> None:
    """Load the backends before anything is served; with a bad file the process ends."""
    try:
        backends()
    except DescriptionError as exc:
        raise SystemExit(f"ProgRock does not start: {exc}") from exc


def reload() -> bool:
    """Take up the changed file; False, and nothing changed, when it is not valid."""
    with _lock:
        return _reload()


def announce() -> None:
    """Have every process of the deployment take up its file within a few seconds."""
    Notice.count_up(NOTICE)


def replace_all(loaded: Backends | None) -> None:
    """Put other backends in place; None loads the configured file again at the next use."""
    global _loaded  # noqa: PLW0603
    with _lock:
        _loaded = loaded


def find(name: str) -> Backend | None:
    """Return a backend, or None where no such name is configured (any longer)."""
    return backends().by_name.get(name)


def choose(name: str | None) -> Offer:
    """Return what a client names, or the default. Raises RequestError(unknown_backend)."""
    if name == push.NAME:
        return push.OFFER
    known = backends()
    chosen = name if name is not None else known.default
    backend = known.by_name.get(chosen) if chosen is not None else None
    if backend is None:
        names = ", ".join(sorted(known.by_name)) or "none"
        missing = (
            "No backend was named and there is no default"
            if chosen is None
            else f"There is no backend {chosen[:100]!r}"
        )
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"{missing}. Known: {names}.")
    return backend


def policy_of(name: str, params: Mapping[str, Any] | None = None) -> PollPolicy:
    """Return the limits of a job; the default ones when its backend is gone."""
    if name == push.NAME:
        return push.policy(params or {})
    backend = find(name)
    return backend.policy if backend else PollPolicy()


def _is_announced() -> bool:
    """Whether the number in the database has changed; looked at every two seconds at most."""
    global _notice, _looked_at  # noqa: PLW0603
    now = time.monotonic()
    if now - _looked_at < LOOK_SECONDS:
        return False
    _looked_at = now
    try:
        number = Notice.number_of(NOTICE)
    except DatabaseError:
        return False
    # One that was announced before the first look may have come after the file was read.
    is_new = number != _notice if _notice is not None else _stamp_of_file() != _stamp
    _notice = number
    return is_new


def _load() -> Backends:
    global _loaded, _stamp  # noqa: PLW0603 - one registry per process
    _stamp = _stamp_of_file()
    _loaded = load(conf.backends_file(), os.environ)
    return _loaded


def _stamp_of_file() -> tuple[int, int] | None:
    try:
        found = conf.backends_file().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _reload() -> bool:
    try:
        loaded = _load()
    except DescriptionError as exc:
        logger.error("the changed backends are refused; the old ones stay", reason=str(exc))
        return False
    logger.info("backends taken up", names=sorted(loaded.by_name))
    return True
