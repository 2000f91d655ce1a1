"""PROTOCOL 1, 2.4, 2.5 and 2.6: events, snapshots, and what a watcher may count on."""

import re
import socket
import uuid
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conformance.conftest import Connect, StartJob
from tests.conformance.connection import (
    Connection,
    Frame,
    events_of,
    holes_in,
    opened,
    within_the_rate,
)
from tests.conformance.target import Target

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
IN_EACH_EVENT = {"type", "job", "seq", "at", "state", "condition"} | {
    "progress", "message", "eta", "complete",
}  # fmt: skip
IN_A_SNAPSHOT = set(
    "job seq backend title state condition complete progress current total unit message eta "
    "eta_range steps params result error owner labels note pinned version retry_of created "
    "started updated finished watchers can".split()
)
ORDER = ["pending", "queued", "running", "cancelling"]
TERMINAL = {"succeeded", "failed", "cancelled", "timed_out"}

Finished = tuple[str, list[Frame]]


def followed(connection: Connection, job: str) -> list[Frame]:
    """Return a job's whole log, once the job has ended."""
    connection.ask("watch", job=job, after=0)
    connection.until_complete(job)
    connection.settle()
    return connection.events(job)


@pytest.fixture
def log(connect: Connect, finished: Finished) -> list[Frame]:
    """The whole log of a job that succeeded."""
    return followed(connect(), finished[0])


@pytest.fixture
def failed_log(target: Target, connect: Connect) -> list[Frame]:
    """The whole log of a job that failed."""
    connection = connect()
    job = connection.start(**target.failing.request())["job"]
    connection.until_complete(job)
    return followed(connect(), job)


def test_every_kept_event_has_what_draws_the_bar(log: list[Frame], failed_log: list[Frame]) -> None:
    for event in log + failed_log:
        assert set(event) >= IN_EACH_EVENT, event


def test_a_job_has_the_events_1_2_3_without_holes(
    log: list[Frame], failed_log: list[Frame]
) -> None:
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert [event["seq"] for event in failed_log] == list(range(1, len(failed_log) + 1))


def test_times_are_rfc_3339_in_utc_with_milliseconds_and_do_not_go_back(log: list[Frame]) -> None:
    times = [event["at"] for event in log]

    assert [time for time in times if not TIME.fullmatch(time)] == []
    assert times == sorted(times)


def test_progress_is_0_to_100_or_null_and_never_goes_down(
    log: list[Frame], failed_log: list[Frame]
) -> None:
    for events in (log, failed_log):
        shown = [event["progress"] for event in events if event["progress"] is not None]
        assert shown == sorted(shown)
        assert all(0 <= progress <= 100 for progress in shown)


def test_progress_reaches_100_only_with_succeeded(log: list[Frame]) -> None:
    assert [event["state"] for event in log if event["progress"] == 100] == ["succeeded"]


def test_a_job_that_succeeds_ends_at_100(log: list[Frame]) -> None:
    assert log[-1]["state"] == "succeeded"
    assert log[-1]["progress"] == 100


def test_states_are_never_taken_backwards(log: list[Frame]) -> None:
    states = [event["state"] for event in log]
    places = [ORDER.index(state) for state in states if state in ORDER]

    assert places == sorted(places)
    assert states[0] == "pending"
    assert [state for state in states if state in TERMINAL] == ["succeeded"]


def test_there_is_one_complete_event_and_it_is_the_last(
    log: list[Frame], failed_log: list[Frame]
) -> None:
    for events in (log, failed_log):
        assert [event["type"] for event in events].count("complete") == 1
        assert events[-1]["type"] == "complete"
        assert [event["complete"] for event in events] == [False] * (len(events) - 1) + [True]


def test_the_types_are_those_of_the_table(log: list[Frame]) -> None:
    assert {event["type"] for event in log} <= {"state", "progress", "log", "complete"}


def test_a_state_event_tells_of_a_change(log: list[Frame]) -> None:
    before: Frame = {}
    for event in log:
        if event["type"] == "state":
            told = event["state"], event["condition"]
            assert told != (before.get("state"), before.get("condition"))
            assert event["state"] not in TERMINAL
        before = event


def test_the_condition_is_one_of_three(log: list[Frame]) -> None:
    assert {event["condition"] for event in log} <= {"ok", "stalled", "unreachable"}


def test_the_complete_event_brings_the_result(log: list[Frame]) -> None:
    assert log[-1]["result"] is not None
    assert log[-1]["error"] is None


def test_the_complete_event_of_a_failed_job_says_why(failed_log: list[Frame]) -> None:
    complete = failed_log[-1]

    assert complete["state"] == "failed"
    assert complete["error"]["code"] == "backend_failed"
    assert complete["error"]["message"]
    assert complete["progress"] is None or complete["progress"] < 100


