"""How much the list asks of the network before it is drawn, and that it mirrors."""

import gzip
from collections.abc import Callable

from playwright.sync_api import Page, Response, expect

from tests.browser.played_server import PlayedServer, snapshot

MOST_BYTES = 100_000


def test_the_list_is_there_after_less_than_100_kb(new_page: Callable[..., Page]) -> None:
    page = new_page()
    loaded: list[Response] = []

    def keep(answer: Response) -> None:
        loaded.append(answer)

    page.on("response", keep)
    page.goto("/")
    expect(page.locator("job-list")).to_be_attached()
    page.wait_for_load_state("networkidle")
    sizes = {
        answer.url: len(gzip.compress(answer.body()))
        for answer in loaded
        if answer.ok and "/api/" not in answer.url
    }
    assert any(url.endswith("/vendor/lit.js") for url in sizes)
    assert sum(sizes.values()) < MOST_BYTES, sizes
    assert not any("uplot" in url for url in sizes)


def test_from_right_to_left_bars_fill_from_the_right(new_page: Callable[..., Page]) -> None:
    server = PlayedServer(new_page(viewport={"width": 1280, "height": 800}))
    page = server.page
    page.goto("/")
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    asked = server.wait_for("watch")
    jobs = [snapshot("1", title="Mirrored", progress=25, can=["cancel", "edit"])]
    server.send(type="watching", id=asked["id"], feed="jobs", jobs=jobs, next=None)
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    outer, inner = bar.bounding_box(), bar.locator(".bar-share").bounding_box()
    assert outer
    assert inner
    assert abs(inner["width"] - outer["width"] / 4) < 1
    assert abs((inner["x"] + inner["width"]) - (outer["x"] + outer["width"])) < 1
    check, cancel = page.locator(".row input").last, page.get_by_role("button", name="Cancel")
    left, right = cancel.bounding_box(), check.bounding_box()
    assert left
    assert right
    assert left["x"] < right["x"]
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(f"() => {width}") == 0
