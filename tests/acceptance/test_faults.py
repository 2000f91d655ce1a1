"""Whatever dies in the middle of a job: it completes, once, and a watcher misses nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
import redis
from websockets.exceptions import WebSocketException

from progrock.launcher.environment import read_running
from tests.conformance.connection import DEADLINE_SECONDS, Frame, events_of, holes_in, opened
from tests.conformance.stack import Stack, halted, launch
from tests.scripted_backend import Reply, Script

FAULT_SECONDS = 30.0
QUIET_SECONDS = 1.0

Follow = Callable[..., "Follower"]


class Follower(threading.Thread):
    """Somebody who watches a job to its end, and comes back whenever the connection is lost."""

    def __init__(self, url: str, job: str) -> None:
        super().__init__(daemon=True)
        self.job = job
        self.events: list[Frame] = []
        self.answers: list[Frame] = []
        self._url = url
        self._has_new = threading.Condition()
        self._deadline = time.monotonic() + FAULT_SECONDS

    @property
    def has_ended(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] == "complete"

    def run(self) -> None:
        while not self.has_ended and time.monotonic() < self._deadline:
            with suppress(OSError, TimeoutError, WebSocketException):
                self._watch()

    def wait_for(self, fits: Callable[[Frame], bool], what: str) -> None:
        """Wait until an event that fits has come."""
        with self._has_new:
            came = self._has_new.wait_for(
                lambda: any(fits(event) for event in self.events), DEADLINE_SECONDS
            )
        assert came, f"{what} did not come; the last events: {self.events[-5:]}"

    def wait_for_end(self) -> list[Frame]:
        """Wait until the job is complete, and return its events as they came."""
        self.join(FAULT_SECONDS)
        assert self.has_ended, f"the job did not end; the last events: {self.events[-5:]}"
        return self.events

    def _watch(self) -> None:
        after = self.events[-1]["seq"] if self.events else 0
        with opened(self._url, is_checked=False) as connection:
            connection.send({"action": "watch", "job": self.job, "after": after})
            while not self.has_ended and time.monotonic() < self._deadline:
                with suppress(TimeoutError):
                    frame = connection.receive(QUIET_SECONDS)
                    self.answers += [frame] if frame["type"] in {"watching", "error"} else []
                    with self._has_new:
                        self.events += events_of([frame], self.job)
                        self._has_new.notify_all()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with ExitStack() as running:
        yield launch(running)


@pytest.fixture
def follow(stack: Stack) -> Follow:
    """Start a job, and have it followed from its first event."""

    def start(script: Script, backend: str = "steps") -> Follower:
        answer = httpx.post(
            f"{stack.url}/api/v1/jobs",
            json={"backend": backend, "params": script.params},
            timeout=DEADLINE_SECONDS,
        )
        follower = Follower(stack.url, answer.json()["job"])
        follower.start()
        return follower

    return start


def assert_nothing_is_missing(stack: Stack, follower: Follower) -> None:
    """Compare what a follower got with the log as it stands now."""
    events = follower.wait_for_end()
    with opened(stack.url) as connection:
        connection.ask("watch", job=follower.job, after=0)
        connection.until_complete(follower.job)
        connection.settle()
        log = connection.events(follower.job)
    assert holes_in(log) == []
    assert [event["type"] for event in log].count("complete") == 1
    assert holes_in(events) == []
    merged = {event["seq"] for event in events if "skipped" in event}
    assert [event for event in events if event["seq"] not in merged] == [
        event for event in log if event["seq"] in {kept["seq"] for kept in events} - merged
    ]
    assert {answer["type"] for answer in follower.answers} == {"watching"}
    assert all(answer["recovered"] for answer in follower.answers)


def half_way(follower: Follower) -> None:
    """Wait until the job has come to 50 %."""
    follower.wait_for(lambda event: event["progress"] == 50, "50 %")


def finish(script: Script) -> None:
    """Let the backend bring the jobs of a script to their end."""
    script.say(
        {"state": "running", "progress": 60}, {"state": "running", "progress": 70},
        {"state": "succeeded", "progress": 100, "result": "done"},
    )  # fmt: skip


@pytest.mark.parametrize("child", ["worker", "web", "redis"])
def test_a_part_that_is_killed_in_mid_job_costs_nothing(
    stack: Stack, follow: Follow, child: str
) -> None:
    script = stack.backend.script({"state": "running", "progress": 50})
    follower = follow(script)
    half_way(follower)

    stack.launcher.kill_child(child)
    finish(script)
    events = follower.wait_for_end()

    assert (events[-1]["state"], events[-1]["result"]) == ("succeeded", "done")
    assert_nothing_is_missing(stack, follower)
    assert len(script.starts) == 1


def test_a_worker_that_is_killed_while_the_backend_thinks_loses_no_job(
    stack: Stack, follow: Follow
) -> None:
    """A poll is repeated; a start is where that is safe, and else the job fails honestly."""
    never = threading.Event()
    hanging = Reply(gate=never)
    accepted = Reply(status=202, body=lambda operation: {"id": operation})
    polled = stack.backend.script({"state": "running", "progress": 50})
    safe = stack.backend.script({"state": "succeeded"}, start=[hanging, accepted])
    unsafe = stack.backend.script({"state": "succeeded"}, start=[hanging, accepted])
    followers = [follow(polled, "narrow")]
    half_way(followers[0])
    polled.say(hanging)
    followers += [follow(safe, "narrow"), follow(unsafe, "fragile")]
    before = len(polled.polls)
    stack.backend.wait_for(
        lambda: len(polled.polls) > before and bool(safe.starts and unsafe.starts),
        "a poll and both starts",
    )

    stack.launcher.kill_child("worker")
    finish(polled)
    ends = [follower.wait_for_end()[-1] for follower in followers]
    never.set()

    assert [end["state"] for end in ends] == ["succeeded", "succeeded", "failed"]
    assert ends[2]["error"]["code"] == "start_unknown"
    assert (len(polled.starts), len(unsafe.starts)) == (1, 1)
    assert len({request.headers["idempotency-key"] for request in safe.starts}) == 1
    for follower in followers:
        assert_nothing_is_missing(stack, follower)


def test_a_start_while_redis_is_away_is_taken_and_runs_when_it_is_back(
    stack: Stack, follow: Follow
) -> None:
    script = stack.backend.script({"state": "running", "progress": 50})
    stack.launcher.kill_child("redis")

    follower = follow(script)
    finish(script)

    assert follower.wait_for_end()[-1]["state"] == "succeeded"
    assert_nothing_is_missing(stack, follower)
    assert len(script.starts) == 1


def test_a_redis_that_hangs_holds_up_no_answer(stack: Stack, follow: Follow) -> None:
    """The job is in the database; what Redis has to carry can wait."""
    script = stack.backend.script({"state": "running", "progress": 50})
    running = follow(script)
    half_way(running)
    with httpx.Client(base_url=stack.url, timeout=DEADLINE_SECONDS) as api:
        with halted(stack.launcher.pid_of("redis")):
            healthy = api.get("/healthz").status_code
            ready = api.get("/readyz").status_code
            started = follow(script)
            cancelled = api.post(f"/api/v1/jobs/{running.job}/cancel", json={}).status_code
        finish(script)

        assert (healthy, ready, cancelled) == (200, 503, 202)
        assert started.wait_for_end()[-1]["state"] == "succeeded"
        running.wait_for_end()
        assert_nothing_is_missing(stack, started)
        assert_nothing_is_missing(stack, running)


def test_a_redis_that_is_emptied_in_mid_job_costs_nothing(stack: Stack, follow: Follow) -> None:
    script = stack.backend.script({"state": "running", "progress": 50})
    follower = follow(script)
    half_way(follower)

    with redis.Redis.from_url(read_running(stack.launcher.data)["REDIS_URL"]) as client:
        client.flushall()
    finish(script)

    assert follower.wait_for_end()[-1]["state"] == "succeeded"
    assert_nothing_is_missing(stack, follower)
    assert len(script.starts) == 1


def test_a_job_in_progress_goes_on_after_everything_was_ended_and_started_again(
    stack: Stack, follow: Follow
) -> None:
    script = stack.backend.script({"state": "running", "progress": 50})
    follower = follow(script)
    half_way(follower)

    with opened(stack.url) as bystander:
        assert stack.launcher.terminate() == 0
        assert bystander.until_close() in {1001, 1012}
    finish(script)
    stack.launcher.start()

    assert follower.wait_for_end()[-1]["state"] == "succeeded"
    assert_nothing_is_missing(stack, follower)
    assert len(script.starts) == 1


def test_nobody_had_to_print_a_traceback(stack: Stack) -> None:
    """A part that is gone for a moment is an ordinary thing, worth a line and no more."""
    log = stack.launcher.log
    place = log.find("Traceback")
    assert place < 0, log[max(place - 1_000, 0) : place + 5_000]
