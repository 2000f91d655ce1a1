"""The backends of this process, loaded from the configured file on first use."""

import os
import threading

from progrock import conf
from progrock.backends.backend import Backend
from progrock.backends.loading import Backends, load
from progrock.errors import RequestError
from progrock.jobs.policy import PollPolicy
from progrock.protocol.codes import ErrorCode

_lock = threading.Lock()
_loaded: Backends | None = None


def backends() -> Backends:
    """Return all backends. Raises DescriptionError when the file is not valid."""
    global _loaded  # noqa: PLW0603 - one registry per process
    with _lock:
        if _loaded is None:
            _loaded = load(conf.backends_file(), os.environ)
        return _loaded


def replace_all(loaded: Backends | None) -> None:
    """Put other backends in place; None loads the configured file again at the next use."""
    global _loaded  # noqa: PLW0603
    with _lock:
        _loaded = loaded


def find(name: str) -> Backend | None:
    """Return a backend, or None where no such name is configured (any longer)."""
    return backends().by_name.get(name)


def choose(name: str | None) -> Backend:
    """Return the backend that a client names, or the default. Raises RequestError."""
    known = backends()
    chosen = name if name is not None else known.default
    backend = known.by_name.get(chosen) if chosen is not None else None
    if backend is None:
        names = ", ".join(sorted(known.by_name)) or "none"
        missing = (
            "No backend was named and there is no default"
            if chosen is None
            else (f"There is no backend {chosen[:100]!r}")
        )
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"{missing}. Known: {names}.")
    return backend


def policy_of(name: str) -> PollPolicy:
    """Return a backend's poll policy; the default one for a backend that is gone."""
    backend = find(name)
    return backend.policy if backend else PollPolicy()
