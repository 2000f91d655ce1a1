"""A job's status goes forward only, and over the wire and back unchanged."""

from examples.renderer.job import (
    Failure,
    State,
    Status,
    advance,
    begin_step,
    mark_cancelled,
    mark_failed,
    mark_succeeded,
    new_status,
    read_status,
    status_document,
)

STEPS = ("count", "hash", "sum")


def halfway() -> Status:
    status = begin_step(new_status(STEPS, "files"), "hash", "hashing", progress=None)
    return advance(status, "file 5 of 9", progress=50, step=55.5555, current=5, total=9)


def step_states(status: Status) -> list[str]:
    return [step.state.value for step in status.steps]


def test_a_step_that_begins_has_all_before_it_done_and_all_after_it_ahead() -> None:
    assert step_states(halfway()) == ["succeeded", "running", "queued"]
    assert [step.progress for step in halfway().steps] == [100, 55.5555, None]


def test_only_the_end_says_100() -> None:
    full = advance(halfway(), "almost", progress=100, step=100, current=9, total=9)
    assert full.progress == 99.9
    assert mark_succeeded(full, {"sum": 1}, "done").progress == 100


def test_success_leaves_no_step_open() -> None:
    assert step_states(mark_succeeded(halfway(), {}, "done")) == ["succeeded"] * 3


def test_failure_keeps_the_progress_and_names_the_step_that_failed() -> None:
    status = mark_failed(halfway(), Failure(code="broken", message="it broke"))
    assert (status.state, status.progress, status.message) == (State.FAILED, 50, "it broke")
    assert step_states(status) == ["succeeded", "failed", "queued"]


def test_cancelling_keeps_the_progress() -> None:
    status = mark_cancelled(halfway())
    assert (status.state, status.progress) == (State.CANCELLED, 50)
    assert step_states(status) == ["succeeded", "cancelled", "queued"]


def test_the_document_has_all_keys_always_and_is_read_back_as_it_was() -> None:
    keys = {
        "id", "state", "progress", "current", "total", "unit", "message", "steps", "result", "error"
    }  # fmt: skip
    for status in (
        new_status(STEPS, "files"),
        mark_cancelled(halfway()),
        mark_succeeded(halfway(), {"sum": 1}, "done"),
        mark_failed(halfway(), Failure(code="broken", message="it broke")),
    ):
        document = status_document("j1", status)
        assert document.keys() == keys
        assert status_document("j1", read_status(document)) == document
