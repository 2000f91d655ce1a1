"""Titles, labels and notes edited at their rows, by two who see each other's changes."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.dashboard import Dashboard, Row

OpenPage = Callable[..., Dashboard]


def ended(tab: Dashboard, title: str) -> Row:
    row = tab.start(title, backend="flaky", rows=1000, pause_ms=0)
    row.wait_for_state("Failed")
    return row


def edit(tab: Dashboard, title: str) -> Locator:
    """Open the sheet of a job."""
    tab.row(title).element.get_by_role("button", name=f"Edit {title}").click()
    sheet = tab.page.get_by_role("group", name=f"Edit {title}")
    expect(sheet.get_by_label("Title")).to_be_focused()
    return sheet


def test_what_is_edited_is_saved_and_shown_in_the_other_tab(open_page: OpenPage) -> None:
    tab, other = open_page(), open_page()
    row = ended(tab, "Draft")
    job = row.job
    sheet = edit(tab, "Draft")
    assert_accessible(tab.page)
    sheet.get_by_label("Labels").fill("night, import ,night")
    sheet.get_by_label("Note").fill("Ask Ada first")
    sheet.get_by_label("Title").fill("Final")  # at last: the sheet is named by it once it is saved
    tab.page.get_by_role("button", name="Done").click()

    for each in (tab, other):
        element = each.row("Final").element
        expect(element).to_have_attribute("data-job", job)
        expect(element.locator("[data-part=note]")).to_have_text("Ask Ada first")
        expect(element.locator(".label")).to_have_text(["night", "import"])
    expect(other.row("Final").element.locator("[data-part=mark]")).to_contain_text("changed the")
    expect(tab.row("Final").element.locator("[data-part=mark]")).to_have_count(0)
    expect(tab.page.get_by_role("link", name="Final", exact=True)).to_be_focused()


def test_escape_undoes_and_what_is_wrong_is_not_sent(open_page: OpenPage) -> None:
    tab = open_page()
    ended(tab, "Stays")
    sheet = edit(tab, "Stays")
    title = sheet.get_by_label("Title")
    title.fill("Something else")
    title.press("Escape")
    expect(title).to_have_value("Stays")
    title.fill("")
    sheet.get_by_label("Note").focus()
    expect(title).to_have_attribute("aria-invalid", "true")
    expect(title).to_have_accessible_description("A job needs a title.")
    sheet.get_by_label("Labels").fill("x" * 61)
    sheet.get_by_label("Labels").press("Enter")
    expect(sheet.get_by_role("alert").last).to_have_text("A label has 60 characters at most.")
    tab.page.reload()
    expect(tab.row("Stays").element.locator(".label")).to_have_count(0)


def test_of_two_who_edit_at_once_the_second_sees_both_and_chooses(open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    ended(first, "Disputed")
    mine, theirs = edit(first, "Disputed"), edit(second, "Disputed")
    mine.get_by_label("Title").fill("Mine")
    theirs.get_by_label("Title").fill("Theirs")
    theirs.get_by_label("Title").press("Enter")
    expect(theirs).to_be_hidden()

    sheet = first.page.locator("#sheet")
    expect(sheet.get_by_role("alert")).to_contain_text("Somebody else has written meanwhile")
    expect(sheet.locator("q")).to_have_text("Theirs")
    expect(sheet.get_by_label("Title")).to_have_value("Mine")
    assert_accessible(first.page)
    sheet.get_by_role("button", name="Keep mine").click()
    second.row("Mine")

    # Another field is no conflict.
    edit(second, "Mine").get_by_label("Note").fill("By the second")
    sheet.get_by_label("Labels").fill("by-the-first")
    second.page.get_by_role("button", name="Done").click()
    expect(first.row("Mine").element.locator("[data-part=note]")).to_have_text("By the second")
    first.page.get_by_role("button", name="Done").click()
    expect(second.row("Mine").element.locator(".label")).to_have_text(["by-the-first"])


def test_an_edit_while_away_is_kept_until_it_can_be_saved(
    new_page: Callable[..., Page], open_page: OpenPage
) -> None:
    page = new_page()
    is_away = False
    sockets = []

    def pass_on(socket):  # type: ignore[no-untyped-def]
        if is_away:
            socket.close(code=1012)
            return
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket("**/prog/", pass_on)
    page.goto("/")
    tab, other = Dashboard(page), open_page()
    ended(tab, "Away")
    sheet = edit(tab, "Away")
    is_away = True
    sockets[-1].close(code=1012)
    expect(tab.banner).to_contain_text("Last news at")
    sheet.get_by_label("Title").fill("Back again")
    sheet.get_by_label("Note").focus()
    expect(sheet.get_by_label("Title")).to_have_attribute("aria-invalid", "true")
    expect(sheet.get_by_label("Title")).to_have_value("Back again")
    is_away = False
    expect(tab.banner).to_be_hidden()
    sheet.get_by_label("Title").press("Enter")
    other.row("Back again")
