"""`track`: a loop that shows as a job, whether the server is there or not."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from progrock.client import Cancelled, Client, Snapshot, State, track
from tests.client.proxy import Proxy
from tests.conformance.target import Target
from tests.launcher_process import ROOT, free_port, wait_until

SECONDS = 20.0


@pytest.fixture
def client(target: Target) -> Iterator[Client]:
    with Client(target.url) as client:
        yield client


def ended(client: Client, tracked: Any) -> Snapshot:
    """Return the job of a loop once its end is reported."""
    assert tracked.wait(SECONDS)
    return client.job(tracked.job).snapshot


def test_a_loop_that_runs_to_its_end_succeeds(client: Client) -> None:
    told = []
    steps = track(range(3), title="Rows", unit="rows", labels=["nightly"], client=client)
    for step in steps:
        told.append(step)
        steps.message = f"row {step}"
    job = ended(client, steps)
    assert told == [0, 1, 2]
    assert (job.state, job.title, job.labels) == (State.SUCCEEDED, "Rows", ("nightly",))
    assert (job.current, job.total, job.unit, job.message) == (3, 3, "rows", "row 2")


def test_a_loop_is_reported_while_it_runs(client: Client) -> None:
    gate = threading.Event()

    def rows() -> Iterator[int]:
        for row in range(4):
            if row == 3:
                assert gate.wait(SECONDS)
            yield row

    steps = track(rows(), total=4, client=client)
    steps.log("begun")
    worker = threading.Thread(target=lambda: list(steps))
    worker.start()
    wait_until(lambda: steps.job, "the job is started")
    seen = client.job(str(steps.job))
    wait_until(lambda: seen.refresh().progress == 75, "three of four steps are reported")
    assert seen.snapshot.state is State.RUNNING
    gate.set()
    worker.join()
    assert ended(client, steps).progress == 100


def test_an_exception_of_the_steps_fails_the_job_and_is_raised(client: Client) -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise ValueError("row 2 is bad\x00\udc80")

    steps = track(rows(), client=client)
    with pytest.raises(ValueError, match="row 2 is bad"):
        list(steps)
    job = ended(client, steps)
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.message == "ValueError: row 2 is bad\ufffd?"


def test_in_a_with_block_the_exceptions_of_the_body_are_known(client: Client) -> None:
    def divide() -> None:
        with steps:
            for step in steps:
                _ = 1 / step

    steps = track(range(3), client=client)
    with pytest.raises(ZeroDivisionError):
        divide()
    job = ended(client, steps)
    assert job.error is not None
    assert job.error.message == "ZeroDivisionError: division by zero"


def test_a_with_block_may_leave_the_loop_and_give_a_result(client: Client) -> None:
    with track(range(10), client=client) as steps:
        for step in steps:
            if step == 4:
                break
        steps.result = {"found": step}
    job = ended(client, steps)
    assert (job.state, job.result) == (State.SUCCEEDED, {"found": 4})


def test_a_result_that_is_no_json_is_left_out(client: Client) -> None:
    with track(total=1, client=client) as steps:
        steps.update()
        steps.result = object()
    assert ended(client, steps).state is State.SUCCEEDED


def test_a_loop_that_is_left_ends_as_cancelled_and_says_where(client: Client) -> None:
    steps = track(range(10), client=client)
    for step in steps:
        if step == 4:
            break
    job = ended(client, steps)
    assert (job.state, job.message) == (State.CANCELLED, "the loop was left after 4 of 10")


def test_when_somebody_cancels_the_next_step_raises(client: Client) -> None:
    def loop() -> None:
        for _ in steps:
            if steps.job and not steps.is_cancelled:
                client.job(steps.job).cancel()
                wait_until(lambda: steps.is_cancelled, "the program is told")

    steps = track(iter(int, 1), title="For ever", client=client)
    with pytest.raises(Cancelled, match="was cancelled"):
        loop()
    assert ended(client, steps).state is State.CANCELLED


def test_a_loop_may_wish_to_go_on_when_it_is_cancelled(client: Client) -> None:
    steps = track(range(2), client=client, stop_on_cancel=False)
    for step in steps:
        if step == 0:
            wait_until(lambda: steps.job, "the job is started")
            client.job(str(steps.job)).cancel()
            wait_until(lambda: steps.is_cancelled, "the program is told")
    assert ended(client, steps).state is State.SUCCEEDED


async def test_an_asynchronous_loop_is_reported_too(client: Client) -> None:
    async def rows() -> AsyncIterator[int]:
        for row in range(3):
            yield row

    steps = track(rows(), total=3, client=client)
    assert [row async for row in steps] == [0, 1, 2]
    assert ended(client, steps).current == 3


def test_a_server_that_is_away_neither_slows_nor_breaks_a_loop() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        threads = threading.active_count()
        tracked = track(range(100_000), client=client)
        assert sum(1 for _ in tracked) == 100_000
    assert threading.active_count() <= threads + 1
    assert not tracked.wait(0)


def test_a_server_that_comes_back_is_told_the_latest(client: Client, proxy: Proxy) -> None:
    with Client(proxy.url) as through:
        gate = threading.Event()
        steps = track(client=through, title="Over an outage", total=100)
        with steps:
            steps.update(10)
            wait_until(lambda: steps.job, "the job is started")
            seen = client.job(str(steps.job))
            wait_until(lambda: seen.refresh().current == 10, "the first report")
            proxy.is_away = True
            for _ in range(50):
                steps.update()
                steps.log("worked on")
            proxy.is_away = False
            wait_until(lambda: seen.refresh().current == 60, "the latest figure")
            gate.set()
        assert ended(client, steps).state is State.SUCCEEDED
    lines = [line for event in seen.events(after=0) for line in getattr(event, "lines", ())]
    assert lines == ["worked on"] * 50


def run(code: str, target: Target, **options: Any) -> "subprocess.Popen[str]":
    """Start a program that tracks a loop."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PROGROCK_URL": target.url, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


