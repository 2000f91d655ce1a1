"""The list of jobs where people have accounts: two who see what each other does, and one not."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.complaints import Complaints
from tests.browser.dashboard import RECORD_NOTICES, Dashboard
from tests.browser.job_page import Reported
from tests.browser.people import ClosedStack, NewVisitor
from tests.client.proxy import Proxy

OpenList = Callable[..., Dashboard]
StartJob = Callable[..., Reported]


@pytest.fixture
def open_list(new_visitor: NewVisitor) -> OpenList:
    """Give a function that opens the list, or a part of it, as a user."""

    def open_list(name: str, address: str = "/", **options: Any) -> Dashboard:
        page = new_visitor(name, **options)
        page.goto(address)
        return Dashboard(page)

    return open_list


@pytest.fixture
def start(closed: ClosedStack) -> Iterator[StartJob]:
    """Give a function by which a user's program starts a job, and reports that it runs."""
    with ExitStack() as stack:

        def start(owner: str, title: str) -> Reported:
            job = Reported(stack.enter_context(closed.programs_of(owner)), title)
            job.report(state="running", progress=10)
            return job

        yield start


def owners(tab: Dashboard, name: str) -> Locator:
    """The rows that name somebody as the owner."""
    return tab.page.locator("[data-part=owner]").get_by_text(name, exact=True)


def mark(tab: Dashboard, title: str) -> Locator:
    """What is told at a row of another one's change."""
    return tab.row(title).element.locator("[data-part=mark]")


def edit(tab: Dashboard, title: str) -> Locator:
    """Open the sheet of a job."""
    tab.row(title).element.get_by_role("button", name=f"Edit {title}").click()
    sheet = tab.page.locator("#sheet")
    expect(sheet).to_have_attribute("aria-label", f"Edit {title}")
    expect(sheet.get_by_label("Title")).to_be_focused()
    return sheet


def hold_edits(page: Page) -> Callable[[], None]:
    """Keep from a page what others edit; return a function that hands it on, in order."""
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    is_held = True

    def pass_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def from_server(frame: str | bytes) -> None:
            if is_held and json.loads(frame)["type"] == "edited":
                held.append((socket, frame))
            else:
                socket.send(frame)

        server.on_message(from_server)

    def release() -> None:
        nonlocal is_held
        is_held = False
        for socket, frame in held:
            socket.send(frame)

    page.route_web_socket("**/prog/", pass_on)
    return release


def test_staff_see_at_once_what_another_starts_and_others_do_not(
    new_visitor: NewVisitor, open_list: OpenList, start: StartJob
) -> None:
    ben, eve = open_list("ben"), open_list("eve")
    expect(eve.page.get_by_text("No jobs yet.")).to_be_visible()
    ben.page.evaluate("() => { window.isTheSamePage = true; }")

    ada = Dashboard(new_visitor("ada"))
    ada.page.goto("/start")
    ada.form.get_by_label("Backend").select_option(label="Flaky import")
    ada.form.get_by_label("Title").fill("Started by form")
    ada.start_button.click()
    expect(ada.page).to_have_url(re.compile("/jobs/"))
    row = ben.row("Started by form")
    expect(row.element.locator("[data-part=owner]")).to_have_text("ada")
    assert ada.page.url.endswith(row.job)
    row.wait_for_state("Failed")
    assert ben.page.evaluate("() => window.isTheSamePage")

    # What eve is told of comes in order: had she been told of ada's job, it would be here.
    start("eve", "Of eve alone")
    expect(owners(ben, "eve")).to_have_count(1)
    titles = eve.page.locator("[data-part=title]")
    expect(titles).to_have_text(["Of eve alone"])
    eve.page.reload()
    expect(titles).to_have_text(["Of eve alone"])


def test_a_title_that_staff_edit_is_shown_to_the_owner_with_their_name(
    open_list: OpenList, start: StartJob
) -> None:
    jobs = {title: start("ada", title).id for title in ("First draft", "Second draft")}
    ada, ben = open_list("ada"), open_list("ben")
    for title in jobs:  # the sheet of the second one closes that of the first, once it is saved
        edit(ben, title).get_by_label("Title").press("ControlOrMeta+A")
        ben.page.keyboard.type(title.replace("draft", "wording"))
    ben.page.keyboard.press("Enter")
    expect(ben.page.locator("#sheet")).to_be_hidden()

    for title, job in jobs.items():
        new = title.replace("draft", "wording")
        expect(mark(ada, new)).to_have_text("ben changed the title")
        assert ada.row(new).job == ben.row(new).job == job
        expect(mark(ben, new)).to_have_count(0)
    expect(ada.page.get_by_text("draft")).to_have_count(0)


@pytest.mark.parametrize(("choice", "stays"), [("Keep mine", "ada"), ("Take theirs", "ben")])
def test_of_two_who_write_at_the_same_time_the_second_sees_both_and_chooses(
    new_visitor: NewVisitor, open_list: OpenList, start: StartJob, choice: str, stays: str
) -> None:
    job = start("ada", f"Disputed: {choice}")
    written = {name: f"By {name}: {choice}" for name in ("ada", "ben")}
    page = new_visitor("ada")
    release = hold_edits(page)
    page.goto("/")
    ada, ben = Dashboard(page), open_list("ben")
    hers, his = edit(ada, f"Disputed: {choice}"), edit(ben, f"Disputed: {choice}")
    hers.get_by_label("Title").fill(written["ada"])
    his.get_by_label("Title").fill(written["ben"])
    his.get_by_label("Title").press("Enter")
    expect(his).to_be_hidden()
    hers.get_by_role("button", name="Done").click()

    alert = hers.get_by_role("alert")
    expect(alert).to_contain_text("Somebody else has written meanwhile")
    expect(alert.locator("q")).to_have_text(written["ben"])
    expect(hers.get_by_label("Title")).to_have_value(written["ada"])
    hers.get_by_label("Title").press("Enter")  # chooses neither
    hers.get_by_role("button", name=choice).click()
    expect(alert).to_have_count(0)
    release()
    for tab in (ada, ben):
        assert tab.row(written[stays]).job == job.id
    told = {"ada": ["ada changed the title"], "ben": []}
    expect(mark(ben, written[stays])).to_have_text(told[stays])


