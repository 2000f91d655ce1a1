"""Logging: structlog, an event name and fields, one line an outcome.

structlog renders every line, also those of libraries; `make run` merges the lines of all children.
"""

import logging
import logging.config
import re
import sys
from typing import Any

import structlog
from redis import RedisError
from structlog.typing import EventDict, Processor

from progrock.failures import DATABASE_AWAY


def _without_controls(logger: Any, method: str, event: EventDict) -> EventDict:
    """Escape control characters, so that what a backend says cannot move the terminal."""
    return {key: _escaped(value) for key, value in event.items()}


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SHARED: list[Processor] = [
    _without_controls,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    structlog.processors.format_exc_info,
]


_CARRIERS = ("celery", "channels_redis", "kombu")


def _is_outage(exc: BaseException | None) -> bool:
    """Whether an error began with a connection that was lost."""
    while exc is not None:
        if isinstance(exc, (RedisError, OSError, *DATABASE_AWAY)):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


class Calm(logging.Filter):
    """Leaves out that a probe was answered "not ready", and cuts an outage to a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        exc = record.exc_info[1] if record.exc_info else None
        if exc is not None and record.name.startswith(_CARRIERS) and _is_outage(exc):
            record.exc_info = None
            record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {exc}", ()
        elif record.name == "celery.beat":  # it writes its stack into the message
            record.msg, record.args = record.getMessage().splitlines()[0], ()
        elif record.name.startswith("django.security"):  # a foreign host is no fault of ours
            record.exc_info = None
        path = getattr(getattr(record, "request", None), "path", "")
        return not (record.name == "django.request" and path == "/readyz")


def configure(level: str = "INFO") -> None:
    """Send all logging to standard error, one readable line each. `level` is a logging level."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "plain": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.dev.ConsoleRenderer(
                            colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False
                        ),
                    ],
                    "foreign_pre_chain": _SHARED,
                }
            },
            "filters": {"calm": {"()": Calm}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "plain",
                    "filters": ["calm"],
                }
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # A line per request or task says nothing that the events do not.
                "uvicorn.access": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
