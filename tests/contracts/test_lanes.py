"""Lanes: at most one tick counts, the earliest; none is armed with nothing to do (DESIGN 3)."""

import random
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from progrock.jobs.changes import Observation
from progrock.jobs.states import State
from progrock.models import Lane
from progrock.polling import lanes, sweeping
from tests.contracts.parts import (
    DEADLINE_SECONDS,
    Tasks,
    at_once,
    later,
    new_job,
    now,
    record,
    running_job,
)

pytestmark = pytest.mark.usefixtures("real_parts", "published")


def armed_for(backend: str = "plain", shard: int = 0) -> datetime | None:
    found = Lane.objects.filter(backend=backend, shard=shard).first()
    return found and found.armed_for


def arm(seconds: float) -> bool:
    return lanes.arm("plain", 0, later(seconds), now())


def tick_numbers(tasks: Tasks) -> list[int]:
    return [number for _, _, number in tasks.named("tick")]


def test_arming_sends_one_countdown_with_the_number_that_counts(tasks: Tasks) -> None:
    assert arm(5)
    (task,) = tasks.all()
    assert task.args[:2] == ["plain", 0]
    assert task.eta is not None
    assert abs(task.eta - later(5)) < timedelta(seconds=2)
    assert lanes.begin("plain", 0, task.args[2])


def test_no_countdown_is_longer_than_a_minute(tasks: Tasks) -> None:
    arm(7_200)
    (task,) = tasks.all()
    assert task.eta is not None
    assert task.eta <= later(61)


def test_the_earlier_tick_wins(tasks: Tasks) -> None:
    assert arm(20)
    assert not arm(30)
    assert arm(5)
    old, new = tick_numbers(tasks)
    armed = armed_for()
    assert armed is not None
    assert abs(armed - later(5)) < timedelta(seconds=2)
    assert not lanes.begin("plain", 0, old)
    assert lanes.begin("plain", 0, new)


def test_a_tick_begins_once() -> None:
    arm(1)
    number = Lane.objects.get().tick
    assert lanes.begin("plain", 0, number)
    assert not lanes.begin("plain", 0, number)
    assert armed_for() is None


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_tick_with_another_number_does_nothing(number: int) -> None:
    arm(1)
    assert Lane.objects.get().tick == 1
    assert not lanes.begin("plain", 0, number)
    assert armed_for() is not None
    assert not lanes.begin("plain", 1, 1)
    assert not lanes.begin("other", 0, 1)


def test_of_many_that_begin_the_same_tick_one_does() -> None:
    for _ in range(10):
        arm(1)
        number = Lane.objects.get().tick
        begun = at_once(*[lambda number=number: lanes.begin("plain", 0, number)] * 4)
        assert begun.count(True) == 1


def test_of_many_that_arm_at_once_the_earliest_stands() -> None:
    chance = random.Random(7)
    for _ in range(25):
        Lane.objects.all().delete()
        times = [later(seconds) for seconds in chance.sample(range(2, 50), 4)]
        at_once(*[lambda at=at: lanes.arm("plain", 0, at, now()) for at in times])
        assert armed_for() == min(times)


def test_an_arming_stands_though_a_later_one_came_between() -> None:
    arm(50)
    between = threading.Thread(target=at_once, args=(lambda: arm(30),))
    early = later(5)

    def hold(execute: Any, sql: str, *more: Any) -> Any:
        """Let the other arming come before the first write of this one."""
        if sql.startswith("UPDATE") and between.ident is None:
            between.start()
            between.join(1)  # it may have to wait for this one: then it comes after
        return execute(sql, *more)

    with connection.execute_wrapper(hold):
        lanes.arm("plain", 0, early, now())
    between.join(DEADLINE_SECONDS)
    assert armed_for() == early


def test_the_first_arming_of_a_lane_may_come_from_many_at_once(tasks: Tasks) -> None:
    at = later(5)
    armed = at_once(*[lambda: lanes.arm("plain", 0, at, now())] * 4)
    assert armed.count(True) >= 1
    assert Lane.objects.count() == 1
    assert len([number for number in tick_numbers(tasks) if lanes.begin("plain", 0, number)]) == 1


def test_what_is_rolled_back_sends_nothing(tasks: Tasks) -> None:
    with transaction.atomic():
        arm(5)
        transaction.set_rollback(True)
    assert tasks.all() == []
    assert armed_for() is None


def test_lanes_are_apart() -> None:
    lanes.arm("plain", 0, later(5), now())
    lanes.arm("plain", 1, later(9), now())
    lanes.arm("safe", 0, later(7), now())
    assert Lane.objects.count() == 3
    assert len({armed_for("plain", 0), armed_for("plain", 1), armed_for("safe", 0)}) == 3


# --- what a lane is armed for --------------------------------------------------------------------


def test_a_lane_is_armed_for_the_job_that_falls_due_first() -> None:
    running_job(due_at=later(30))
    first = running_job(due_at=later(9))
    running_job(due_at=later(1), shard=1)
    lanes.arm_next("plain", 0, now())
    assert armed_for() == first.due_at


def test_with_nothing_active_nothing_is_armed(tasks: Tasks) -> None:
    ended = running_job()
    record(ended.id, Observation(look=1, state=State.SUCCEEDED))
    lanes.arm_next("plain", 0, now())
    assert tasks.all() == []


def test_a_job_that_is_not_yet_started_is_not_polled_for() -> None:
    new_job(due_at=later(-5))  # its start is a task of its own; a tick would find nothing
    lanes.arm_next("plain", 0, now())
    assert armed_for() is None


def test_jobs_that_are_long_due_do_not_make_ticks_without_pause() -> None:
    running_job(due_at=later(-60))
    before = now()
    lanes.arm_next("plain", 0, before)
    armed = armed_for()
    assert armed is not None
    assert armed > before


# --- ticks that were lost ------------------------------------------------------------------------


def test_a_lane_whose_tick_was_lost_is_armed_by_the_sweeper(tasks: Tasks) -> None:
    running_job(due_at=later(-10))
    lanes.arm("plain", 0, later(-10), later(-10))
    tasks.clear()
    sweeping.sweep()
    (number,) = tick_numbers(tasks)
    assert lanes.begin("plain", 0, number)


def test_a_lane_that_was_never_armed_is_armed_by_the_sweeper(tasks: Tasks) -> None:
    running_job(due_at=later(-10))
    sweeping.sweep()
    assert len(tick_numbers(tasks)) == 1


def test_a_lane_that_will_tick_far_too_late_is_armed_by_the_sweeper(tasks: Tasks) -> None:
    running_job(due_at=later(-10))
    arm(55)  # as after an arming that lost against a later one
    sweeping.sweep()
    armed = armed_for()
    assert armed is not None
    assert armed < later(5)
    assert lanes.begin("plain", 0, tick_numbers(tasks)[-1])


def test_a_lane_that_ticks_in_time_is_left_alone(tasks: Tasks) -> None:
    running_job(due_at=later(-1))
    arm(0)
    running_job(due_at=later(60), shard=1)
    sweeping.sweep()
    assert len(tick_numbers(tasks)) == 1