PROGRAM = """
import time
from progrock.client import track
steps = track(range(1000), title="A program")
for step in steps:
    if step == 1:
        deadline = time.monotonic() + {seconds}
        while not steps.job and time.monotonic() < deadline:
            time.sleep(0.01)
        assert steps.job, "no job in time"
        print(steps.job, flush=True)
    if step == 30:
        {then}
"""


def job_of(program: "subprocess.Popen[str]") -> str:
    """Return the job that a program has printed."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


def test_an_exception_that_ends_the_program_fails_the_job(client: Client, target: Target) -> None:
    program = run(PROGRAM.format(seconds=SECONDS, then="raise RuntimeError('in the body')"), target)
    job = client.job(job_of(program))
    _, errors = program.communicate(timeout=SECONDS)
    assert "in the body" in errors
    assert job.refresh().error is not None
    assert job.snapshot.error.message == "RuntimeError: in the body"


def test_ctrl_c_cancels_the_job_and_ends_the_program(client: Client, target: Target) -> None:
    program = run(PROGRAM.format(seconds=SECONDS, then="time.sleep(60)"), target)
    job = client.job(job_of(program))
    wait_until(lambda: job.refresh().current == 30, "the program is in its thirtieth step")
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=SECONDS)
    assert "KeyboardInterrupt" in errors
    assert (job.refresh().state, job.snapshot.message) == (
        State.CANCELLED,
        "interrupted at the keyboard",
    )


def test_a_program_ends_in_time_when_the_server_is_away(target: Target, proxy: Proxy) -> None:
    proxy.is_away = True
    code = "from progrock.client import track\nlist(track(range(10)))"
    program = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROGROCK_URL": proxy.url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert program.returncode == 0
    assert program.stderr.count("\n") == 1  # said once, and what to do
    assert "PROGROCK_URL" in program.stderr


@pytest.mark.parametrize("use", [list, lambda t: aiter(t).__anext__().send(None)])
def test_what_cannot_be_iterated_says_so(client: Client, use: Callable[[Any], Any]) -> None:
    with track(client=client) as tracked, pytest.raises(TypeError, match="nothing to iterate"):
        use(tracked)
