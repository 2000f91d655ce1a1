"""The page `/backends`: how each backend is, as it changes, and what it said when it failed."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.complaints import Complaints
from tests.browser.dashboard import DEADLINE_MS
from tests.browser.own_stack import SECRET, OwnStack, own_stack
from tests.scripted_backend import Reply

PARAMS = {"source": "https://films.example/m", "sizes": [{"width": 640}]}
SLOW_MS = 45_000  # a circuit that opens or closes, on a busy machine
OpenPage = Callable[..., Page]
AT = "2026-11-21T12:00:00.000Z"

POLLS = {
    "seconds": 60,
    "count": 100,
    "failed": 0,
    "per_second": 1.6,
    "error_rate": 0,
    "latency": {"p50": 0.01, "p99": 0.1},
}
JOBS = {"active": 3, "states": {}, "stalled": 0, "unreachable": 0, "lag": 0, "ended": {}}
BACKEND = {
    "name": "x",
    "title": "X",
    "description": "Does it.",
    "condition": "ok",
    "circuit": "closed",
    "since": None,
    "retry_at": None,
    "held_until": None,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    with own_stack(tmp_path_factory.mktemp("backends")) as running:
        yield running


@pytest.fixture
def open_page(chromium: Browser, stack: OwnStack, complaints: Complaints) -> Iterator[OpenPage]:
    """Give a function that opens the page as a visitor of its own."""
    contexts = []

    def open_page(**options: Any) -> Page:
        context = chromium.new_context(base_url=stack.launcher.base_url, **options)
        context.set_default_timeout(DEADLINE_MS)
        complaints.listen(context)
        contexts.append(context)
        page = context.new_page()
        page.goto("/backends")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints.unexpected()


def card(page: Page, title: str) -> Locator:
    return page.get_by_role("article", name=title, exact=True)


def figure(card: Locator, name: str) -> Locator:
    pair = card.locator("dl > div").filter(has=card.page.get_by_text(name, exact=True))
    return pair.locator("dd")


def start(stack: OwnStack, backend: str, count: int = 1) -> None:
    body = {"backend": backend, "params": PARAMS if backend == "encoder" else {}}
    for _ in range(count):
        answer = httpx.post(f"{stack.launcher.base_url}api/v1/jobs", json=body)
        assert answer.status_code == 202


def test_a_backend_is_followed_from_idle_to_trouble_and_back(
    open_page: OpenPage, stack: OwnStack
) -> None:
    script = stack.service.script({"state": "running", "progress": 10}, name="default")
    page = open_page()
    encoder, report = card(page, "Video encoder"), card(page, "Nightly report")
    expect(report.locator(".health")).to_have_text("Idle")
    expect(figure(report, "Errors")).to_have_text("\N{EN DASH}")

    start(stack, "encoder", count=6)
    expect(encoder.locator(".health")).to_have_text("Answers")
    expect(figure(encoder, "Active jobs")).to_have_text("6")
    expect(figure(encoder, "Polls a second")).to_have_text(re.compile(r"[1-9]"))
    expect(figure(encoder, "Latency")).to_have_text(re.compile(r"ms|s"))
    expect(page.locator("#summary")).to_contain_text("All 2 backends are well")

    script.say(Reply(status=500, body={"error": "the disk is full", "sent": SECRET}))
    expect(encoder.locator(".health")).to_have_text("Errors only", timeout=SLOW_MS)
    expect(encoder).to_contain_text("6 jobs wait for it")
    expect(page.locator("article").first).to_have_accessible_name("Video encoder")
    expect(page).to_have_title(re.compile(r"^\(1\) Video encoder: errors only"))
    reply = encoder.get_by_label("The reply")
    expect(reply).to_contain_text("the disk is full")
    expect(reply).to_contain_text("•••")
    assert SECRET not in page.content()
    assert SECRET not in page.request.get("/backends").text()
    expect(page.locator("#announcer")).to_contain_text("Video encoder: Errors only")
    for direction in ("rtl", "ltr"):
        page.evaluate("(dir) => document.documentElement.dir = dir", direction)
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            room = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(f"() => {room}") == 0
    assert_accessible(page)

    script.say({"state": "succeeded"})
    # Some polls of the last minute have failed: it may be called failing for so long.
    expect(figure(encoder, "Active jobs")).to_have_text("0", timeout=SLOW_MS)
    expect(figure(encoder, "Duration")).to_have_text(re.compile(r"\ds?"))
    plot = encoder.get_by_role("img", name=re.compile("How long the last 6 successful jobs took"))
    expect(plot).to_be_visible()
    expect(encoder).to_contain_text("Of the last 6 ended jobs: 6 succeeded.")
    encoder.get_by_text("As a table").press("Enter")
    table = encoder.get_by_role("table")
    expect(table.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text("6")
    assert_accessible(page)


def test_figures_that_grow_old_say_so_and_come_back(
    open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expect("status of 503")
    page = open_page()
    page.route("**/api/v1/backends?figures=true", lambda route: route.fulfill(status=503))
    problem = page.get_by_role("status").filter(has_text="The server does not answer")
    expect(problem).to_contain_text("these figures are of")
    expect(page.get_by_role("article")).to_have_count(2)
    page.unroute("**/api/v1/backends?figures=true")
    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    expect(problem).to_have_count(0)


STATES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "Answers", "Does it."),
    ({"figures": {"polls": POLLS | {"failed": 9, "error_rate": 0.09}}}, "Failing", "9"),
    ({"figures": {"polls": None}}, "Unknown", "Redis"),
    ({"figures": {"jobs": JOBS | {"lag": 42}}}, "Late", "Add workers"),
    ({"figures": {"polls": POLLS | {"count": 0, "error_rate": None}}}, "Waits", "No job was due"),
    ({"held_until": AT}, "Wants a pause", "left alone until"),
    ({"condition": "unreachable", "circuit": "half_open", "since": AT}, "Does not answer", "now"),
    (
        {"condition": "unreachable", "circuit": "open", "retry_at": AT},
        "Does not answer",
        "again at",
    ),
    ({"condition": "unreachable"}, "Does not answer", "ever more seldom"),
]


def test_a_word_and_advice_for_each_state(open_page: OpenPage) -> None:
    page = open_page()
    for changed, word, advice in STATES:
        figures = {"at": AT, "polls": POLLS, "jobs": JOBS, "durations": None, "last_failure": None}
        backend = BACKEND | changed | {"figures": figures | changed.get("figures", {})}
        health = page.evaluate(
            """async (backend) => {
              const { healthOf } = await import("/static/progrock/backends-page/health.js");
              return healthOf(backend);
            }""",
            backend,
        )
        assert health["word"] == word
        assert advice in f"{health['sentence']} {health['next']}"


def test_without_javascript_the_figures_stand_in_a_table(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.get_by_role("row").filter(has_text="Nightly report")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Polls a second")).to_be_visible()


def test_each_backend_leads_to_its_form(open_page: OpenPage) -> None:
    page = open_page()
    card(page, "Nightly report").get_by_role("link", name="Start a job").click()
    expect(page.get_by_label("Backend")).to_have_value("report")
