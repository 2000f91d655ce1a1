"""On the page, what a backend says is text."""

import os
import re
import shutil
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.complaints import Complaints
from tests.browser.conftest import ARGUMENTS
from tests.conformance.connection import Connection
from tests.conformance.stack import Stack
from tests.hostile.odd_replies import HTML
from tests.hostile.parts import lacking
from tests.hostile.villain import DEADLINE_SECONDS, Villain, reply


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    """A page that must have nothing to complain of, and open no dialog."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        lacking("no Chromium: install the package chromium, or set CHROMIUM to its path")
    complaints, dialogs = Complaints(), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(base_url=stack.url)
        context.set_default_timeout(DEADLINE_SECONDS * 1000)
        complaints.listen(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        yield page
        assert page.locator('[src="x"], [href^="javascript"], [onerror]').count() == 0
        browser.close()
    assert dialogs == []
    assert complaints.unexpected() == []


def test_on_the_page_markup_of_a_backend_is_text(
    api: httpx.Client, watcher: Connection, villain: Villain, page: Page
) -> None:
    said = {
        "message": HTML,
        "unit": HTML,
        "current": 1,
        "total": 9,
        "steps": [{"name": HTML, "state": HTML}],
        "log": [HTML],
    }
    result = {HTML: HTML, "link": "javascript:alert(3)", "page": "data:text/html," + HTML}
    plots = {
        "runs": villain.plot({"state": HTML, **said}),
        "fails": villain.plot({"state": "failed", "error": HTML, **said}),
        "succeeds": villain.plot({"state": "succeeded", "result": result, **said}),
        "refused": villain.plot(start=reply({"error": HTML}, 422)),
    }
    body = {"backend": "plain", "title": HTML, "labels": [HTML[:60]]}
    jobs = {
        name: api.post("jobs", json=body | {"params": plot.params}).json()["job"]
        for name, plot in plots.items()
    }
    for name in ("fails", "succeeds", "refused"):
        watcher.until_complete(jobs[name])

    def assert_text(name: str, *parts: str) -> None:
        row = page.locator(f'li[data-job="{jobs[name]}"]')
        for part in ("title", *parts):
            text = HTML[:40] if part == "amount" else HTML  # a unit has 60 characters at most
            expect(row.locator(f"[data-part={part}]")).to_contain_text(text)

    these = "/?" + urlencode({"label": HTML[:60]})  # and none of the many other jobs
    page.goto(these)
    assert_text("runs", "message", "amount")
    assert_text("fails", "error")
    assert_text("succeeds", "message")
    assert_text("refused", "error")
    for job in jobs.values():  # as it was when the page was made, and as it comes over the socket
        page.goto(f"/jobs/{job}")
        expect(page.get_by_role("heading", level=1)).to_have_text(HTML)
        expect(page.get_by_role("region", name="What happened")).to_contain_text("Created")
        expect(page).to_have_title(re.compile(re.escape(f"{HTML} · ProgRock")))
    page.goto(these)
    plots["runs"].polls = [{"state": "failed", "error": HTML + "2"}]
    assert_text("runs", "error")