def test_eta_is_seconds_or_null(log: list[Frame]) -> None:
    assert all(event["eta"] is None or event["eta"] >= 0 for event in log)


# --- the snapshot ---


def test_all_keys_of_a_snapshot_are_always_there(
    target: Target, connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    at_start = connect().start(**target.quick.request())
    ended = http.get(f"jobs/{finished[0]}").json()

    assert IN_A_SNAPSHOT - set(at_start) == set()
    assert IN_A_SNAPSHOT - set(ended) == set()


def test_lists_in_a_snapshot_are_lists_also_when_empty(target: Target, connect: Connect) -> None:
    snapshot = connect().start(**target.quick.request())

    assert snapshot["labels"] == []
    assert snapshot["steps"] == []
    assert snapshot["error"] is None
    assert snapshot["result"] is None
    assert snapshot["eta_range"] is None
    assert snapshot["retry_of"] is None
    assert snapshot["owner"] is None
    assert snapshot["finished"] is None
    assert snapshot["pinned"] is False


def test_the_version_counts_from_1(target: Target, connect: Connect) -> None:
    assert connect().start(**target.quick.request())["version"] == 1


def test_the_times_of_a_snapshot_are_in_order(http: httpx.Client, finished: Finished) -> None:
    snapshot = http.get(f"jobs/{finished[0]}").json()

    times = [snapshot[key] for key in ("created", "started", "finished")]
    assert [time for time in times if not TIME.fullmatch(time)] == []
    assert times == sorted(times)
    assert TIME.fullmatch(snapshot["updated"])


def test_a_running_job_can_be_cancelled_and_an_ended_one_cannot(
    target: Target, connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    connection = connect()
    running = connection.start(**target.slow.request())
    ended = http.get(f"jobs/{finished[0]}").json()
    connection.ask("cancel", job=running["job"])

    assert "cancel" in running["can"]
    assert "cancel" not in ended["can"]


def test_http_answers_with_the_same_snapshot(
    connect: Connect, http: httpx.Client, finished: Finished
) -> None:
    here = connect().ask("watch", job=finished[0])["snapshot"]
    there = http.get(f"jobs/{finished[0]}").json()

    assert {**here, "watchers": None} == {**there, "watchers": None}


def test_a_snapshot_and_the_last_event_agree(
    http: httpx.Client, finished: Finished, log: list[Frame]
) -> None:
    snapshot = http.get(f"jobs/{finished[0]}").json()

    for key in sorted((IN_EACH_EVENT - {"type", "at"}) | {"result", "error"}):
        assert snapshot[key] == log[-1][key], key


def test_the_error_of_a_failed_job_stands_in_its_snapshot(
    http: httpx.Client, failed_log: list[Frame]
) -> None:
    snapshot = http.get(f"jobs/{failed_log[-1]['job']}").json()

    assert snapshot["error"] == failed_log[-1]["error"]


# --- guarantees ---


def test_after_a_lost_connection_after_continues_without_loss_or_repetition(
    target: Target, start_slow: StartJob
) -> None:
    job = start_slow()["job"]
    seen: list[Frame] = []
    for _ in range(4):
        with opened(target.url) as connection:
            after = seen[-1]["seq"] if seen else 0
            watching = connection.ask("watch", job=job, after=after)
            assert watching["recovered"] is True
            connection.until_seq(job, after + 4)
            seen += events_of(connection.frames, job)
            connection.socket.socket.close()  # no goodbye

    assert holes_in(seen) == []


def test_a_watcher_that_does_not_read_is_cut_off_and_delays_nobody(
    target: Target, connect: Connect, start_slow: StartJob
) -> None:
    other = connect()
    # Labels as large as the protocol lets them be make an answer of some 150 kB.
    label = uuid.uuid4().hex
    labels = [label, *(f"{number:060}" for number in range(19))]
    for _ in range(70):
        other.start(**target.quick.request(labels=labels))
    job = start_slow()["job"]
    deaf = connect(sock=small_socket(target.url), max_queue=1)
    deaf.ask("watch", job=job)
    both = other.ask("watch", job=job)["snapshot"]["watchers"]

    for _ in range(98):
        deaf.send({"action": "list", "filter": {"label": label}, "limit": 70})

    while (present := within_the_rate(other, "watch", job=job)["snapshot"])["watchers"] == both:
        other.until_seq(job, present["seq"] + 1)
    assert deaf.until_close() == 1013
    assert len(deaf.frames) < 98


def small_socket(url: str) -> socket.socket:
    """Return a connection to a server that takes little at a time."""
    parts = urlsplit(url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((parts.hostname, parts.port))
    return small
