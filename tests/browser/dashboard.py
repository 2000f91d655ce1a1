"""The dashboard as a test uses it: what a person can do there, and what can be seen."""

from playwright.sync_api import Locator, Page, expect

DEADLINE_MS = 30_000
SLOW_FRACTAL = {"width": 200, "height": 200, "iterations": 50, "pause_ms": 100}
"""A small picture in 16 tiles: about two seconds of work."""

RECORD_BAR = """
(bar) => {
  window.recorded = [];
  const look = () => {
    const value = bar.getAttribute("aria-valuenow");
    if (value !== null && window.recorded.at(-1) !== Number(value)) {
      window.recorded.push(Number(value));
    }
  };
  look();
  new MutationObserver(look).observe(bar, { attributes: true });
}
"""
RECORD_ANNOUNCEMENTS = """
(region) => {
  window.announced = [];
  new MutationObserver(() => window.announced.push(region.textContent)).observe(
    region, { childList: true, subtree: true, characterData: true });
}
"""
RECORD_NOTICES = """
window.noticed = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = window.answer ?? "granted"); }
  constructor(title, options) { window.noticed.push([title, options.tag]); }
};
"""
"""For a page before it is opened: keep the notifications in place of showing them."""


class Dashboard:
    """One open page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.form = page.locator("#start-form")
        self.banner = page.locator("#banner")
        self.start_button = self.form.get_by_role("button", name="Start", exact=True)

    def start(self, title: str, backend: str = "fractal", **params: object) -> "Row":
        """Start a job over HTTP, and return its row once the page shows it."""
        body = {"backend": backend, "title": title, "params": params}
        answer = self.page.request.post("/api/v1/jobs", data=body)
        assert answer.ok, answer.text()
        return self.row(title)

    def row(self, title: str) -> "Row":
        """Return the one job that has this title."""
        link = self.page.get_by_role("link", name=title, exact=True)
        row = Row(self.page.locator("li[data-job]").filter(has=link))
        expect(row.element).to_have_count(1)
        return row

    def tab_to(self, target: Locator) -> None:
        """Press Tab until the target has the focus."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if target.evaluate("(element) => element === document.activeElement"):
                return
        raise AssertionError("60 times Tab did not lead there")

    def record_announcements(self) -> None:
        """Keep what is told to those who do not see the page."""
        self.page.locator("#announcer").evaluate(RECORD_ANNOUNCEMENTS)

    @property
    def announced(self) -> list[str]:
        """What was told since `record_announcements`."""
        return list(self.page.evaluate("() => window.announced"))

    @property
    def hidden_width(self) -> int:
        """By how many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(f"() => {width}"))


class Row:
    """One job in the list."""

    def __init__(self, element: Locator) -> None:
        self.element = element
        self.bar = element.get_by_role("progressbar")
        self.picture = element.locator("img")

    @property
    def job(self) -> str:
        """The job's id."""
        return str(self.element.get_attribute("data-job"))

    @property
    def value(self) -> float:
        """The bar's present value; 0 while it is unknown."""
        return float(self.bar.get_attribute("aria-valuenow") or 0)

    def record(self) -> None:
        """Keep each value that the bar has from now on."""
        self.bar.evaluate(RECORD_BAR)

    @property
    def recorded(self) -> list[float]:
        """The values since `record`."""
        return list(self.element.page.evaluate("() => window.recorded"))

    def wait_for_value(self, at_least: float) -> None:
        """Wait until the bar has got so far."""
        self.element.page.wait_for_function(
            "([bar, least]) => Number(bar.getAttribute('aria-valuenow') ?? 0) >= least",
            arg=[self.bar.element_handle(), at_least],
            timeout=DEADLINE_MS,
        )

    def wait_for_state(self, word: str) -> None:
        """Wait until the job's state is shown by this word."""
        expect(self.element.locator("[data-part=state]")).to_have_text(word)
