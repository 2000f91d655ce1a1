"""Threads of a backend's own: what begins ends, and what waits is dropped at the end."""

import threading

import pytest

from progrock.polling import lane_threads
from progrock.polling.lane_threads import THREADS, finish, hand_over

DEADLINE_SECONDS = 20.0


def test_one_backend_that_hangs_holds_up_no_other_and_the_end_waits_only_for_what_has_begun() -> (
    None
):
    gate, begun, other = threading.Event(), threading.Semaphore(0), threading.Event()
    done: list[int] = []

    def hang(number: int) -> None:
        begun.release()
        gate.wait(DEADLINE_SECONDS)
        done.append(number)

    for number in range(THREADS + 5):
        assert hand_over("tick", "hangs", lambda number=number: hang(number))
    for _ in range(THREADS):
        assert begun.acquire(timeout=DEADLINE_SECONDS)
    assert hand_over("tick", "well", other.set)
    assert other.wait(DEADLINE_SECONDS)

    end = threading.Thread(target=finish, args=(10 * DEADLINE_SECONDS,))
    end.start()
    gate.set()
    end.join(DEADLINE_SECONDS)
    assert not end.is_alive()
    assert sorted(done) == list(range(THREADS))


def test_no_more_is_taken_than_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_threads, "MOST_WAITING", 3)
    gate = threading.Event()
    taken = [hand_over("tick", "full", lambda: gate.wait(DEADLINE_SECONDS)) for _ in range(5)]
    gate.set()
    finish(DEADLINE_SECONDS)
    assert taken == [True, True, True, False, False]
