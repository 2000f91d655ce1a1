"""A real Chromium on the real stack: launcher, web server, worker, Redis and example backend."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.complaints import Complaints
from tests.browser.dashboard import DEADLINE_MS, Dashboard
from tests.browser.people import ClosedStack, NewVisitor, closed_stack, log_in
from tests.launcher_process import Launcher

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # A page that a test writes counts as one from the internet: it could not connect to here.
    "--disable-features=LocalNetworkAccessChecks"
).split()
OpenPage = Callable[..., Dashboard]
expect.set_options(timeout=DEADLINE_MS)


@pytest.fixture(scope="package")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with Launcher(tmp_path_factory.mktemp("browser") / "data") as launcher:
        launcher.start()
        yield launcher


# Not for the whole session: Playwright's loop would be in the way of asynchronous tests.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        missing = "no Chromium: install the package chromium, or set CHROMIUM to its path"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)  # on a developer's machine alone: CI fails above
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def new_page(
    chromium: Browser, launcher: Launcher, complaints: Complaints
) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a blank page in a context of its own, made as asked."""
    contexts: list[BrowserContext] = []

    def new_page(**options: Any) -> Page:
        context = chromium.new_context(base_url=launcher.base_url, **options)
        context.set_default_timeout(DEADLINE_MS)
        complaints.listen(context)
        contexts.append(context)
        return context.new_page()

    yield new_page
    for context in contexts:
        context.close()
    assert not complaints.unexpected()


@pytest.fixture
def open_page(new_page: Callable[..., Page]) -> OpenPage:
    """Give a function that opens the dashboard, or another path, as a visitor of its own."""

    def open_page(path: str = "/", **options: Any) -> Dashboard:
        page = new_page(**options)
        page.goto(path)
        return Dashboard(page)

    return open_page


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClosedStack]:
    with closed_stack(tmp_path_factory.mktemp("closed") / "data") as running:
        yield running


@pytest.fixture
def new_visitor(
    chromium: Browser, closed: ClosedStack, complaints: Complaints
) -> Iterator[NewVisitor]:
    """Give a function that opens a blank page of a stranger, or of a user who is logged in."""
    contexts: list[BrowserContext] = []

    def new_visitor(name: str = "", **options: Any) -> Page:
        context = chromium.new_context(**{"base_url": closed.launcher.base_url, **options})
        context.set_default_timeout(DEADLINE_MS)
        complaints.listen(context)
        contexts.append(context)
        page = context.new_page()
        if name:
            page.goto("/login/")
            log_in(page, name)
        return page

    yield new_visitor
    for context in contexts:
        context.close()
    assert not complaints.unexpected()
