"""The list of jobs: windowed, filtered, driven by keys, several at once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.dashboard import Dashboard
from tests.browser.played_server import PlayedServer, event, snapshot

OpenPage = Callable[..., Dashboard]
CAN = ["cancel", "edit", "comment", "share"]
ENDED = {"state": "succeeded", "complete": True, "progress": 100, "can": ["retry", "edit"]}


@pytest.fixture
def server(new_page: Callable[..., Page]) -> PlayedServer:
    return PlayedServer(new_page(viewport={"width": 1280, "height": 800}))


def show(server: PlayedServer, *jobs: dict[str, Any], path: str = "/") -> Dashboard:
    """Open the list on a server that has these jobs."""
    server.page.goto(path)
    asked = server.wait_for("watch")
    server.send(type="watching", id=asked["id"], feed="jobs", jobs=list(jobs), next=None)
    return Dashboard(server.page)


def titles(tab: Dashboard) -> Any:
    return tab.page.locator("[data-part=title]")


def many(count: int) -> list[dict[str, Any]]:
    return [
        snapshot(f"{number:05}", title=f"Job {number:05}", can=CAN, progress=1)
        for number in range(count)
    ]


def test_of_five_thousand_jobs_those_in_sight_are_drawn(server: PlayedServer) -> None:
    tab = show(server, *many(5000))
    expect(titles(tab).first).to_have_text("Job 04999")
    rows = tab.page.locator("li.row")
    assert rows.count() < 40
    expect(rows.first).to_have_attribute("aria-setsize", "5000")
    tab.page.evaluate("() => scrollTo(0, document.body.scrollHeight / 2)")
    expect(tab.page.get_by_text("Job 02500", exact=True)).to_be_in_viewport()
    tab.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    last = tab.page.get_by_text("Job 00000", exact=True)
    expect(last).to_be_in_viewport()
    assert rows.count() < 40
    server.send(**event("00000", 2, progress=50))
    row = tab.row("Job 00000")
    row.wait_for_value(at_least=50)
    # What has the focus stays, though it is out of sight.
    row.element.get_by_role("checkbox").focus()
    tab.page.evaluate("() => scrollTo(0, 0)")
    expect(titles(tab).first).to_be_in_viewport()
    expect(row.element.get_by_role("checkbox")).to_be_focused()


def test_keys_move_select_cancel_and_open(server: PlayedServer) -> None:
    tab = show(server, *many(3))
    keyboard = tab.page.keyboard
    expect(titles(tab)).to_have_count(3)
    keyboard.press("j")
    expect(titles(tab).nth(0)).to_be_focused()
    keyboard.press("j")
    keyboard.press("j")
    expect(titles(tab).nth(2)).to_be_focused()
    keyboard.press("k")
    expect(titles(tab).nth(1)).to_be_focused()
    keyboard.press("x")
    expect(tab.row("Job 00001").element.get_by_role("checkbox")).to_be_checked()
    expect(tab.page.get_by_role("region", name="Selected jobs")).to_contain_text("1 selected")
    keyboard.press("Escape")
    expect(tab.page.get_by_role("region", name="Selected jobs")).to_be_hidden()

    # A job that moves keeps the focus.
    server.send(**event("00002", 2, type="complete", **ENDED))
    expect(titles(tab).nth(0)).to_have_text("Job 00001")
    expect(titles(tab).nth(0)).to_be_focused()

    keyboard.press("c")
    dialog = tab.page.get_by_role("dialog", name="Cancel “Job 00001”?")
    keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert [item["action"] for item in server.received] == ["watch"]
    keyboard.press("c")
    keyboard.press("Enter")
    assert server.wait_for("cancel")["job"] == "00001"

    keyboard.press("/")
    search = tab.page.get_by_role("searchbox")
    expect(search).to_be_focused()
    keyboard.type("jx?")
    expect(search).to_have_value("jx?")
    search.blur()
    keyboard.press("?")
    keys = tab.page.get_by_role("dialog", name="Keys")
    keys.get_by_label("Single keys are listened to").uncheck()
    keys.get_by_role("button", name="Close").click()
    keyboard.press("?")
    expect(keys).to_be_hidden()


def test_filters_stand_in_the_address_and_the_way_back_leads_to_the_ones_before(
    server: PlayedServer,
) -> None:
    failed = ENDED | {"state": "failed", "error": {"code": "lost", "message": "It is lost"}}
    jobs = [
        snapshot("1", title="Night run", can=CAN, labels=["night"]),
        snapshot("2", title="Night lost", labels=["night"], **failed),
        snapshot("3", title="Day run", can=CAN),
    ]
    tab = show(server, *jobs, path="/?state=active")
    expect(titles(tab)).to_have_text(["Day run", "Night run"])
    tabs = tab.page.get_by_role("navigation", name="States")
    expect(tabs.get_by_role("link", name="In progress")).to_have_attribute("aria-current", "true")
    tabs.get_by_role("link", name="All").click()
    expect(titles(tab)).to_have_text(["Day run", "Night run", "Night lost"])
    tab.page.get_by_role("searchbox").press_sequentially("night")
    expect(titles(tab)).to_have_text(["Night run", "Night lost"])
    expect(tab.page).to_have_url(re.compile(r"/\?q=night$"))
    tabs.get_by_role("link", name="Failed").click()
    expect(titles(tab)).to_have_text(["Night lost"])
    expect(tab.page).to_have_url(re.compile(r"/\?state=failed&q=night$"))
    # An event tells of a job that fits now.
    server.send(**event("1", 2, type="complete", **failed))
    expect(titles(tab)).to_have_count(2)
    tab.page.go_back()
    expect(tab.page).to_have_url(re.compile(r"/\?q=night$"))
    tab.page.go_back()
    expect(tab.page.get_by_role("searchbox")).to_have_value("")
    expect(titles(tab)).to_have_count(3)
    tab.page.get_by_role("searchbox").fill("no such job")
    expect(tab.page.get_by_text("No job fits.")).to_be_visible()

    tab.page.go_back()
    tab.row("Night run").element.get_by_role("link", name="night", exact=True).click()
    expect(tab.page).to_have_url(re.compile(r"label=night"))
    assert server.wait_for("watch", count=2)["filter"] == {"label": "night"}
    expect(titles(tab)).to_have_count(2)
    tab.page.get_by_role("link", name=re.compile("Label night")).click()
    expect(titles(tab)).to_have_count(3)


def test_a_shared_address_shows_the_same_without_a_script(open_page: OpenPage) -> None:
    open_page().start("Shared by address", backend="flaky", rows=1000, pause_ms=0)
    address = "/?state=failed&q=shared+by"
    tab = open_page(address)
    tab.row("Shared by address").wait_for_state("Failed")
    plain = open_page(address, java_script_enabled=False)
    expect(titles(plain)).to_have_text(["Shared by address"])
    expect(plain.page.get_by_role("searchbox")).to_have_value("shared by")
    plain.page.get_by_role("searchbox").fill("something else")
    plain.page.get_by_role("button", name="Show").click()
    expect(plain.page).to_have_url(re.compile(r"q=something\+else&backend=&state=failed$"))
    expect(plain.page.get_by_text("No job fits.")).to_be_visible()


def test_several_jobs_are_cancelled_and_retried_together(open_page: OpenPage) -> None:
    tab, other = open_page(), open_page()
    names = ["Together 1", "Together 2", "Together 3"]
    rows = [tab.start(name, width=400, height=400, iterations=50, pause_ms=3000) for name in names]
    tab.page.get_by_role("searchbox").fill("Together")
    expect(titles(tab)).to_have_count(3)
    for row in rows:
        row.wait_for_state("Running")
    tab.page.get_by_label("Select all that are shown").check()
    bar = tab.page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("3 selected")
    bar.get_by_role("button", name="Cancel 3").click()
    tab.page.get_by_role("button", name="Cancel 3 jobs").click()
    expect(bar).to_contain_text("3 selected: 3 asked to stop")
    for name in names:
        tab.row(name).wait_for_state("Cancelled")
        other.row(name).wait_for_state("Cancelled")
    bar.get_by_role("button", name="Retry 3").click()
    tab.page.get_by_role("button", name="Retry 3 jobs").click()
    expect(titles(tab)).to_have_count(6)
    expect(other.page.get_by_role("link", name="Together 1", exact=True)).to_have_count(2)
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()
    tab.page.get_by_label("Select all that are shown").check()
    bar.get_by_role("button", name="Cancel 3").click()
    tab.page.get_by_role("button", name="Cancel 3 jobs").click()
    expect(bar).to_contain_text("3 asked to stop")


def test_a_pin_keeps_a_job_on_top_in_every_tab(open_page: OpenPage) -> None:
    tab, other = open_page(), open_page()
    row = tab.start("Pinned", backend="flaky", rows=1000, pause_ms=0)
    row.wait_for_state("Failed")
    tab.start("Later", backend="flaky", rows=1000, pause_ms=0).wait_for_state("Failed")
    row.element.get_by_role("button", name="Pin Pinned").click()
    for each in (tab, other):
        expect(titles(each).first).to_have_text("Pinned")
    mark = other.row("Pinned").element.locator("[data-part=mark]")
    expect(mark).to_have_text("Somebody changed the pin")
    expect(row.element.locator("[data-part=mark]")).to_have_count(0)
    row.element.get_by_role("button", name="Pin Pinned").click()
    expect(titles(other).first).not_to_have_text("Pinned")


def test_axe_finds_nothing_in_a_busy_list(server: PlayedServer) -> None:
    failed = ENDED | {"state": "failed", "error": {"code": "lost", "message": "It is lost"}}
    tab = show(
        server,
        snapshot("1", title="Runs", can=CAN, progress=40, eta=125, eta_range=[60, 240]),
        snapshot("2", title="Stands", can=CAN, condition="stalled", labels=["a", "b"], note="Why?"),
        snapshot("3", title="Away", can=CAN, condition="unreachable", owner="ada", watchers=3),
        snapshot("4", title="Failed", pinned=True, **failed),
        snapshot("5", title="Done", **ENDED),
    )
    expect(tab.row("Runs").element).to_contain_text("about 2\u00a0min left (1\u20134\u00a0min)")
    expect(tab.row("Away").element).to_contain_text("3 watch")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("x")
    assert_accessible(tab.page)
    tab.page.get_by_role("button", name="Help on keys").click()
    assert_accessible(tab.page)
