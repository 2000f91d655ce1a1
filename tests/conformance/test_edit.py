"""PROTOCOL 2.2, 2.4 and 3: `edit` and `PATCH`, versions, and the `edited` event."""

import uuid
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.connection import Connection, Frame, holes_in
from tests.conformance.target import Target

Finished = tuple[str, list[Frame]]
EDITED = ("title", "note", "labels", "pinned", "version")
VALUES: dict[str, Any] = {
    "title": "Edited \N{PENCIL}",
    "note": "Two\nlines",
    "labels": ["one", "two"],
    "pinned": True,
}
TOO_MUCH = [
    {},
    {"title": ""},
    {"title": "  "},
    {"title": None},
    {"title": "x" * 201},
    {"title": "a\x00b"},
    {"note": None},
    {"note": 7},
    {"labels": "one"},
    {"labels": [""]},
    {"labels": ["x" * 61]},
    {"labels": [f"{number}" for number in range(21)]},
    {"pinned": "yes"},
    {"pinned": 1},
    {"pinned": None},
    {"state": "succeeded"},
    {"title": "x", "progress": 100},
]


@pytest.fixture
def job(http: httpx.Client, target: Target) -> str:
    """A job of this test alone, at version 1."""
    return http.post("jobs", json=target.quick.request(title="To be edited")).json()["job"]


@pytest.fixture
def ended(connect: Connect, target: Target) -> str:
    """A job of this test alone that has ended."""
    connection = connect()
    started = connection.start(**target.quick.request())["job"]
    connection.until_complete(started)
    return started


def patch(http: httpx.Client, job: str, version: object = None, **fields: Any) -> httpx.Response:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return http.patch(f"jobs/{job}", json=fields, headers=headers)


def edited_of(connection: Connection, job: str, version: int) -> Frame:
    """Return the event that brought a job to a version."""
    return connection.until(
        lambda frame: (
            frame.get("job") == job and frame["type"] == "edited" and frame["version"] == version
        ),
        f"version {version}",
    )


def test_a_new_job_has_version_1(http: httpx.Client, job: str) -> None:
    assert http.get(f"jobs/{job}").json()["version"] == 1


def test_an_edit_is_acknowledged_with_the_new_version(
    connect: Connect, http: httpx.Client, job: str
) -> None:
    ack = connect().ask("edit", job=job, set=VALUES, version=1)

    assert (ack["type"], ack["job"], ack["version"]) == ("ack", job, 2)
    snapshot = http.get(f"jobs/{job}").json()
    assert {key: snapshot[key] for key in EDITED} == {**VALUES, "version": 2}


def test_every_watcher_is_told_what_was_set_and_by_whom(
    target: Target, connect: Connect, job: str
) -> None:
    editor, watcher = connect(), connect()
    for connection in (editor, watcher):
        connection.ask("watch", job=job)

    editor.ask("edit", job=job, set={"title": "Shown"}, version=1)

    for connection in (editor, watcher):
        event = edited_of(connection, job, 2)
        assert event["set"] == {"title": "Shown"}
        assert event["by"] is None
        assert event["by_connection"] == editor.hello["connection"]
        assert event["by_connection"] != watcher.hello["connection"]


def test_an_edit_is_an_event_of_the_log_with_a_seq_of_its_own(connect: Connect, job: str) -> None:
    connection = connect()
    connection.ask("watch", job=job)
    connection.ask("edit", job=job, set={"pinned": True}, version=1)
    connection.until_complete(job)
    live = edited_of(connection, job, 2)

    late = connect()
    late.ask("watch", job=job, after=0)
    late.settle()

    events = late.events(job)
    assert holes_in(events) == []
    assert [event for event in events if event["type"] == "edited"] == [live]
    assert set(live) >= {"job", "seq", "state", "condition", "progress", "message", "eta", "at"}


