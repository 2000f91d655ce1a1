"""What fails on our side: the reason goes to the log alone, and who asked is told to try again."""

from typing import Any

import structlog
from django.db import InterfaceError, OperationalError

from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode

logger = structlog.get_logger(__name__)


def noted(exc: Exception, event: str, **where: Any) -> RequestError:
    """Write to the log that `event` happened, and return what the one who asked is told.

    With a traceback; but that the database does not answer is said in a line, since it comes from
    elsewhere and many meet it at once.
    """
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error(event, reason=f"the database does not answer: {exc}", **where)
    else:
        logger.error(event, exc_info=exc, **where)
    return RequestError(
        ErrorCode.UNAVAILABLE, "This cannot be answered just now; try again.", retry_after=1
    )
