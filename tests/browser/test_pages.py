"""What holds for all pages alike: the frame, its navigation, the libraries, accessibility."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.dashboard import Dashboard

OpenPage = Callable[..., Dashboard]


@pytest.mark.parametrize("path", ["/", "/start", "/backends", "/login/"])
def test_axe_finds_nothing(open_page: OpenPage, path: str) -> None:
    assert_accessible(open_page(path).page)


def test_axe_finds_nothing_on_the_page_of_a_job(open_page: OpenPage) -> None:
    row = open_page().start("Looked at", backend="flaky", rows=1000, pause_ms=0)
    row.wait_for_state("Failed")
    tab = open_page(f"/jobs/{row.job}")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Looked at")
    assert_accessible(tab.page)


def test_the_header_leads_to_the_jobs_and_says_where_one_is(open_page: OpenPage) -> None:
    tab = open_page("/login/")
    places = tab.page.get_by_role("navigation", name="Pages")
    jobs = places.get_by_role("link", name="Jobs")
    expect(jobs).not_to_have_attribute("aria-current", "page")
    jobs.click()
    expect(jobs).to_have_attribute("aria-current", "page")


def test_the_vendored_libraries_work_under_the_policy(open_page: OpenPage) -> None:
    page: Page = open_page("/login/").page
    drawn = page.evaluate(
        """async () => {
          const { html, render } = await import("/static/progrock/vendor/lit.js");
          const { default: Plot } = await import("/static/progrock/vendor/uplot.js");
          const main = document.querySelector("main");
          render(html`<i .style=${"width: 50%"} .title=${"<b>"}>${"<b>"}</i>`, main);
          const options = { width: 300, height: 200, series: [{}, { stroke: "red" }] };
          new Plot(options, [[1, 2], [3, 4]], main);
          const { style, textContent } = main.querySelector("i");
          return [style.width, textContent, main.querySelectorAll("canvas").length];
        }"""
    )
    assert drawn == ["50%", "<b>", 1]