def test_what_is_left_out_stays_as_it_is(http: httpx.Client, job: str) -> None:
    patch(http, job, 1, **VALUES)
    for version, name in enumerate(VALUES, 2):
        patch(http, job, version, **{name: VALUES[name]})

    snapshot = http.get(f"jobs/{job}").json()
    assert {key: snapshot[key] for key in EDITED} == {**VALUES, "version": 6}


def test_an_edit_of_an_older_version_is_a_conflict_with_the_present_values(
    connect: Connect, http: httpx.Client, job: str
) -> None:
    first, second = connect(), connect()
    first.ask("edit", job=job, set={"title": "First"}, version=1)

    error = second.ask("edit", job=job, set={"title": "Second"}, version=1)

    assert (error["type"], error["code"], error["job"]) == ("error", "conflict", job)
    present = http.get(f"jobs/{job}").json()
    assert error["details"] == {key: present[key] for key in EDITED}
    assert (present["title"], present["version"]) == ("First", 2)


def test_after_a_conflict_an_edit_of_the_present_version_is_taken(
    connect: Connect, job: str
) -> None:
    connection = connect()
    connection.ask("edit", job=job, set={"title": "First"}, version=1)
    present = connection.ask("edit", job=job, set={"title": "Second"}, version=1)["details"]

    ack = connection.ask("edit", job=job, set={"title": "Second"}, version=present["version"])

    assert ack["version"] == 3


def test_a_version_that_is_not_yet_there_is_a_conflict(connect: Connect, job: str) -> None:
    error = connect().ask("edit", job=job, set={"title": "Early"}, version=2)

    assert (error["code"], error["details"]["version"]) == ("conflict", 1)


def test_a_job_may_be_edited_after_its_end(connect: Connect, ended: str) -> None:
    connection = connect()
    seq = connection.ask("watch", job=ended)["seq"]

    connection.ask("edit", job=ended, set={"note": "Well done"}, version=1)

    event = edited_of(connection, ended, 2)
    assert (event["seq"], event["complete"], event["progress"]) == (seq + 1, True, 100)
    assert event["state"] == "succeeded"


def test_an_edit_after_the_end_changes_neither_state_nor_result(
    http: httpx.Client, ended: str
) -> None:
    before = http.get(f"jobs/{ended}").json()

    after = patch(http, ended, 1, note="x").json()

    changed = {key for key in before if before[key] != after[key]}
    assert changed - {"watchers"} == {"note", "version", "seq", "updated"}


def test_a_feed_of_a_label_is_told_when_a_job_gets_it_and_when_it_goes(
    connect: Connect, http: httpx.Client, ended: str
) -> None:
    label = uuid.uuid4().hex
    feed = connect()
    feed.ask("watch", feed="jobs", filter={"label": label})

    patch(http, ended, title="Not yet")
    patch(http, ended, labels=[label])
    patch(http, ended, labels=[])
    patch(http, ended, title="No longer")
    edited_of(feed, ended, 4)
    patch(http, ended, labels=[label])
    edited_of(feed, ended, 6)

    assert [event["version"] for event in feed.events(ended)] == [3, 4, 6]


def test_a_label_that_was_given_later_is_found_by_the_list(
    connect: Connect, http: httpx.Client, job: str
) -> None:
    label = uuid.uuid4().hex
    patch(http, job, labels=[label], title=f"Title {label}")

    for found in (
        connect().ask("list", filter={"label": label}),
        http.get("jobs", params={"label": label}).json(),
        http.get("jobs", params={"q": label}).json(),
    ):
        assert [snapshot["job"] for snapshot in found["jobs"]] == [job]


@pytest.mark.parametrize("fields", TOO_MUCH, ids=str)
def test_what_cannot_be_set_is_a_bad_message_and_sets_nothing(
    connect: Connect, http: httpx.Client, finished: Finished, fields: Frame
) -> None:
    before = http.get(f"jobs/{finished[0]}").json()

    error = connect().ask("edit", job=finished[0], set=fields, version=1)
    answer = patch(http, finished[0], 1, **fields)

    assert error["code"] == "bad_message"
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_message")
    changing = {"watchers": 0}  # they come and go
    assert http.get(f"jobs/{finished[0]}").json() | changing == before | changing


