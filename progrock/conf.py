"""ProgRock's own settings, typed; they come from the environment by config/settings.py."""

from enum import StrEnum
from pathlib import Path

from django.conf import settings


class MetricsReaders(StrEnum):
    """Who may read `/metrics`."""

    STAFF = "staff"
    EVERYBODY = "everybody"
    NOBODY = "nobody"


def metrics_readers() -> MetricsReaders:
    """Who may read `/metrics`."""
    return MetricsReaders(settings.PROGROCK_METRICS)


def backends_file() -> Path:
    """The TOML file that describes the backends."""
    return Path(settings.PROGROCK_BACKENDS)


def anonymous_allowed() -> bool:
    """Whether a visitor without token or session gets in."""
    return bool(settings.PROGROCK_ANONYMOUS)


def shards() -> int:
    """Into how many lanes each backend's jobs are divided, 1 to 256."""
    return int(settings.PROGROCK_SHARDS)


def events_kept() -> int:
    """How many of the latest events of a job are kept."""
    return int(settings.PROGROCK_EVENTS_KEPT)


def heartbeat_seconds() -> int:
    """After so many silent seconds a connection gets a heartbeat."""
    return int(settings.PROGROCK_HEARTBEAT)
