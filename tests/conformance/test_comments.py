"""PROTOCOL 2.2, 2.4 and 3: `comment`, its event, and the history of comments."""

import uuid
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.connection import Connection, Frame, holes_in
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]
NO_COMMENTS: list[Any] = [{}, {"text": ""}, {"text": "x" * 4_001}, {"text": None}, {"text": 7}]
NO_COMMENTS += [{"text": "a\x00b"}, {"text": ["a"]}]


@pytest.fixture
def ended(connect: Connect, target: Target) -> str:
    """A job of this test alone that has ended."""
    connection = connect()
    started = connection.start(**target.quick.request())["job"]
    connection.until_complete(started)
    return started


def said(connection: Connection, job: str, text: str) -> Frame:
    """Return the event that told a comment."""
    return connection.until(
        lambda frame: (
            frame.get("job") == job
            and frame["type"] == "comment"
            and frame["comment"]["text"] == text
        ),
        f"the comment {text!r}",
    )


def history(http: httpx.Client, job: str, **params: Any) -> Frame:
    answer = http.get(f"jobs/{job}/comments", params=params)
    assert answer.status_code == 200
    return answer.json()


def test_a_comment_is_acknowledged_and_told_to_all_watchers(
    target: Target, connect: Connect
) -> None:
    one, other = connect(), connect()
    job = one.start(**target.slow.request())["job"]
    other.ask("watch", job=job)

    ack = one.ask("comment", job=job, text="Hello \N{WAVING HAND SIGN}")

    assert (ack["type"], ack["job"]) == ("ack", job)
    for connection in (one, other):
        event = said(connection, job, "Hello \N{WAVING HAND SIGN}")
        assert set(event["comment"]) == {"id", "author", "text", "at"}
        assert event["comment"]["author"] is None
        assert event["comment"]["at"] == event["at"]
    one.ask("cancel", job=job)


def test_a_comment_is_an_event_of_the_log_with_a_seq_of_its_own(
    connect: Connect, ended: str
) -> None:
    connection = connect()
    seq = connection.ask("watch", job=ended)["seq"]
    connection.ask("comment", job=ended, text="one")
    live = said(connection, ended, "one")

    late = connect()
    late.ask("watch", job=ended, after=0)
    late.settle()

    assert live["seq"] == seq + 1
    assert late.events(ended)[-1] == live
    assert holes_in(late.events(ended)) == []


def test_after_the_end_a_comment_is_complete_too_and_changes_nothing(
    connect: Connect, http: httpx.Client, ended: str
) -> None:
    connection = connect()
    before = connection.ask("watch", job=ended)["snapshot"]

    connection.ask("comment", job=ended, text="Well done")

    event = said(connection, ended, "Well done")
    assert (event["complete"], event["state"], event["progress"]) == (True, "succeeded", 100)
    after = http.get(f"jobs/{ended}").json()
    changed = {key for key in before if before[key] != after[key]}
    assert changed - {"watchers"} == {"seq", "updated"}


def test_the_history_has_what_was_said_first_at_first(
    connect: Connect, http: httpx.Client, ended: str
) -> None:
    connection = connect()
    connection.ask("watch", job=ended)
    for number in range(3):
        connection.ask("comment", job=ended, text=f"{number}")
    said(connection, ended, "2")

    page = history(http, ended)

    assert page["next"] is None
    assert [comment["text"] for comment in page["comments"]] == ["0", "1", "2"]
    events = [event for event in connection.events(ended) if event["type"] == "comment"]
    assert page["comments"] == [event["comment"] for event in events]


def test_the_history_is_given_page_by_page(http: httpx.Client, ended: str) -> None:
    for number in range(5):
        http.post(f"jobs/{ended}/comments", json={"text": f"{number}"})

    seen, cursor = [], None
    while True:
        page = history(http, ended, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [comment["text"] for comment in page["comments"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == ["0", "1", "2", "3", "4"]


def test_a_job_of_which_nothing_was_said_has_no_comments(http: httpx.Client, ended: str) -> None:
    assert history(http, ended) == {"comments": [], "next": None}


def test_a_comment_over_http_is_201_and_comes_to_the_watchers(
    connect: Connect, http: httpx.Client, ended: str
) -> None:
    watcher = connect()
    watcher.ask("watch", job=ended)

    answer = http.post(f"jobs/{ended}/comments", json={"text": "By HTTP"})

    assert answer.status_code == 201
    assert answer.json() == said(watcher, ended, "By HTTP")["comment"]
    assert history(http, ended)["comments"] == [answer.json()]


@pytest.mark.parametrize("text", ["x", "\N{PILE OF POO}" * 4_000, "<b>&amp;\n\t\u202e"], ids=len)
def test_a_comment_has_1_to_4000_characters_and_stays_as_it_is(
    connect: Connect, http: httpx.Client, ended: str, text: str
) -> None:
    assert connect().ask("comment", job=ended, text=text)["type"] == "ack"
    assert http.post(f"jobs/{ended}/comments", json={"text": text}).status_code == 201
    assert [comment["text"] for comment in history(http, ended)["comments"]] == [text, text]


@pytest.mark.parametrize("fields", NO_COMMENTS, ids=lambda fields: f"{fields}"[:20])
def test_what_is_no_comment_is_a_bad_message(
    connect: Connect, http: httpx.Client, finished: Finished, fields: Frame
) -> None:
    assert connect().ask("comment", job=finished[0], **fields)["code"] == "bad_message"
    answer = http.post(f"jobs/{finished[0]}/comments", json=fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")
    assert history(http, finished[0])["comments"] == []


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"cursor": "-1"}, {"after": "9" * 30}],
    ids=str,
)
def test_a_page_of_comments_that_cannot_be_had_is_a_bad_message(
    http: httpx.Client, finished: Finished, params: dict[str, Any]
) -> None:
    answer = http.get(f"jobs/{finished[0]}/comments", params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")


def test_a_job_that_does_not_exist_has_no_comments(connect: Connect, http: httpx.Client) -> None:
    job = str(uuid.uuid4())

    assert connect().ask("comment", job=job, text="x")["code"] == "unknown_job"
    for answer in (
        http.get(f"jobs/{job}/comments"),
        http.post(f"jobs/{job}/comments", json={"text": "x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


def test_comment_stands_in_can(http: httpx.Client, finished: Finished) -> None:
    assert "comment" in http.get(f"jobs/{finished[0]}").json()["can"]


# --- beyond PROTOCOL: docs/protocol.md ---


def test_the_ack_brings_the_comment(connect: Connect, ended: str) -> None:
    connection = connect()
    connection.ask("watch", job=ended)

    ack = connection.ask("comment", job=ended, text="mine")

    assert ack["comment"] == said(connection, ended, "mine")["comment"]


def test_after_an_id_the_later_comments_come(http: httpx.Client, ended: str) -> None:
    made = [
        http.post(f"jobs/{ended}/comments", json={"text": f"{number}"}).json()
        for number in range(3)
    ]

    assert history(http, ended, after=made[0]["id"])["comments"] == made[1:]
