"""The tab's title and icon, notifications at the end, and the quiet marks."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard import RECORD_NOTICES, Dashboard
from tests.browser.played_server import PlayedServer, event, snapshot

ENDED = {"type": "complete", "state": "succeeded", "complete": True, "progress": 100}


@pytest.fixture
def server(new_page: Callable[..., Page]) -> PlayedServer:
    page = new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(RECORD_NOTICES)
    return PlayedServer(page)


def show(server: PlayedServer, *jobs: dict[str, Any]) -> Dashboard:
    server.page.goto("/")
    asked = server.wait_for("watch")
    server.send(type="watching", id=asked["id"], feed="jobs", jobs=list(jobs), next=None)
    return Dashboard(server.page)


def test_the_icon_and_the_title_show_the_progress(server: PlayedServer) -> None:
    tab = show(server, snapshot("1", title="One", progress=20), snapshot("2", progress=60))
    expect(tab.page).to_have_title("40\u00a0% · Jobs · ProgRock")
    icon = tab.page.locator("#icon")
    assert "stroke-dasharray" in unquote(icon.get_attribute("href") or "")
    before = icon.get_attribute("href")
    server.send(**event("1", 2, type="state", condition="stalled", progress=20))
    expect(icon).not_to_have_attribute("href", before or "")
    for job in ("1", "2"):
        server.send(**event(job, 3, **ENDED))
    expect(tab.page).to_have_title("Jobs · ProgRock")
    expect(icon).to_have_attribute("href", re.compile(r"/static/progrock/favicon\.svg$"))


def test_the_end_of_a_job_is_notified_where_that_was_wished(server: PlayedServer) -> None:
    tab = show(server, snapshot("1", title="Awaited"), snapshot("2", title="Other"))
    awaited = tab.row("Awaited").element
    bell = awaited.get_by_role("button", name="Notify me when Awaited ends")
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
    for job in ("1", "2"):
        server.send(**event(job, 2, **ENDED))
    tab.row("Other").wait_for_state("Succeeded")
    tab.row("Awaited").wait_for_state("Succeeded")
    assert tab.page.evaluate("() => window.noticed") == [["Awaited succeeded", "1"]]


def test_where_the_browser_forbids_notifications_the_page_says_so(server: PlayedServer) -> None:
    tab = show(server, snapshot("1", title="Awaited"))
    tab.page.evaluate("() => { window.answer = 'denied'; }")
    titles = tab.page.get_by_role("link", name="Awaited", exact=True)
    titles.focus()
    tab.page.keyboard.press("n")
    expect(tab.page.locator("#problem")).to_contain_text("does not let this page notify you")
