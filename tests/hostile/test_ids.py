"""Ids that a backend gives and params that a client gives stay what they are in a request."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.conformance.connection import Connection
from tests.conformance.stack import Stack
from tests.hostile.odd_replies import DONE
from tests.hostile.parts import assert_clear, begin, end_of
from tests.hostile.villain import Plot, Villain

IDS = {
    "dots": "..",
    "dot": ".",
    "up": "../admin",
    "up and down": "a/../../b",
    "query": "x?admin=1",
    "fragment": "x#y",
    "encoded dots": "%2e%2e",
    "encoded up": "%2e%2e%2fadmin",
    "line breaks": "x\r\nEvil: 1\r\n\r\n",
    "slash": "/",
    "origin": "//127.0.0.1/",
    "backslashes": "\\..\\",
    "blank": "x y",
    "foreign": "é✓\u202e",
    "half a percent": "100%",
    "nul": "\x00",
    "long": "x" * 3_000,
    "object": {"a": "../b"},
    "number": 12345678901234567890,
}


STEPS = {"dots", "dot", "up", "up and down", "backslashes"}


@pytest.fixture(scope="module")
def strays_before(villain: Villain) -> int:
    """How many requests belonged to no plot before the tests of this module."""
    return len(villain.strays)


@pytest.fixture(scope="module")
def jobs_by_id(
    strays_before: int, stack: Stack, api: httpx.Client, watcher: Connection, villain: Villain
) -> dict[str, tuple[str, Plot]]:
    """A job for each odd id that a backend gives; those that could be asked for are cancelled."""
    plots = {name: villain.plot(id_=id_) for name, id_ in IDS.items()}
    jobs = {name: (begin(api, "plain", plot), plot) for name, plot in plots.items()}
    for job, plot in jobs.values():
        path = f"jobs/{job}"
        villain.wait_for(
            lambda path=path, plot=plot: plot.of("poll") or api.get(path).json()["complete"],
            "a poll",
        )
        api.post(f"{path}/cancel", json={})
    return jobs


@pytest.mark.parametrize("name", IDS)
def test_an_odd_id_is_one_segment_of_the_path_or_refused_when_it_has_a_step_in_it(
    watcher: Connection,
    villain: Villain,
    jobs_by_id: dict[str, tuple[str, Plot]],
    name: str,
) -> None:
    """The villain knows a plot's requests by their segment; what it does not know is a stray."""
    job, plot = jobs_by_id[name]

    complete = end_of(watcher, job)

    if name in STEPS:
        assert_clear(complete, "bad_reply")
        assert [asked.target for asked in plot.asked] == ["/plain/jobs"]
    else:
        assert complete["state"] == "cancelled"
        assert len(plot.of("cancel")) == 1
    assert all("evil" not in asked.headers for asked in villain.asked)


def test_odd_ids_lead_to_no_other_path(
    watcher: Connection,
    villain: Villain,
    strays_before: int,
    jobs_by_id: dict[str, tuple[str, Plot]],
) -> None:
    for job, _ in jobs_by_id.values():
        end_of(watcher, job)

    assert [stray.target for stray in villain.strays[strays_before:]] == []


@pytest.mark.parametrize(
    "title",
    ["x\r\nEvil: 1", "x\nEvil: 1", "x\r\n\r\nGET /", "\u010d\u010aEvil: 1", "x\x7f", "\x1f"],
)
def test_params_bring_no_header_of_their_own(
    api: httpx.Client, watcher: Connection, villain: Villain, title: str
) -> None:
    plot = villain.plot(DONE)

    complete = end_of(watcher, begin(api, "named", plot, title=title))

    assert_clear(complete, "backend_refused")
    assert plot.asked == []


def test_params_bring_no_query_of_their_own(
    api: httpx.Client, watcher: Connection, villain: Villain
) -> None:
    plot, title = villain.plot(DONE), "x&admin=1?y#z;q=2 /../%26"

    end_of(watcher, begin(api, "named", plot, title=title))

    assert parse_qsl(urlsplit(plot.asked[0].target).query) == [("q", title)]
