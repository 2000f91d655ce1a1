"""The way of a job (DESIGN 3) from a backend that does as it is told to those who watch."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from tests.conformance.connection import (
    DEADLINE_SECONDS,
    Connection,
    Frame,
    events_of,
    holes_in,
    opened,
)
from tests.conformance.stack import Stack, halted, open_stack, tracebacks
from tests.scripted_backend import Reply, Script, ScriptedBackend

Start = Callable[..., str]


@pytest.fixture(scope="module")
def stack(pytestconfig: pytest.Config) -> Stack:
    return open_stack(pytestconfig)


@pytest.fixture(scope="module")
def backend(stack: Stack) -> ScriptedBackend:
    return stack.backend


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


@pytest.fixture
def start(api: httpx.Client) -> Iterator[Start]:
    """Start jobs of a script; those that have not ended are cancelled."""
    started: list[str] = []

    def start_one(script: Script, backend: str = "steps") -> str:
        answer = api.post("jobs", json={"backend": backend, "params": script.params})
        assert answer.status_code == 202, answer.text
        started.append(answer.json()["job"])
        return started[-1]

    yield start_one
    for job in started:
        api.post(f"jobs/{job}/cancel", json={})


@pytest.fixture
def watcher(stack: Stack) -> Iterator[Connection]:
    with opened(stack.url) as connection:
        yield connection


def end_of(watcher: Connection, job: str) -> list[Frame]:
    """Watch a job from its beginning to its end; return its whole log, which must be sound."""
    watching = watcher.ask("watch", job=job, after=0)
    watcher.until_complete(job)
    watcher.settle()
    events = events_of(watcher.frames[watcher.frames.index(watching) :], job)
    assert holes_in(events) == []
    assert [event["type"] for event in events].count("complete") == 1
    return events


def figures(events: list[Frame]) -> list[float]:
    """Return the different figures that a bar shows, in their order."""
    shown = [event["progress"] for event in events if event["progress"] is not None]
    return list(dict.fromkeys(shown))


def changes(events: list[Frame]) -> list[tuple[str, str]]:
    """Return the states and conditions that a job went through."""
    return list(dict.fromkeys((event["state"], event["condition"]) for event in events))


# --- one poll for everybody ---


def test_twenty_watchers_cost_the_backend_as_many_requests_as_none(
    stack: Stack, backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    steps = [{"state": "running", "progress": 10 * step} for step in range(8)]
    alone = backend.script(*steps, {"state": "succeeded"})
    crowded = backend.script(*steps, {"state": "succeeded"})

    job = start(alone)
    with httpx.Client(base_url=stack.url, timeout=DEADLINE_SECONDS) as client:
        while not client.get(f"/api/v1/jobs/{job}?after=0&wait=1").json()["complete"]:
            pass
    with ExitStack() as connections:
        watchers = [connections.enter_context(opened(stack.url)) for _ in range(20)]
        for one in watchers:
            one.ask("watch", feed="jobs")
        job = start(crowded)
        logs = [end_of(one, job) for one in watchers]

    assert [(len(script.starts), len(script.polls)) for script in (alone, crowded)] == [(1, 9)] * 2
    assert all(log == logs[0] for log in logs)


def test_a_job_that_nobody_watches_runs_to_its_end(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running"}, {"state": "succeeded"})
    job = start(script)
    backend.wait_for(lambda: len(script.polls) == 2, "two polls")

    assert end_of(watcher, job)[-1]["state"] == "succeeded"


def test_a_job_that_has_ended_is_not_polled_again(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "succeeded"})
    end_of(watcher, start(script))
    later = backend.script(*[{"progress": step} for step in range(5)], {"state": "succeeded"})

    end_of(watcher, start(later))

    assert len(script.polls) == 1


def test_polls_are_counted_from_when_they_were_due_and_not_from_their_answer(
    backend: ScriptedBackend, start: Start
) -> None:
    """A slow answer does not make a slow pace: both jobs are asked for equally often."""
    quick = backend.script({"state": "running"})
    slow = backend.script(Reply(body={"state": "running"}, delay=0.4))
    start(quick, "steady")
    start(slow, "steady")
    backend.wait_for(lambda: bool(quick.polls and slow.polls), "a poll of each")
    before = len(quick.polls), len(slow.polls)

    backend.wait_for(lambda: len(quick.polls) >= before[0] + 8, "eight polls")

    # Counted from the answer, there would be no more than five.
    assert len(slow.polls) - before[1] >= 6


# --- what a reply means ---


def test_progress_that_goes_back_is_not_shown_but_its_message_is(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        {"state": "running", "progress": 10, "message": "one"},
        {"state": "running", "progress": 50, "message": "two"},
        {"state": "running", "progress": 30, "message": "back"},
        {"state": "running", "progress": 60, "message": "on"},
        {"state": "succeeded"},
    )

    events = end_of(watcher, start(script))

    assert figures(events) == [10, 50, 60, 100]
    back = next(event for event in events if event["message"] == "back")
    assert back["progress"] == 50


def test_100_is_not_shown_before_the_job_has_succeeded(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        {"state": "running", "progress": 100}, {"state": "running", "progress": 100},
        {"state": "succeeded"},
    )  # fmt: skip

    events = end_of(watcher, start(script))

    assert [event["complete"] for event in events if event["progress"] == 100] == [True]


def test_a_job_that_failed_does_not_end_at_100(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"progress": 70}, {"state": "failed", "progress": 100})

    assert end_of(watcher, start(script))[-1]["progress"] in {70, 99, 99.9}


@pytest.mark.parametrize("progress", [-5, 500, "forty", {}, [], True, 1e400], ids=str)
def test_progress_that_is_no_figure_from_0_to_100_does_no_harm(
    backend: ScriptedBackend, start: Start, watcher: Connection, progress: Any
) -> None:
    script = backend.script({"progress": 20}, {"progress": progress}, {"state": "succeeded"})

    shown = figures(end_of(watcher, start(script)))

    assert shown[0] == 20
    assert all(20 <= figure <= 100 for figure in shown)
    assert shown[-1] == 100


def test_a_job_that_says_nothing_of_its_progress_is_indeterminate(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running", "message": "busy"}, {"state": "succeeded"})

    events = end_of(watcher, start(script))

    assert {event["progress"] for event in events if not event["complete"]} == {None}
    assert events[-1]["progress"] == 100


def test_current_and_total_give_the_progress(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        {"state": "running", "current": 1, "total": 4, "unit": "rows"}, {"state": "succeeded"}
    )

    event = next(event for event in end_of(watcher, start(script)) if event["progress"])

    assert [event[key] for key in ("progress", "current", "total", "unit")] == [25, 1, 4, "rows"]


def test_steps_stand_in_the_snapshot(
    backend: ScriptedBackend, start: Start, watcher: Connection, api: httpx.Client
) -> None:
    steps = [
        {"name": "read", "state": "succeeded", "progress": 100},
        {"name": "write", "state": "running", "progress": 40},
    ]
    script = backend.script({"state": "running", "steps": steps}, {"state": "succeeded"})
    job = start(script)
    end_of(watcher, job)

    shown = api.get(f"jobs/{job}").json()["steps"]

    assert [step["name"] for step in shown] == ["read", "write"]
    assert [set(step) for step in shown] == [{"name", "state", "progress"}] * 2


@pytest.mark.parametrize(
    "result", [{"rows": [1, 2.5, None, {"ä": "✓"}]}, [], 0, False, "text", None], ids=str
)
def test_the_result_is_any_json(
    backend: ScriptedBackend, start: Start, watcher: Connection, api: httpx.Client, result: Any
) -> None:
    script = backend.script({"state": "succeeded", "result": result})
    job = start(script)

    assert end_of(watcher, job)[-1]["result"] == result
    assert api.get(f"jobs/{job}").json()["result"] == result


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"code": "disk_full", "message": "The disk is full."}, "The disk is full."),
        ("The disk is full.", "The disk is full."),
    ],
    ids=["object", "text"],
)
def test_a_failed_job_has_the_backends_reason(
    backend: ScriptedBackend, start: Start, watcher: Connection, error: Any, message: str
) -> None:
    script = backend.script({"progress": 70}, {"state": "failed", "error": error})

    complete = end_of(watcher, start(script))[-1]

    assert complete["state"] == "failed"
    assert complete["error"]["code"] == "backend_failed"
    assert message in complete["error"]["message"]


def test_a_job_may_be_finished_already_at_the_start(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    finished = {"id": "x", "state": "succeeded", "result": {"rows": 3}}
    script = backend.script(start=[Reply(status=200, body=finished)])

    complete = end_of(watcher, start(script))[-1]

    assert (complete["state"], complete["progress"]) == ("succeeded", 100)
    assert complete["result"] == {"rows": 3}
    assert script.polls == []


def test_the_words_of_a_backend_are_translated(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "waiting"}, {"state": "busy"}, {"state": "done"})

    events = end_of(watcher, start(script, "worded"))

    states = [state for state, _ in changes(events)]
    assert states == ["pending", "queued", "running", "succeeded"]


@pytest.mark.parametrize("word", ["meditating", 7, "", None, {"a": 1}, "SUCCEEDED!"], ids=str)
def test_an_unknown_word_keeps_the_job_running(
    backend: ScriptedBackend, start: Start, watcher: Connection, word: Any
) -> None:
    script = backend.script(
        {"state": "running", "progress": 10}, {"state": word, "progress": 20},
        {"state": word, "progress": 30}, {"state": "succeeded"},
    )  # fmt: skip

    events = end_of(watcher, start(script))

    assert figures(events) == [10, 20, 30, 100]
    assert {event["state"] for event in events} <= {"pending", "queued", "running", "succeeded"}


def test_an_unknown_word_is_reported_once(
    stack: Stack, backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        *[{"state": "levitating", "progress": step} for step in range(5)], {"state": "succeeded"}
    )

    end_of(watcher, start(script))

    reported = [line for line in stack.launcher.log.splitlines() if "levitating" in line]
    assert len(reported) == 1
    assert "warning" in reported[0]


def test_states_are_not_taken_backwards(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        {"state": "running", "progress": 10}, {"state": "queued", "progress": 20},
        {"state": "pending", "progress": 30}, {"state": "succeeded"},
    )  # fmt: skip

    events = end_of(watcher, start(script))

    states = [state for state, _ in changes(events)]
    assert [state for state in states if state != "queued"] == ["pending", "running", "succeeded"]
    assert "queued" not in states[states.index("running") :]


# --- a backend that does not answer as it should ---


def test_a_backend_that_goes_down_and_comes_back_loses_nothing(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running", "progress": 10})
    job = start(script)
    watcher.ask("watch", job=job, after=0)
    watcher.until(lambda frame: frame.get("progress") == 10, "10 %")

    with away(backend):
        told = watcher.until(
            lambda frame: frame.get("job") == job and frame.get("condition") == "unreachable",
            "unreachable",
        )
    script.say({"state": "running", "progress": 20}, {"state": "succeeded"})
    events = end_of(watcher, job)

    assert told["type"] == "state"
    assert told["state"] == "running"
    assert changes(events)[-3:] == [
        ("running", "ok"), ("running", "unreachable"), ("succeeded", "ok"),
    ]  # fmt: skip
    assert [event["type"] for event in events if event["condition"] == "unreachable"] == ["state"]
    after = events[events.index(told) + 1] if told in events else None
    assert after is None or (after["type"], after["condition"]) == ("state", "ok")
    assert len(script.starts) == 1


@contextmanager
def away(backend: ScriptedBackend) -> Iterator[None]:
    backend.down()
    try:
        yield
    finally:
        backend.up()


@pytest.mark.parametrize(
    "broken",
    [
        Reply(status=500),
        Reply(status=503, body="<html>Sorry</html>"),
        Reply(status=429),
        Reply(reset=True),
        Reply(raw=b"\x00\x01\x02 garbage\r\n\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        Reply(status=302, headers={"Location": "/trap"}),
        Reply(body=b"[" + b"1," * 700_000 + b"1]"),
    ],
    ids=["500", "503", "429", "reset", "garbage", "truncated", "redirect", "too large"],
)
def test_a_poll_that_fails_is_no_end(
    backend: ScriptedBackend, start: Start, watcher: Connection, broken: Reply
) -> None:
    script = backend.script(
        {"state": "running", "progress": 10}, broken, {"state": "running", "progress": 20},
        {"state": "succeeded"},
    )  # fmt: skip

    events = end_of(watcher, start(script))

    assert figures(events) == [10, 20, 100]
    assert len(script.polls) == 4


@pytest.mark.parametrize(
    "strange",
    [
        Reply(body="hello"), Reply(body=b"\xff\xfe\x00"), Reply(body=b""), Reply(body="[1, 2]"),
        Reply(body="null"), Reply(body='{"state": "running", "progress": NaN}'),
        Reply(status=204),
    ],
    ids=["text", "bytes", "empty", "list", "null", "nan", "204"],
)  # fmt: skip
def test_a_reply_of_which_nothing_can_be_read_is_no_end(
    backend: ScriptedBackend, start: Start, watcher: Connection, strange: Reply
) -> None:
    script = backend.script({"progress": 10}, strange, {"progress": 20}, {"state": "succeeded"})

    assert figures(end_of(watcher, start(script))) == [10, 20, 100]


@pytest.mark.parametrize(
    "poison",
    [
        '{"state": "running", "result": ' + "[" * 500 + "]" * 500 + "}",
        '{"state": "running", "message": "\\u0000 \\ud800"}',
        '{"state": "running", "current": 1e400, "total": 1e-400}',
        '{"state": "running", "current": ' + "9" * 400 + ', "total": 1}',
        '{"state": "running", "total": 0, "current": 5, "unit": 7, "message": {"a": [1]}}',
        '{"state": "running", "steps": [7, null, {"name": {}}, {"progress": "x"}]}',
        '{"state": "running", "steps": {"name": "x"}, "error": [1], "log": {"a": 1}}',
        '{"state": "running", "message": "' + "x" * 500_000 + '", "unit": "' + "y" * 5000 + '"}',
        '{"state": {"state": "running"}, "result": {"state": "running"}}',
    ],
    ids="deep text infinite digits types steps shapes long nested".split(),
)
def test_a_poisonous_reply_harms_neither_its_job_nor_another(
    backend: ScriptedBackend, start: Start, watcher: Connection, poison: str
) -> None:
    poisoned = backend.script({"progress": 10}, Reply(body=poison), {"state": "succeeded"})
    healthy = backend.script(*[{"progress": step} for step in range(6)], {"state": "succeeded"})
    jobs = [start(poisoned, "other"), start(healthy, "other")]

    assert [end_of(watcher, job)[-1]["state"] for job in jobs] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("result", ["[" * 500 + "]" * 500, r'"\ud800"', "1e400"], ids=len)
def test_a_job_with_a_poisonous_result_ends(
    backend: ScriptedBackend, start: Start, watcher: Connection, result: str
) -> None:
    end = Reply(body=f'{{"state": "succeeded", "result": {result}}}')
    script = backend.script({"progress": 10}, end)

    assert end_of(watcher, start(script, "doubtful"))[-1]["state"] in {"succeeded", "failed"}


def test_a_redirect_is_not_followed(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    backend.at("GET", "/trapdoor", {"state": "succeeded"})
    away = Reply(status=307, headers={"Location": f"{backend.url}/trapdoor"})
    script = backend.script(away, {"state": "succeeded"})

    end_of(watcher, start(script))

    assert backend.requests_at("/trapdoor") == []


@pytest.mark.parametrize("broken", [Reply(status=500), Reply(reset=True)], ids=["500", "reset"])
def test_a_backend_that_does_not_answer_for_long_is_given_up(
    backend: ScriptedBackend, start: Start, watcher: Connection, broken: Reply
) -> None:
    script = backend.script({"state": "running", "progress": 10}, broken)

    events = end_of(watcher, start(script, "doubtful"))

    assert events[-1]["state"] == "failed"
    assert events[-1]["error"]["code"] == "backend_unreachable"
    assert len(script.polls) >= 4


def test_only_failures_in_a_row_count(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    twice = [Reply(status=500), Reply(status=500)]
    script = backend.script(
        {"progress": 1}, *twice, {"progress": 2}, *twice, {"progress": 3}, {"state": "succeeded"}
    )

    assert end_of(watcher, start(script, "doubtful"))[-1]["state"] == "succeeded"


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_the_backend_no_longer_knows_is_lost(
    backend: ScriptedBackend, start: Start, watcher: Connection, status: int
) -> None:
    script = backend.script({"state": "running", "progress": 10}, Reply(status=status))

    complete = end_of(watcher, start(script, "forgetful"))[-1]

    assert complete["state"] == "failed"
    assert complete["error"]["code"] == "lost"


def test_gone_means_not_yet_for_a_while_after_the_start(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(Reply(status=404), {"progress": 10}, {"state": "succeeded"})

    assert end_of(watcher, start(script))[-1]["state"] == "succeeded"


# --- the start ---


@pytest.mark.parametrize("name", ["steps", "fragile"])
@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_start_that_is_refused_fails_with_the_reason(
    backend: ScriptedBackend, start: Start, watcher: Connection, name: str, status: int
) -> None:
    refusal = Reply(status=status, body={"error": "No more than 3 pictures a day."})
    script = backend.script(start=[refusal])

    complete = end_of(watcher, start(script, name))[-1]

    assert complete["state"] == "failed"
    assert complete["error"]["code"] == "backend_refused"
    assert "No more than 3 pictures a day." in complete["error"]["message"]
    assert len(script.starts) == 1


@pytest.mark.parametrize(
    "broken",
    [Reply(status=500), Reply(status=429), Reply(reset=True)],
    ids=["500", "429", "reset"],
)
def test_an_idempotent_start_that_fails_is_sent_again_under_the_same_key(
    backend: ScriptedBackend, start: Start, watcher: Connection, broken: Reply
) -> None:
    accepted = Reply(status=202, body=lambda operation: {"id": operation})
    script = backend.script({"state": "succeeded"}, start=[broken, accepted])

    events = end_of(watcher, start(script))

    assert events[-1]["state"] == "succeeded"
    assert len(script.starts) == 2
    assert len({request.headers["idempotency-key"] for request in script.starts}) == 1


def test_a_start_that_is_not_idempotent_is_not_sent_again_after_a_500(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script(start=[Reply(status=500)])

    complete = end_of(watcher, start(script, "fragile"))[-1]

    assert complete["state"] == "failed"
    assert complete["error"]["code"] in {"backend_refused", "start_unknown"}
    assert len(script.starts) == 1


def test_a_start_that_is_not_idempotent_and_gets_no_answer_is_never_sent_twice(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    answer = threading.Event()
    hanging = backend.script(start=[Reply(gate=answer)])
    dropped = backend.script(start=[Reply(reset=True)])
    jobs = [start(hanging, "fragile"), start(dropped, "fragile")]

    ends = [end_of(watcher, job)[-1] for job in jobs]
    answer.set()

    assert [end["state"] for end in ends] == ["failed", "failed"]
    assert [end["error"]["code"] for end in ends] == ["start_unknown", "start_unknown"]
    assert (len(hanging.starts), len(dropped.starts)) == (1, 1)


def test_a_start_carries_the_params_as_they_are(
    backend: ScriptedBackend, api: httpx.Client
) -> None:
    script = backend.script({"state": "succeeded"})
    params = {"script": script.name, "text": "{job} ${HOME} ä", "list": [1, None, {"x": 0.5}]}

    api.post("jobs", json={"backend": "other", "params": params})
    backend.wait_for(lambda: bool(script.starts), "a start")

    assert script.starts[0].json == params


ODD = {
    "not a number": "NaN",
    "infinity": "-Infinity",
    "too large": "1e400",
    "400 digits": "9" * 400,
    "half a character": r'"\ud800"',
    "half a character as a key": r'{"\udfff": 1}',
    "NUL": r'"\u0000"',
    "deep": "[" * 500 + "]" * 500,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_params_that_cannot_be_kept_are_refused_over_http(
    backend: ScriptedBackend, api: httpx.Client, watcher: Connection, odd: str
) -> None:
    script = backend.script({"state": "succeeded"})
    body = f'{{"backend": "other", "params": {{"script": "{script.name}", "odd": {odd}}}}}'

    answer = api.post("jobs", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in {202, 400, 422}, answer.text
    if answer.status_code == 202:
        assert end_of(watcher, answer.json()["job"])[-1]["state"] == "succeeded"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_params_that_cannot_be_kept_are_refused_over_the_websocket(
    backend: ScriptedBackend, watcher: Connection, odd: str
) -> None:
    script = backend.script({"state": "succeeded"})
    params = f'{{"script": "{script.name}", "odd": {odd}}}'

    watcher.send(f'{{"action": "start", "backend": "other", "params": {params}}}')
    answer = watcher.until(lambda frame: frame["type"] in {"started", "error"}, "an answer")

    assert answer["type"] == "started" or answer["code"] in {"bad_json", "bad_message"}, answer
    if answer["type"] == "started":
        assert end_of(watcher, answer["job"])[-1]["state"] == "succeeded"


# --- the end by our own decision ---


def test_a_job_past_its_deadline_is_timed_out_and_cancelled_at_the_backend(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running", "progress": 10})

    complete = end_of(watcher, start(script, "brief"))[-1]
    backend.wait_for(lambda: bool(script.cancels), "a cancel")

    assert complete["state"] == "timed_out"
    assert complete["error"]["code"] == "timed_out"
    assert complete["progress"] == 10


def test_a_job_that_does_not_move_is_stalled_and_moves_again(
    backend: ScriptedBackend, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running", "progress": 10})
    job = start(script, "sluggish")
    watcher.ask("watch", job=job, after=0)
    stalled = watcher.until(lambda frame: frame.get("condition") == "stalled", "stalled")

    script.say({"state": "running", "progress": 20}, {"state": "succeeded"})
    events = end_of(watcher, job)

    assert (stalled["type"], stalled["state"]) == ("state", "running")
    assert changes(events)[-1] == ("succeeded", "ok")
    assert next(event for event in events if event["progress"] == 20)["condition"] == "ok"


def test_a_cancel_before_the_start_was_sent_needs_no_backend(
    stack: Stack,
    backend: ScriptedBackend,
    api: httpx.Client,
    start: Start,
    watcher: Connection,
) -> None:
    script = backend.script({"state": "running"})
    with halted(stack.launcher.pid_of("worker")):
        job = start(script)
        answer = api.post(f"jobs/{job}/cancel", json={})
    events = end_of(watcher, job)

    assert answer.status_code == 202
    assert events[-1]["state"] == "cancelled"
    assert script.requests == []


def test_a_cancel_while_the_start_is_under_way_reaches_the_backend_afterwards(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    answer = threading.Event()
    accepted = Reply(status=202, body=lambda operation: {"id": operation}, gate=answer)
    script = backend.script({"state": "running"}, start=[accepted])
    job = start(script)
    backend.wait_for(lambda: bool(script.starts), "the start")

    turned = api.post(f"jobs/{job}/cancel", json={}).json()
    answer.set()
    events = end_of(watcher, job)

    assert turned["state"] == "cancelling"
    assert events[-1]["state"] == "cancelled"
    assert script.cancels


def test_a_cancel_that_comes_too_late_does_not_undo_the_success(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running"}, cancelled=[{"state": "succeeded", "result": 1}])
    job = start(script)
    backend.wait_for(lambda: bool(script.polls), "a poll")

    api.post(f"jobs/{job}/cancel", json={})
    events = end_of(watcher, job)

    assert [state for state, _ in changes(events)][-2:] == ["cancelling", "succeeded"]
    assert events[-1]["result"] == 1


def test_a_cancelling_job_still_shows_how_far_it_is(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    winding_down = [{"state": "running", "progress": 60}, {"state": "cancelled", "progress": 60}]
    script = backend.script({"state": "running", "progress": 50}, cancelled=winding_down)
    job = start(script)
    watcher.ask("watch", job=job)
    watcher.until(lambda frame: frame.get("progress") == 50, "50 %")

    api.post(f"jobs/{job}/cancel", json={})
    events = end_of(watcher, job)

    at_60 = next(event for event in events if event["progress"] == 60)
    assert at_60["state"] == "cancelling"
    assert events[-1]["state"] == "cancelled"


def test_a_job_that_is_gone_after_our_cancel_is_cancelled(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running"}, cancelled=[Reply(status=404)])
    job = start(script, "forgetful")
    backend.wait_for(lambda: bool(script.polls), "a poll")

    api.post(f"jobs/{job}/cancel", json={})

    assert end_of(watcher, job)[-1]["state"] == "cancelled"


def test_a_backend_that_refuses_a_cancel_ends_the_job_in_its_own_way(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    script = backend.script({"state": "running"}, cancel=[Reply(status=409)])
    job = start(script)
    backend.wait_for(lambda: bool(script.polls), "a poll")

    api.post(f"jobs/{job}/cancel", json={})
    backend.wait_for(lambda: bool(script.cancels), "the cancel")
    script.say({"state": "running"}, {"state": "succeeded"})

    assert end_of(watcher, job)[-1]["state"] == "succeeded"


def test_many_cancels_at_once_are_sent_to_the_backend_once(
    backend: ScriptedBackend, api: httpx.Client, start: Start, watcher: Connection
) -> None:
    script = backend.script(
        {"state": "running"}, cancelled=[{"state": "running"}] * 5 + [{"state": "cancelled"}]
    )
    job = start(script)
    backend.wait_for(lambda: bool(script.polls), "a poll")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post(f"jobs/{job}/cancel", json={}), range(8)))
    end_of(watcher, job)

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len(script.cancels) == 1


def test_no_part_printed_a_traceback(stack: Stack, pytestconfig: pytest.Config) -> None:
    """Whatever clients and backends said so far, it was foreseen."""
    assert tracebacks(pytestconfig) == []
