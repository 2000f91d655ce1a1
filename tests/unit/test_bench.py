"""The parts of the benches run, and count what they say they count."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from bench import __main__ as command_line
from bench import report
from bench.backend import STAMP, Looks
from bench.lateness import lateness
from bench.measuring import Window, measure
from bench.processes import Child, free_port, listens


def test_the_backend_is_further_on_at_each_look(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.backend", str(port)]
    with Child("backend", command, os.environ, tmp_path) as backend:
        backend.wait_for(lambda: listens(port), "the backend listens")
        first, second = (requests.get(f"{url}/jobs/op-1", timeout=5).json() for _ in range(2))
        looks = requests.get(f"{url}/looks", timeout=5).json()
        gaps = requests.get(f"{url}/gaps", timeout=5).json()
    assert second["current"] == first["current"] + 1
    assert second["progress"] > first["progress"]
    assert looks == 2
    assert len(gaps) == 1


def test_a_reply_tells_when_it_was_written():
    before = time.monotonic_ns()
    stamp = int(Looks().answer(b"op-1").rpartition(STAMP)[2].rstrip(b'"}'))
    assert before <= stamp <= time.monotonic_ns()


def test_cpu_time_counts_what_a_process_has_started(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.2: pass\n"
    outer = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {busy!r}])\n"
    command = [sys.executable, "-c", outer + "time.sleep(60)"]
    with Child("outer", command, os.environ, tmp_path) as child:
        child.wait_for(lambda: child.cpu_seconds() >= 0.2, "the CPU time of its child")


def test_a_process_that_fails_is_told_with_its_output(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        Child("failing", command, os.environ, tmp_path) as child,
        pytest.raises(RuntimeError, match="no such thing"),
    ):
        child.wait(10)


def test_a_window_gives_units_by_cpu_time():
    window = Window(seconds=2.0, units=1000.0, cpu={"worker": 0.5})
    assert window.per_core_second("worker") == 2000
    assert window.micros_per_unit("worker") == 500
    assert window.share("worker") == 25


def test_measuring_looks_at_the_count_twice():
    counts = iter([10.0, 25.0])
    assert measure(0.0, lambda: next(counts), {}).units == 15


def test_a_late_look_does_not_make_the_next_one_late():
    due = datetime(2026, 11, 21, tzinfo=UTC)
    done = [due + timedelta(seconds=seconds) for seconds in (0.1, 1.0, 4.5, 4.6)]
    late = [
        round(passed.total_seconds(), 3) for passed in lateness(due, done, timedelta(seconds=1))
    ]
    assert late == [0.1, 0.0, 2.5, 0.1]


def test_a_table_has_a_line_for_each_side():
    text = report.table("Polling", {"plain": {"polls/s": 230.0}, "ours": {"polls/s": 10_526.0}})
    title, head, plain, ours = text.strip().splitlines()
    assert (title, head.split(), plain.split(), ours.split()) == (
        "Polling",
        ["polls/s"],
        ["plain", "230"],
        ["ours", "10,526"],
    )


def test_an_unknown_bench_is_refused_with_the_known_ones(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "speed"])
    with pytest.raises(SystemExit):
        command_line.main()
    assert f"known: {', '.join(command_line.BENCHES)}" in capsys.readouterr().err
