"""The page of one job as a test uses it, and jobs that the test itself reports."""

import re
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect


class Reported:
    """A job of the backend `push`, whose program is the test."""

    def __init__(self, http: httpx.Client, title: str, **start: Any) -> None:
        self._http = http
        body = {"backend": "push", "title": title, **start}
        answer = http.post("jobs", json=body)
        assert answer.status_code == 202, answer.text
        self.id = str(answer.json()["job"])
        self.path = f"/jobs/{self.id}"

    def report(self, **figures: Any) -> None:
        """Report as a program does."""
        answer = self._http.post(f"jobs/{self.id}/report", json=figures)
        assert answer.status_code == 200, answer.text

    def post(self, what: str, **body: Any) -> dict[str, Any]:
        """Do something to the job over HTTP, as somebody elsewhere does."""
        answer = self._http.post(f"jobs/{self.id}/{what}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def edit(self, **fields: Any) -> None:
        """Edit the job over HTTP, whatever its version is."""
        answer = self._http.patch(f"jobs/{self.id}", json=fields)
        assert answer.status_code == 200, answer.text


class JobTab:
    """One open page of a job."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.title = page.get_by_role("heading", level=1)
        self.state = page.locator("[data-part=state]")
        self.bar = page.get_by_role("progressbar")
        self.banner = page.locator("#banner")
        self.notice = page.locator("[data-part=notice]")
        self.log = page.get_by_role("log", name="Log")
        self.lines = self.log.locator("li")
        self.newer = page.get_by_role("button", name=re.compile("new lines? ↓"))
        self.plot = page.locator(".plot-place")
        self.comments = page.locator(".comment")

    def region(self, name: str) -> Locator:
        """Return the part of the page under a heading."""
        return self.page.get_by_role("region", name=name, exact=True)

    def button(self, name: str) -> Locator:
        """Return a button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def figure(self, name: str) -> Locator:
        """Return one of the figures in the head, such as `Rate`."""
        term = self.page.locator("dt", has_text=re.compile(f"^{name}$"))
        return self.page.locator(".figures > div").filter(has=term).locator("dd")

    @property
    def entries(self) -> Locator:
        """The lines of what happened, the latest first."""
        return self.region("What happened").locator(".entry-text > span:first-child")

    def wait_for_live(self) -> None:
        """Wait until the page is connected: it then tells who watches."""
        expect(self.page.locator("[data-part=watchers]")).to_be_visible()
