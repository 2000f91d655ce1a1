"""PROTOCOL 2.6: rights count at each moment, and those of an owner are nobody else's."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.connection import Connection, Frame, opened
from tests.conformance.published import client_of
from tests.conformance.target import ClosedTarget, Visitor

EDIT = {"set": {"title": "Mine now"}, "version": 1}
HIDDEN: list[tuple[str, Frame]] = [("retry", {}), ("edit", EDIT), ("comment", {"text": "x"})]


@pytest.fixture
def join(closed: ClosedTarget) -> Iterator[Connect]:
    """Open connections to `/prog/` of the closed server."""
    with ExitStack() as stack:

        def open_one(visitor: Visitor | None = None, **options: Any) -> Connection:
            if visitor is not None:
                options["additional_headers"] = bearer(visitor)
            return stack.enter_context(opened(closed.url, **options))

        yield open_one


@pytest.fixture
def api(closed: ClosedTarget) -> Iterator[httpx.Client]:
    with client_of(closed.url, "/api/v1/") as client:
        yield client


def bearer(visitor: Visitor) -> dict[str, str]:
    return {"Authorization": f"Bearer {visitor.token}"}


def log_in(client: httpx.Client, closed: ClosedTarget) -> None:
    if not closed.staff.password:
        pytest.skip("no password was named")  # of a server named by its address; ours has one
    client.get("/admin/login/")
    form = {
        "username": closed.staff.name,
        "password": closed.staff.password,
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
        "next": "/healthz",
    }
    answer = client.post("/admin/login/", data=form, headers={"Origin": closed.url})
    assert answer.status_code == 302, answer.text


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_connection_whose_session_is_logged_out_is_closed_with_4401(
    closed: ClosedTarget, join: Connect
) -> None:
    with client_of(closed.url) as browser:
        log_in(browser, closed)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        connection = join(origin=closed.url, additional_headers={"Cookie": cookies})
        bystander = join(closed.staff)
        assert connection.ask("list")["type"] == "jobs"

        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        answer = browser.post("/admin/logout/", data=form, headers={"Origin": closed.url})

    assert answer.status_code in {200, 302}, answer.text
    assert connection.until_close() == 4401
    assert connection.frames[-1]["code"] == "not_authenticated"
    assert bystander.ask("list")["type"] == "jobs"


@pytest.mark.parametrize(("action", "fields"), HIDDEN, ids=[action for action, _ in HIDDEN])
def test_who_may_not_see_a_job_gets_unknown_job_from_every_action(
    closed: ClosedTarget, join: Connect, action: str, fields: Frame
) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]
    other = join(closed.other)

    hidden = other.ask(action, job=job, **fields)
    absent = other.ask(action, job=str(uuid.uuid4()), **fields)

    assert hidden["code"] == absent["code"] == "unknown_job"
    assert set(hidden) == set(absent)


@pytest.mark.parametrize(
    ("method", "call", "body"),
    [
        ("POST", "/retry", {}),
        ("PATCH", "", {"title": "Mine now"}),
        ("GET", "/comments", None),
        ("POST", "/comments", {"text": "x"}),
        ("POST", "/share", {}),
    ],
)
def test_and_404_from_every_call(
    closed: ClosedTarget,
    api: httpx.Client,
    join: Connect,
    method: str,
    call: str,
    body: Frame | None,
) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]

    for path in (job, uuid.uuid4()):
        answer = api.request(method, f"jobs/{path}{call}", json=body, headers=bearer(closed.other))
        assert problem(answer) == (404, "unknown_job")
    answer = api.request(method, f"jobs/{job}{call}", json=body)
    assert problem(answer) == (401, "not_authenticated")


def test_edits_and_comments_name_who_made_them(
    closed: ClosedTarget, api: httpx.Client, join: Connect
) -> None:
    owner = join(closed.one)
    job = owner.start(**closed.work.request())["job"]

    join(closed.staff).ask("edit", job=job, set={"note": "Seen"}, version=1)
    api.post(f"jobs/{job}/comments", json={"text": "Mine"}, headers=bearer(closed.one))

    edited = owner.until(lambda frame: frame["type"] == "edited", "the edit")
    comment = owner.until(lambda frame: frame["type"] == "comment", "the comment")
    assert edited["by"] == closed.staff.name
    assert comment["comment"]["author"] == closed.one.name


def test_a_share_lets_somebody_without_an_account_watch_the_job_of_another(
    closed: ClosedTarget, api: httpx.Client, join: Connect
) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]
    token = api.post(f"jobs/{job}/share", json={}, headers=bearer(closed.one)).json()["token"]

    reader = join()
    reader.ask("auth", token=token)
    reader.ask("watch", job=job, after=0)

    assert reader.until_complete(job)["state"] == "succeeded"
    answer = api.get(f"jobs/{job}", headers={"Authorization": f"Bearer {token}"})
    assert (answer.json()["owner"], answer.json()["can"]) == (closed.one.name, [])


def test_only_a_share_token_may_stand_in_an_address_and_only_of_events(
    closed: ClosedTarget, api: httpx.Client, join: Connect
) -> None:
    job = join(closed.one).start(**closed.work.request())["job"]
    token = api.post(f"jobs/{job}/share", json={}, headers=bearer(closed.one)).json()["token"]

    assert api.get(f"jobs/{job}/events", params={"token": token, "after": 0}).status_code == 200
    for path, wrong in (
        (f"jobs/{job}/events", closed.one.token),
        (f"jobs/{job}/events", token + "x"),
        (f"jobs/{job}", token),
        ("jobs", token),
    ):
        answer = api.get(path, params={"token": wrong, "after": 0})
        assert problem(answer) == (401, "not_authenticated")
    for headers in ({}, {"Accept": "text/event-stream"}):
        params = {"token": closed.one.token}
        answer = api.get(f"jobs/{job}/events", params=params, headers=headers)
        assert problem(answer) == (401, "not_authenticated")


def test_a_retry_by_staff_stays_the_owners(closed: ClosedTarget, join: Connect) -> None:
    owner = join(closed.one)
    job = owner.start(**closed.work.request())["job"]
    owner.until_complete(job)

    again = join(closed.staff).ask("retry", job=job)

    assert again["snapshot"]["owner"] == closed.one.name
    assert owner.ask("watch", job=again["job"])["type"] == "watching"
