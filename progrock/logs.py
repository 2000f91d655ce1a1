"""Logging: structlog, an event name and fields, one line an outcome.

structlog renders every line, also those of libraries; `make run` merges the lines of all children.
"""

import logging
import logging.config
import sys

import structlog
from structlog.typing import Processor

_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    structlog.processors.format_exc_info,
]


class NoProbes(logging.Filter):
    """Leaves out that a probe was answered "not ready": its caller is told why."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
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
            "filters": {"no probes": {"()": NoProbes}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "plain",
                    "filters": ["no probes"],
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
