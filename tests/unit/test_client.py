"""What decides in the client, without any I/O: streams, ways, pauses, positions, readings."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.client import BadAnswer, Conflict, Refused, ServerAway, SnapshotEvent
from progrock.client import __all__ as exported
from progrock.client.calls import problem
from progrock.client.effects import Lost, Reply, Unreached
from progrock.client.errors import ClientError
from progrock.client.events import read_event
from progrock.client.pauses import LONGEST_SECONDS, Pauses
from progrock.client.position import Known, News, Position
from progrock.client.route import RETRY_BETTER_SECONDS, Route, Transport
from progrock.client.server import Server
from progrock.client.session import NotPassing, Session, is_final
from progrock.client.sse import Message, StreamReader
from progrock.client.values import Snapshot
from progrock.protocol.codes import CloseCode
from tests.browser.played_server import event, snapshot

JOB = "0198c0de-0000-7000-8000-000000000001"
SERVER = Server(url="http://here", token=None)


# --- the event stream ---

STREAM = (
    ": a comment\nretry: 1000\n\nid: 7\nevent: progress\ndata: {}\n\ndata: one\r\ndata:two\r\n\r\n"
    "event: lost\n\nid: 8\ndata\n\nevent: late\rdata: three\r\r"
)
MESSAGES = [
    Message("progress", "{}", "7"),
    Message("message", "one\ntwo", "7"),
    Message("message", "", "8"),
    Message("late", "three", "8"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_a_stream_says_the_same_however_it_is_cut(cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(STREAM)]
    reader = StreamReader()
    found: list[Message] = []
    begin = 0
    for end in ends:
        found += reader.feed(STREAM[begin:end])
        begin = end
    assert found + reader.feed("\n") == MESSAGES


# --- ways ---


def test_the_next_way_is_taken_where_one_does_not_pass() -> None:
    route = Route()
    taken = []
    for _ in range(3):
        taken.append(route.choose(0.0))
        is_more = route.step_down(taken[-1])
    assert taken == list(Transport)
    assert not is_more
    assert route.choose(0.0) is Transport.WEBSOCKET


def test_two_who_find_out_at_once_step_down_once() -> None:
    route = Route()
    first, second = route.choose(0.0), route.choose(0.0)
    assert route.step_down(first)
    assert route.step_down(second)
    assert route.choose(0.0) is Transport.STREAM


def test_the_best_way_is_tried_again_after_a_while() -> None:
    route = Route()
    route.step_down(route.choose(100.0))
    assert route.choose(100.0 + RETRY_BETTER_SECONDS - 1) is Transport.STREAM
    assert route.choose(100.0 + RETRY_BETTER_SECONDS) is Transport.WEBSOCKET


def test_without_a_way_there_is_no_route() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Route([])


# --- pauses and patience ---


def test_pauses_double_with_full_jitter_up_to_a_bound() -> None:
    longest = Pauses(lambda: 1.0)
    assert [longest.next() for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    longest.reset()
    assert longest.next() == 0.5
    assert Pauses(lambda: 0.25).next() == 0.125
    assert Pauses(lambda: 1.0).next(is_overloaded=True) == 4
    many = Pauses(lambda: 1.0)
    assert max(many.next() for _ in range(5000)) == LONGEST_SECONDS


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def session(time: Time, **options: Any) -> Session:
    server = Server(url="http://here", token=None, clock=time, chance=lambda: 1.0)
    return Session(server, Route(), **{"patience": 60.0, **options})


def test_a_server_that_was_heard_is_tried_for_the_patience(time: Time) -> None:
    following = session(time)
    time.now = 59.0
    following.told()
    time.now = 118.0
    assert following.pause_after(Unreached("refused")) == 0.5
    time.now = 120.0
    with pytest.raises(ServerAway, match="refused"):
        following.pause_after(Unreached("refused"))


def test_a_connection_that_held_long_lets_pauses_begin_small(time: Time) -> None:
    following = session(time)
    assert [following.pause_after(Lost("lost")) for _ in range(3)] == [0.5, 1, 2]
    following.joined()
    time.now += 9.0
    assert following.pause_after(Lost("lost")) == 4
    following.joined()
    time.now += 10.0
    assert following.pause_after(Lost("lost")) == 0.5


def test_a_pause_ends_with_the_callers_timeout(time: Time) -> None:
    following = session(time, timeout=0.2, what=JOB)
    assert following.pause_after(Lost("lost")) == 0.2


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4499])
def test_after_these_close_codes_nothing_is_tried_again(time: Time, code: int) -> None:
    assert is_final(code)
    with pytest.raises(Refused):
        session(time).pause_after(Lost("closed", code))


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1009, 1012, 4408])
def test_after_these_close_codes_it_is_tried_again(time: Time, code: int | None) -> None:
    assert session(time).pause_after(Lost("closed", code)) == 0.5


@pytest.mark.parametrize("code", [CloseCode.TRY_LATER, CloseCode.FLOODING])
def test_a_server_that_asks_for_patience_gets_it(time: Time, code: int) -> None:
    assert session(time).pause_after(Lost("closed", code)) == 4


def test_a_way_that_does_not_pass_is_a_loss_too(time: Time) -> None:
    assert session(time).pause_after(NotPassing("no")) == 0.5


# --- positions ---


def position(seq: int = 3) -> Position:
    return Position(Known(Snapshot.read(snapshot(JOB, seq=seq))))


def test_an_event_is_next_or_old_or_behind_a_hole() -> None:
    at = position(3)
    assert at.look_at(event(JOB, 3)) is News.OLD
    assert at.look_at(event(JOB, 4)) is News.NEXT
    assert at.look_at(event(JOB, 6, skipped=2)) is News.NEXT
    assert at.look_at(event(JOB, 5, skipped=4)) is News.NEXT
    assert at.look_at(event(JOB, 5)) is News.HOLE
    assert at.look_at(event(JOB, 6, skipped=1)) is News.HOLE


def test_a_hole_that_stays_makes_it_begin_again() -> None:
    at = position(3)
    at.look_at(event(JOB, 9))
    assert at.after == 3
    at.look_at(event(JOB, 9))
    assert at.after is None
    told = at.begin_again(Snapshot.read(snapshot(JOB, seq=9, progress=50)))
    assert isinstance(told, SnapshotEvent)
    assert (at.seq, at.after, at.known.snapshot.progress) == (9, 9, 50)


def test_a_log_that_was_set_back_is_believed() -> None:
    at = position(30)
    told = at.begin_again(Snapshot.read(snapshot(JOB, seq=2)))
    assert told is not None
    assert (told.seq, at.seq, at.known.snapshot.seq) == (2, 2, 2)


def test_a_snapshot_that_says_nothing_new_is_not_told() -> None:
    assert position(3).begin_again(Snapshot.read(snapshot(JOB, seq=3))) is None


def test_events_keep_the_snapshot_up_to_date() -> None:
    at = position(3)
    at.take(event(JOB, 4, progress=10, message="one", eta=2.5))
    edited = event(JOB, 5, type="edited", set={"title": "New", "labels": ["x"]}, version=2, by=None)
    at.take({**edited, "progress": 10})
    at.known.learn_frame({"type": "presence", "job": JOB, "watchers": {"count": 4, "names": []}})
    now = at.known.snapshot
    assert (now.seq, now.progress, now.title, now.labels) == (5, 10, "New", ("x",))
    assert (now.version, now.watchers) == (2, 4)
    error = {"code": "backend_failed", "message": "no"}
    at.take(event(JOB, 6, type="complete", state="failed", complete=True, result=None, error=error))
    assert at.is_over
    assert at.known.snapshot.error is not None
    assert at.known.snapshot.error.message == "no"
    at.known.learn_frame(event(JOB, 2, progress=1))
    assert at.known.snapshot.seq == 6


# --- readings ---


def test_an_event_of_a_type_that_is_not_known_is_told_all_the_same() -> None:
    told = read_event(event(JOB, 4, type="rated", stars=5))
    assert (told.type, told.frame["stars"]) == ("rated", 5)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        event(JOB, 1, state="asleep"),
        event(JOB, 1, type="log"),
        event(JOB, 1, at="yesterday"),
        {"type": "state", "job": JOB, "seq": 1},
    ],
)
def test_an_event_that_cannot_be_read_is_said_to_be_bad(frame: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        read_event(frame)


@pytest.mark.parametrize("data", [None, [], {}, snapshot(JOB) | {"state": "asleep"}])
def test_a_snapshot_that_cannot_be_read_is_said_to_be_bad(data: Any) -> None:
    with pytest.raises(BadAnswer):
        Snapshot.read(data)


def reply(status: int, body: str, kind: str = "application/problem+json") -> Reply:
    return Reply(status, {"content-type": kind}, body.encode())


def test_problems_are_errors_with_the_servers_code() -> None:
    error = problem(
        SERVER,
        reply(429, '{"code":"rate_limited","message":"slow","retryable":true,"retry_after":2.5}'),
    )
    assert isinstance(error, Refused)
    assert (error.code, error.message, error.status) == ("rate_limited", "slow", 429)
    assert (error.is_retryable, error.retry_after) == (True, 2.5)
    conflict = problem(SERVER, reply(412, '{"code":"conflict","detail":"x","details":{"a":1}}'))
    assert isinstance(conflict, Conflict)
    assert conflict.details == {"a": 1}


def test_what_stands_before_the_server_is_told_from_it() -> None:
    assert isinstance(problem(SERVER, reply(502, "<html>", "text/html")), ServerAway)
    assert isinstance(problem(SERVER, reply(200, "<html>", "text/html")), BadAnswer)
    assert isinstance(problem(SERVER, reply(404, "[]")), BadAnswer)


# --- the face ---


def test_each_error_has_its_line_in_the_tree_and_a_code() -> None:
    import progrock.client.errors as module  # noqa: PLC0415 - its text is what is looked at

    kinds = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ClientError)
    ]
    tree = (module.__doc__ or "").splitlines()
    for kind in kinds:
        assert any(re.search(rf"── {kind.__name__}\b", line) for line in tree), kind
        assert kind.__name__ in exported


def test_addresses_are_built_with_what_is_asked() -> None:
    assert SERVER.api("jobs", {"state": ["a", "b"], "q": "ä &", "mine": True, "none": None}) == (
        "http://here/api/v1/jobs?state=a&state=b&q=%C3%A4+%26&mine=true"
    )
    assert SERVER.job("a/b") == "http://here/api/v1/jobs/a%2Fb"
    assert Server(url="https://here/below", token=None).websocket == "wss://here/below/prog/"
    with_token = Server(url="http://here", token="t")
    assert with_token.headers(If_Match='"3"') | {"User-Agent": ""} == {
        "User-Agent": "",
        "Authorization": "Bearer t",
        "If-Match": '"3"',
    }
