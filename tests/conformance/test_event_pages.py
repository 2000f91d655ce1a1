"""PROTOCOL 3: `GET jobs/ID/events`, the log page by page."""

import time
from typing import Any

import httpx
import pytest

from tests.conformance.connection import Frame, events_of, holes_in
from tests.conformance.test_http_errors import NO_JOB, problem

Finished = tuple[str, list[Frame]]


def test_the_whole_log_is_there(http: httpx.Client, finished: Finished) -> None:
    job, live = finished

    answer = http.get(f"jobs/{job}/events", params={"after": 0}).json()

    assert set(answer) == {"events", "next", "recovered"}
    assert answer["recovered"] is True
    assert answer["next"] is None
    assert holes_in(answer["events"]) == []
    assert answer["events"][-1]["type"] == "complete"
    told = {event["seq"]: event for event in events_of(live, job)}
    assert [told.get(event["seq"], event) for event in answer["events"]] == answer["events"]


def test_without_after_it_begins_with_the_first(http: httpx.Client, finished: Finished) -> None:
    answer = http.get(f"jobs/{finished[0]}/events").json()

    assert answer["events"][0]["seq"] == 1


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_it_is_given_page_by_page(http: httpx.Client, finished: Finished, limit: int) -> None:
    events: list[Frame] = []
    params: dict[str, Any] = {"after": 0, "limit": limit}
    while True:
        page = http.get(f"jobs/{finished[0]}/events", params=params).json()
        assert len(page["events"]) <= limit
        assert page["recovered"] is True
        events += page["events"]
        if page["next"] is None:
            break
        params["after"] = page["next"]

    assert events == http.get(f"jobs/{finished[0]}/events").json()["events"]


def test_after_the_last_event_there_is_nothing(http: httpx.Client, finished: Finished) -> None:
    seq = http.get(f"jobs/{finished[0]}").json()["seq"]

    answer = http.get(f"jobs/{finished[0]}/events", params={"after": seq}).json()

    assert answer == {"events": [], "next": None, "recovered": True}


def test_beyond_the_log_nothing_is_recovered(http: httpx.Client, finished: Finished) -> None:
    answer = http.get(f"jobs/{finished[0]}/events", params={"after": 10**6}).json()

    assert answer == {"events": [], "next": None, "recovered": False}


@pytest.mark.parametrize(
    "params",
    [{"after": -1}, {"after": "x"}, {"after": 10**20}, {"limit": 0}, {"limit": 10**6}],
    ids=str,
)
def test_a_page_that_cannot_be_had_is_a_bad_message(
    http: httpx.Client, finished: Finished, params: dict[str, Any]
) -> None:
    problem(http.get(f"jobs/{finished[0]}/events", params=params), 422, "bad_message")


def test_the_events_of_an_unknown_job_are_404(http: httpx.Client) -> None:
    problem(http.get(f"jobs/{NO_JOB}/events"), 404, "unknown_job")


def test_short_polling_by_events_follows_a_job_to_its_end(http: httpx.Client, target: Any) -> None:
    job = http.post("jobs", json=target.quick.request()).json()["job"]
    events: list[Frame] = []
    deadline = time.monotonic() + 60
    while not events or events[-1]["type"] != "complete":
        assert time.monotonic() < deadline
        after = events[-1]["seq"] if events else 0
        events += http.get(f"jobs/{job}/events", params={"after": after}).json()["events"]

    assert holes_in(events) == []