@pytest.mark.parametrize("version", ["1", 0, -1, 1.5, True])
def test_a_version_that_is_none_is_a_bad_message(
    connect: Connect, finished: Finished, version: object
) -> None:
    error = connect().ask("edit", job=finished[0], set={"pinned": True}, version=version)

    assert error["code"] == "bad_message"


def test_a_job_that_does_not_exist_cannot_be_edited(connect: Connect, http: httpx.Client) -> None:
    job = str(uuid.uuid4())

    assert connect().ask("edit", job=job, set=VALUES, version=1)["code"] == "unknown_job"
    answer = patch(http, job, 1, **VALUES)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


def test_edit_stands_in_can(http: httpx.Client, job: str, ended: str) -> None:
    for one in (job, ended):
        assert "edit" in http.get(f"jobs/{one}").json()["can"]


# --- PATCH ---


def test_a_patch_of_the_present_version_is_200_with_the_snapshot(
    http: httpx.Client, job: str
) -> None:
    answer = patch(http, job, 1, **VALUES)

    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in EDITED} == {**VALUES, "version": 2}
    assert answer.headers["ETag"] == f'W/"{answer.json()["seq"]}"'


def test_a_patch_comes_to_the_watchers(connect: Connect, http: httpx.Client, job: str) -> None:
    watcher = connect()
    watcher.ask("watch", job=job)

    patch(http, job, 1, title="By HTTP")

    event = edited_of(watcher, job, 2)
    assert event["set"] == {"title": "By HTTP"}
    assert event["by_connection"] is None


@pytest.mark.parametrize(
    "tag", ['"1"', '"3"', '"1", "3"', 'W/"2"', '"x"', '""', "x", "-2", '"99999999999999999999"']
)
def test_a_patch_of_another_version_is_412_with_the_present_values(
    http: httpx.Client, job: str, tag: str
) -> None:
    patch(http, job, 1, title="First")

    answer = http.patch(f"jobs/{job}", json={"title": "Second"}, headers={"If-Match": tag})

    assert answer.status_code == 412
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["status"], problem["job"]) == ("conflict", 412, job)
    present = http.get(f"jobs/{job}").json()
    assert problem["details"] == {key: present[key] for key in EDITED}
    assert (present["title"], present["version"]) == ("First", 2)


@pytest.mark.parametrize("tag", ['"2"', '"1", "2"', '"7" ,"2"', "2", "*"])
def test_if_match_may_name_several_versions_or_any(http: httpx.Client, job: str, tag: str) -> None:
    patch(http, job, 1, title="First")

    answer = http.patch(f"jobs/{job}", json={"title": "Second"}, headers={"If-Match": tag})

    assert (answer.status_code, answer.json()["version"]) == (200, 3)


# --- beyond PROTOCOL: docs/protocol.md ---


def test_without_a_version_the_last_edit_wins(
    connect: Connect, http: httpx.Client, job: str
) -> None:
    assert connect().ask("edit", job=job, set={"title": "One"})["version"] == 2
    assert patch(http, job, title="Two").json()["version"] == 3


def test_an_edit_that_sets_what_is_there_counts(http: httpx.Client, job: str) -> None:
    answer = patch(http, job, 1, title="To be edited")

    assert (answer.status_code, answer.json()["version"]) == (200, 2)


def test_a_title_is_told_without_the_blanks_around_it_and_a_label_once(
    connect: Connect, job: str
) -> None:
    connection = connect()
    connection.ask("watch", job=job)

    connection.ask("edit", job=job, set={"title": "  A ", "labels": ["b", "a", "b"]})

    assert edited_of(connection, job, 2)["set"] == {"title": "A", "labels": ["b", "a"]}