def test_who_wants_only_the_own_jobs_has_an_address_to_share(
    open_list: OpenList, start: StartJob
) -> None:
    start("ada", "One of ada")
    start("ben", "One of ben")
    ben = open_list("ben")
    ben.row("One of ada")
    ben.page.get_by_label("Mine", exact=True).check()
    expect(ben.page).to_have_url(re.compile(r"/\?mine=1$"))
    expect(owners(ben, "ada")).to_have_count(0)
    ben.row("One of ben")
    start("ada", "Two of ada")
    start("ben", "Two of ben")
    ben.row("Two of ben")
    expect(owners(ben, "ada")).to_have_count(0)

    for name, other, is_scripted in (("ada", "ben", True), ("ben", "ada", False)):
        tab = open_list(name, ben.page.url, java_script_enabled=is_scripted)
        expect(tab.page.get_by_label("Mine", exact=True)).to_be_checked()
        tab.row(f"Two of {name}")
        expect(owners(tab, other)).to_have_count(0)
    ben.page.get_by_label("Mine", exact=True).uncheck()
    ben.row("Two of ada")
    expect(ben.page).to_have_url(re.compile(r"/$"))


def test_who_wants_to_be_notified_of_the_own_jobs_is_not_of_anothers(
    new_visitor: NewVisitor, start: StartJob
) -> None:
    jobs = {name: start(name, f"Awaited by {name}") for name in ("ada", "ben")}
    page = new_visitor("ben")
    page.add_init_script(RECORD_NOTICES)
    page.goto("/")
    ben = Dashboard(page)
    page.get_by_label("Notify me when mine end").check()
    for name, job in jobs.items():
        ben.row(f"Awaited by {name}").wait_for_state("Running")
        job.report(state="succeeded")
        ben.row(f"Awaited by {name}").wait_for_state("Succeeded")
    assert page.evaluate("() => window.noticed") == [["Awaited by ben succeeded", jobs["ben"].id]]
    page.reload()
    expect(page.get_by_label("Notify me when mine end")).to_be_checked()


def test_while_the_network_is_away_the_list_says_so_and_afterwards_it_is_right(
    closed: ClosedStack, open_list: OpenList, start: StartJob, complaints: Complaints
) -> None:
    complaints.expect(r"WebSocket connection to .* failed|ERR_CONNECTION_|ERR_EMPTY_RESPONSE")
    goes_on, ends = start("ada", "Goes on"), start("ada", "Ends meanwhile")
    with Proxy(closed.launcher.port) as proxy:
        ben = open_list("ben", base_url=proxy.url)
        ben.page.evaluate("() => { window.isTheSamePage = true; }")
        goes_on.report(progress=20)
        ben.row("Goes on").wait_for_value(at_least=20)
        proxy.is_away = True
        last_news = re.compile(r"Not connected\. Last news at \d{1,2}:\d\d:\d\d")
        expect(ben.banner).to_contain_text(last_news)
        goes_on.report(progress=60)
        goes_on.edit(title="Has gone on")
        ends.report(state="succeeded")
        start("ada", "Begun meanwhile")
        expect(ben.banner).to_be_visible()
        assert ben.row("Goes on").value == 20

        proxy.is_away = False
        expect(ben.banner).to_be_hidden()
        assert ben.row("Has gone on").job == goes_on.id
        ben.row("Has gone on").wait_for_value(at_least=60)
        ben.row("Ends meanwhile").wait_for_state("Succeeded")
        ben.row("Begun meanwhile").wait_for_state("Running")
        expect(ben.page.get_by_text("Goes on", exact=True)).to_have_count(0)
        goes_on.report(progress=80)
        ben.row("Has gone on").wait_for_value(at_least=80)
        assert ben.page.evaluate("() => window.isTheSamePage")


def test_who_watches_a_job_is_named_for_as_long_as_they_are_there(
    new_visitor: NewVisitor, start: StartJob
) -> None:
    job = start("ada", "Watched")
    ada, ben = new_visitor("ada"), new_visitor("ben")
    ada.goto(job.path)

    def expect_watchers(words: str) -> None:
        expect(ada.locator("[data-part=watchers]")).to_have_text(words)

    expect_watchers("1 watching now: ada")
    ben.goto(job.path)
    expect_watchers("2 watching now: ada, ben")
    second = ben.context.new_page()  # each tab counts
    second.goto(job.path)
    expect_watchers("3 watching now: ada, ben, 1 more")
    second.close()
    expect_watchers("2 watching now: ada, ben")
    ben.goto("/")
    expect_watchers("1 watching now: ada")
    ben.go_back()
    expect_watchers("2 watching now: ada, ben")
    ben.close()
    expect_watchers("1 watching now: ada")
