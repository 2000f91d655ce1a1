"""The list of jobs against a server that the test plays: what real jobs seldom do."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.dashboard import Dashboard
from tests.browser.played_server import PlayedServer, event, snapshot


@pytest.fixture
def server(new_page: Callable[..., Page]) -> PlayedServer:
    """Give a server that an open dashboard has asked for the feed."""
    server = PlayedServer(new_page())
    server.page.goto("/")
    server.wait_for("watch")
    return server


def begin(server: PlayedServer, *jobs: dict, next_: str | None = None, count: int = 1) -> Dashboard:
    """Answer the watch of the feed, for the `count`th time."""
    asked = server.wait_for("watch", count)
    server.send(type="watching", id=asked["id"], feed="jobs", jobs=list(jobs), next=next_)
    return Dashboard(server.page)


def at(minute: int) -> str:
    return f"2026-11-21T05:{minute:02}:00.000Z"


def test_running_jobs_stand_on_top_and_older_ones_are_loaded_on_demand(
    server: PlayedServer,
) -> None:
    over = {"state": "succeeded", "complete": True, "progress": 100, "can": [], "finished": at(40)}
    failed = over | {"state": "failed", "finished": "2999-01-01T00:00:00.000Z"}
    newest = [
        snapshot("ended late", created=at(30), **over),
        snapshot("ended early", created=at(20), **over),
    ]
    old = [snapshot("runs long", created=at(1)), snapshot("runs longer", created=at(0))]
    server.lists = {
        "": {"jobs": newest, "next": "the cursor"},
        "failed,timed_out": {
            "jobs": [snapshot("failed now", created=at(2), **failed)],
            "next": None,
        },
        "pending,queued,running,cancelling": {"jobs": old, "next": None},
        "the cursor": {
            "jobs": [snapshot("ended first", created=at(10), **over)],
            "next": None,
        },
    }
    tab = begin(server, *newest, next_="not used")
    titles = tab.page.locator("[data-part=title]")
    expect(titles).to_have_text(
        ["runs long", "runs longer", "failed now", "ended late", "ended early", "ended first"]
    )
    expect(tab.page.get_by_role("button", name="Load more")).to_be_hidden()

    server.send(**event("runs long", 2, **({"type": "complete"} | over)))
    expect(titles).to_have_text(
        ["runs longer", "failed now", "ended late", "ended early", "ended first", "runs long"]
    )
    server.send(**event("ended first", 2, type="edited", set={"pinned": True}, version=2, **over))
    expect(titles.first).to_have_text("ended first")


def test_a_job_that_the_page_does_not_know_is_fetched(server: PlayedServer) -> None:
    def answer(route: Route) -> None:
        assert route.request.url.endswith("/api/v1/jobs/unheard-of")
        told = snapshot("unheard-of", title="New elsewhere", seq=2, progress=10)
        route.fulfill(content_type="application/json", body=json.dumps(told))

    server.page.route("**/api/v1/jobs/*", answer)
    tab = begin(server)
    expect(tab.page.get_by_text("No jobs yet.")).to_be_visible()
    for seq in (2, 3):
        server.send(**event("unheard-of", seq, progress=seq * 5))
    row = tab.row("New elsewhere")
    row.wait_for_value(at_least=15)
    expect(tab.page.get_by_text("No jobs yet.")).to_be_hidden()


def test_a_bar_without_a_figure_says_none_and_one_with_a_figure_never_goes_back(
    server: PlayedServer,
) -> None:
    tab = begin(server, snapshot("moody", message="how much is not known"))
    row = tab.row("moody")
    expect(row.bar).not_to_have_attribute("aria-valuenow", "0")
    assert row.bar.get_attribute("aria-valuenow") is None
    expect(row.bar).to_have_attribute("aria-valuetext", "running")
    server.send(**event("moody", 2, progress=42.57, eta=125))
    expect(row.bar).to_have_attribute("aria-valuenow", "42.5")
    expect(row.bar).to_have_accessible_name("Progress of moody")
    expect(row.element).to_contain_text("about 2\u00a0min left")
    server.send(**event("moody", 3, progress=12, message="said less"))
    expect(row.element).to_contain_text("said less")
    expect(row.bar).to_have_attribute("aria-valuenow", "42.5")
    server.send(**event("moody", 3, progress=80, message="old news"))
    server.send(**event("moody", 4, progress=99.96, message="nearly", eta=None))
    expect(row.element).to_contain_text("nearly")
    expect(row.element.locator("[data-part=percent]")).to_have_text("99\u00a0%")
    expect(row.element).not_to_contain_text("left")


def test_a_condition_other_than_ok_is_marked_and_stops_the_estimate(server: PlayedServer) -> None:
    tab = begin(server, snapshot("lonely", progress=10, eta=60))
    row = tab.row("lonely")
    expect(row.element).to_contain_text("about 1\u00a0min left")
    server.send(**event("lonely", 2, type="state", condition="unreachable", progress=10, eta=60))
    expect(row.element).to_contain_text("No answer")
    expect(row.element).not_to_contain_text("left")
    server.send(**event("lonely", 3, type="state", progress=10, eta=50))
    expect(row.element).not_to_contain_text("No answer")


def test_what_a_new_connection_does_not_list_any_more_is_gone(server: PlayedServer) -> None:
    tab = begin(server, snapshot("kept"), snapshot("pruned"))
    tab.row("pruned")
    server.sockets[-1].close(code=1012)
    expect(tab.banner).to_be_visible()
    server.page.clock.run_for(2_000)
    begin(server, snapshot("kept", seq=9, progress=50), count=2)
    expect(tab.page.locator("li[data-job]")).to_have_count(1)
    tab.row("kept").wait_for_value(at_least=50)
    expect(tab.banner).to_be_hidden()


def test_an_end_that_happened_while_away_is_told_once(server: PlayedServer) -> None:
    tab = begin(server, snapshot("away", title="Tortoise"))
    tab.row("Tortoise")
    tab.record_announcements()
    server.sockets[-1].close(code=1012)
    expect(tab.banner).to_be_visible()
    server.page.clock.run_for(2_000)
    over = {"state": "failed", "complete": True, "error": {"code": "lost", "message": "It is lost"}}
    begin(server, snapshot("away", title="Tortoise", seq=7, **over), count=2)
    server.send(**event("away", 7, type="complete", **over))
    expect(tab.page.locator("#announcer")).to_have_text("Tortoise failed: It is lost")
    server.page.clock.run_for(5_000)
    assert tab.announced == ["Tortoise failed: It is lost"]


def test_who_is_signed_out_is_sent_to_sign_in_and_nothing_is_tried_again(
    server: PlayedServer,
) -> None:
    asked = server.wait_for("watch")
    refusal = {"code": "not_authenticated", "message": "Say who you are.", "retryable": False}
    server.send(type="error", id=asked["id"], **refusal)
    banner = Dashboard(server.page).banner
    expect(banner).to_contain_text("You are signed out.")
    expect(banner.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login/?next=%2F")
    expect(server.page.get_by_text("Say who you are.")).to_have_count(0)
    server.page.clock.run_for(120_000)
    assert len(server.sockets) == 1
