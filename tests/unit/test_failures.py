"""What fails on our side is in the log, and told without its reasons."""

import logging

import pytest
from celery.exceptions import CeleryError
from django.db import InterfaceError, OperationalError

from progrock import failures
from progrock.logs import Calm


def _raised(exc: Exception) -> Exception:
    try:
        raise exc
    except type(exc) as caught:
        return caught


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_that_the_database_does_not_answer_is_said_in_a_line(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    failures.note(_raised(kind("server closed the connection")), "work failed", backend="films")
    (record,) = caplog.records
    assert record.exc_info is None
    assert "server closed the connection" in str(record.msg)
    assert "films" in str(record.msg)


def test_any_other_failure_is_noted_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    failures.note(_raised(KeyError("steps")), "work failed")
    assert "Traceback" in caplog.text
    assert "steps" in caplog.text


def test_who_asked_is_told_to_try_again_and_not_why() -> None:
    told = failures.try_again(_raised(OperationalError("at 10.0.0.7")), "a request failed")
    assert told.code == "unavailable"
    assert told.retry_after == 1
    assert "10.0.0.7" not in str(told)


def _record(name: str, exc: Exception) -> logging.LogRecord:
    about = (type(exc), exc, exc.__traceback__)
    return logging.LogRecord(name, logging.ERROR, "", 0, "Task failed\nlong", None, about)


def test_a_task_that_finds_no_database_is_a_line() -> None:
    record = _record("celery.app.trace", _raised(OperationalError("no route")))
    assert Calm().filter(record)
    assert record.exc_info is None
    assert record.getMessage() == "Task failed: no route"


def test_a_task_with_a_fault_keeps_its_traceback() -> None:
    record = _record("celery.app.trace", _raised(CeleryError("odd")))
    assert Calm().filter(record)
    assert record.exc_info is not None
