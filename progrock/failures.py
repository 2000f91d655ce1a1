"""What fails on our side: the reason goes to the log alone, and who asked is told to try again."""

from typing import Any, Final

import structlog
from django.db import InterfaceError, OperationalError

from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode

logger = structlog.get_logger(__name__)
DATABASE_AWAY: Final = (OperationalError, InterfaceError)


def note(exc: Exception, event: str, **where: Any) -> None:
    """Write to the log that `event` happened, and why.

    With a traceback; but that the database does not answer is said in a line, since it comes from
    elsewhere and many meet it at once.
    """
    if isinstance(exc, DATABASE_AWAY):
        logger.error(event, reason=f"the database does not answer: {exc}", **where)
    else:
        logger.error(event, exc_info=exc, **where)


def try_again(exc: Exception, event: str, **where: Any) -> RequestError:
    """Note what happened to a request, and return what the one who asked is told."""
    note(exc, event, **where)
    return RequestError(
        ErrorCode.UNAVAILABLE, "This cannot be answered just now; try again.", retry_after=1
    )
