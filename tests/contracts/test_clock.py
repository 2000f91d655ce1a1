"""One clock for all processes, and what becomes of the jobs when it steps."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from progrock import clock

pytestmark = pytest.mark.usefixtures("real_parts", "published")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a process that has not asked yet."""
    monkeypatch.setattr(clock, "_reading", None)
    monkeypatch.setattr(clock, "ASKED_EVERY_SECONDS", 0.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """The clock of this machine, wrong by `off`."""

    class Machine(datetime):
        off = timedelta()

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + cls.off

    monkeypatch.setattr(clock, "datetime", Machine)
    return Machine


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_on_postgresql_a_machine_whose_clock_is_wrong_goes_by_that_of_the_database(
    machine: type, off: timedelta
) -> None:
    machine.off = off
    clock.check()
    shown = clock.now() - datetime.now(UTC)
    expected = timedelta() if connection.vendor == "postgresql" else off
    assert abs(shown - expected) < timedelta(seconds=1)


def test_a_step_is_not_seen_before_the_clock_is_asked(machine: type) -> None:
    clock.check()
    machine.off = HOUR
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_the_clock_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch, machine: type) -> None:
    monkeypatch.setattr(clock, "ASKED_EVERY_SECONDS", 3_600.0)
    clock.check()
    first = clock._reading
    clock.check()
    assert clock._reading is first
