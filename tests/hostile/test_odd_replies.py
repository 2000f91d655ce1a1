"""Odd replies are borne: beside jobs that are told them run honest ones, which are well."""

import re
import subprocess
import sys

import httpx
import pytest

from tests.conformance.connection import Connection, events_of
from tests.conformance.stack import Stack
from tests.hostile.odd_replies import DONE, ODD
from tests.hostile.parts import assert_clear, begin, end_of, errors_about
from tests.hostile.villain import MIB, Answer, Plot, Villain, reply


@pytest.fixture(scope="module")
def odd_jobs(
    honest_jobs: dict[str, str], api: httpx.Client, villain: Villain
) -> dict[str, tuple[str, Plot]]:
    """All jobs that are told odd things, each with its plot."""
    plots = {name: villain.plot(*odd.polls, start=odd.start) for name, odd in ODD.items()}
    return {name: (begin(api, ODD[name].flavour, plot), plot) for name, plot in plots.items()}


@pytest.fixture(scope="module")
def honest_jobs(
    stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain
) -> dict[str, str]:
    """An honest job on each backend that tells odd things, by the backend's name."""
    steps: list[Answer] = [{"state": "running", "progress": step} for step in range(50)]
    flavours = sorted({odd.flavour for odd in ODD.values()})
    return {flavour: begin(api, flavour, villain.plot(*steps, DONE)) for flavour in flavours}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_reply_is_borne(
    stack: Stack,
    api: httpx.Client,
    watcher: Connection,
    odd_jobs: dict[str, tuple[str, Plot]],
    name: str,
) -> None:
    job, _ = odd_jobs[name]

    complete = end_of(watcher, job)

    assert complete["state"] == ODD[name].end
    if ODD[name].end == "failed":
        assert_clear(complete)
    assert errors_about(stack, job) == []
    assert api.get(f"jobs/{job}").json()["job"] == job
    assert len(api.get(f"jobs/{job}").content) < MIB


@pytest.mark.parametrize("flavour", sorted({odd.flavour for odd in ODD.values()}))
def test_the_neighbours_of_odd_jobs_are_well(
    watcher: Connection,
    odd_jobs: dict[str, tuple[str, Plot]],
    honest_jobs: dict[str, str],
    flavour: str,
) -> None:
    job = honest_jobs[flavour]

    assert end_of(watcher, job)["state"] == "succeeded"
    events = events_of(watcher.frames, job)
    assert {event["condition"] for event in events} == {"ok"}


def test_steps_and_log_lines_are_bounded(
    api: httpx.Client, watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    stepped, logged = odd_jobs["ten_thousand_steps"][0], odd_jobs["hundred_thousand_lines"][0]
    end_of(watcher, stepped)
    end_of(watcher, logged)

    assert 1 <= len(api.get(f"jobs/{stepped}").json()["steps"]) <= 1_000
    events = api.get(f"jobs/{logged}").json()["seq"]
    told = [frame for frame in watcher.frames if frame.get("job") == logged and "lines" in frame]
    assert 1_000 <= sum(len(frame["lines"]) for frame in told) <= 1_001
    assert events < 20


def test_cookies_are_bounded_and_bring_no_header_of_their_own(
    watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    job, plot = odd_jobs["cookie_bomb"]
    end_of(watcher, job)

    asked = plot.asked
    assert any("c0=" in request.headers.get("cookie", "") for request in asked)
    assert max(len(request.headers.get("cookie", "")) for request in asked) <= 50 * 4_100
    assert all("evil" not in request.headers for request in asked)


def test_no_control_character_of_a_backend_reaches_the_terminal(
    stack: Stack, watcher: Connection, odd_jobs: dict[str, tuple[str, Plot]]
) -> None:
    for name in ("terminal", "forged_lines"):
        end_of(watcher, odd_jobs[name][0])

    wrong = [line for line in stack.launcher.log.splitlines() if _CONTROLS.search(line)]
    assert wrong == []
    forged = [line for line in re.split(r"[\x0b\x0c\x85\u2028\r\n]", stack.launcher.log)
              if "forged" in line]  # fmt: skip
    assert all(re.match("worker +[|]", line) for line in forged)


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def test_a_line_of_a_log_has_no_control_characters_whoever_writes_it() -> None:
    """Where no launcher gathers the lines, as in production, they are as safe."""
    said = "\x1b[2J\x1b]0;owned\x07\x9b\x7f\u2028"
    program = (
        "import structlog; from progrock.logs import configure; configure(); "
        f"structlog.get_logger().warning('it said', word={said!r}, more={[said]!r})"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert _CONTROLS.search(told.stderr.decode().strip()) is None


def test_a_result_of_nearly_1_mib_reaches_the_watchers(
    api: httpx.Client, watcher: Connection, villain: Villain
) -> None:
    text = "x" * 900_000
    job = begin(api, "plain", villain.plot({"state": "succeeded", "result": text}))

    assert end_of(watcher, job)["result"] == text


@pytest.mark.parametrize(("size", "state"), [(MIB, "succeeded"), (MIB + 1, "failed")])
def test_a_reply_over_1_mib_counts_as_a_failure(
    api: httpx.Client, watcher: Connection, villain: Villain, size: int, state: str
) -> None:
    content = b'{"state": "succeeded", "x": "%s"}'
    plot = villain.plot(reply(content % (b"x" * (size - len(content) + 2))))

    complete = end_of(watcher, begin(api, "plain", plot))

    assert complete["state"] == state
    if state == "failed":
        assert_clear(complete, "bad_reply")
        assert len(plot.of("poll")) == 3


@pytest.mark.parametrize(
    "answer",
    [
        reply({"state": "running"}, headers={"Retry-After": "31536000"}),
        reply({"state": "running"}, headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
        reply({"state": "running"}, headers={"Retry-After": "9" * 400}),
        reply({"state": "running"}, headers={"Retry-After": "NaN"}),
    ],
    ids=["a year", "the year 9999", "400 digits", "nan"],
)
def test_a_job_that_is_to_be_asked_in_a_year_can_be_cancelled_at_once(
    api: httpx.Client, watcher: Connection, villain: Villain, answer: bytes
) -> None:
    plot = villain.plot(answer)
    job = begin(api, "plain", plot)
    villain.wait_for(lambda: plot.of("poll"), "a poll")

    api.post(f"jobs/{job}/cancel", json={})

    assert end_of(watcher, job)["state"] == "cancelled"
