"""The page of one job where people have accounts: two of them, and strangers with a share link."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.complaints import Complaints
from tests.browser.job_page import JobTab, Reported
from tests.browser.people import ClosedStack, NewVisitor, log_in


@pytest.fixture
def http(closed: ClosedStack) -> Iterator[httpx.Client]:
    """Ada's programs."""
    with closed.programs_of("ada") as client:
        yield client


def link_of(job: Reported) -> str:
    return str(job.post("share", expires_in=3600)["url"])


def assert_read_only(tab: JobTab) -> None:
    expect(tab.page.get_by_text("You watch this job by a link")).to_be_visible()
    for name in ("Cancel", "Retry", "Share", "Pin", "Comment", "Edit the title", "Edit the note"):
        expect(tab.button(name)).to_have_count(0)


def test_a_link_made_on_the_page_lets_a_stranger_watch_and_nothing_else(
    http: httpx.Client, new_visitor: NewVisitor
) -> None:
    job = Reported(http, "Shown around")
    job.report(state="running", progress=20, log=["first"])
    job.post("comments", text="Have a look.")
    ada = JobTab(new_visitor("ada", permissions=["clipboard-read", "clipboard-write"]))
    ada.page.goto(job.path)
    ada.button("Share").click()
    dialog = ada.page.get_by_role("dialog", name="Share this job")
    dialog.get_by_label("Good for").select_option(label="1 hour")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_role("status")).to_contain_text("Good until")
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied.")
    link = ada.page.evaluate("() => navigator.clipboard.readText()")
    assert "#share=prs_" in link

    stranger = JobTab(new_visitor())
    addresses: list[str] = []
    stranger.page.on("request", lambda request: addresses.append(request.url.partition("#")[0]))
    stranger.page.on("websocket", lambda socket: addresses.append(socket.url))
    stranger.page.goto(link)
    expect(stranger.title).to_have_text("Shown around")
    expect(stranger.lines).to_have_count(1)
    expect(stranger.comments).to_contain_text(["Have a look."])
    assert_read_only(stranger)
    assert_accessible(stranger.page)
    job.report(progress=60, log=["second"])
    expect(stranger.bar).to_have_attribute("aria-valuenow", "60")
    expect(stranger.lines).to_have_count(2)
    job.report(state="succeeded", result={"rows": 3})
    expect(stranger.state).to_have_text("Succeeded")
    assert_read_only(stranger)
    assert addresses
    assert not [address for address in addresses if "prs_" in address]


def test_a_stranger_with_a_link_sees_the_picture(
    http: httpx.Client, new_visitor: NewVisitor
) -> None:
    params = {"width": 64, "height": 64, "iterations": 50}
    started = http.post("jobs", json={"backend": "fractal", "params": params}).json()
    link = http.post(f"jobs/{started['job']}/share", json={}).json()["url"]
    tab = JobTab(new_visitor())
    tab.page.goto(link)
    picture = tab.region("Result").locator("img")
    expect(picture).to_have_js_property("naturalWidth", 64)
    expect(picture).to_have_attribute("src", re.compile("^blob:"))


def test_a_stranger_without_a_link_is_led_to_the_login_and_back(
    http: httpx.Client, new_visitor: NewVisitor
) -> None:
    job = Reported(http, "For ada alone")
    page = new_visitor()
    page.goto(job.path)
    expect(page).to_have_url(re.compile("/login/"))
    log_in(page, "ada")
    expect(JobTab(page).title).to_have_text("For ada alone")


def test_without_javascript_a_stranger_is_told_to_sign_in(
    http: httpx.Client, new_visitor: NewVisitor
) -> None:
    job = Reported(http, "For ada alone")
    page = new_visitor(java_script_enabled=False)
    page.goto(job.path)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see this job")
    assert "For ada alone" not in page.content()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"/login/.*{job.id}"))


def test_strangers_are_told_the_same_of_a_job_that_does_not_exist(
    closed: ClosedStack, http: httpx.Client
) -> None:
    job = Reported(http, "For ada alone")
    other = "0198c0de-0000-7000-8000-000000000000"
    there, nowhere = (
        httpx.get(f"{closed.launcher.base_url}jobs/{id_}", timeout=30) for id_ in (job.id, other)
    )
    assert there.status_code == nowhere.status_code == 200
    assert there.text.replace(job.id, other) == nowhere.text


def test_a_link_that_is_wrong_says_so(http: httpx.Client, new_visitor: NewVisitor) -> None:
    job = Reported(http, "For ada alone")
    page = new_visitor()
    page.goto(f"{job.path}#share=prs_{job.id}.1.forged")
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not open the job")
    expect(page.get_by_role("main").get_by_role("link", name="sign in")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()


def test_a_link_that_ends_leaves_what_was_seen(http: httpx.Client, new_visitor: NewVisitor) -> None:
    job = Reported(http, "Seen for a time")
    job.report(state="running", progress=20)
    page = new_visitor()
    sockets: list[WebSocketRoute] = []

    def route(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket("**/prog/", route)
    page.goto(link_of(job))
    tab = JobTab(page)
    tab.wait_for_live()
    sockets[-1].close(code=4401, reason="This share link has expired.")
    expect(page.get_by_role("alert").filter(has_text="has expired")).to_be_visible()
    expect(tab.title).to_have_text("Seen for a time")
    expect(tab.banner).to_be_hidden()


def test_a_user_who_may_not_see_the_job_sees_it_by_a_link(
    http: httpx.Client, new_visitor: NewVisitor, complaints: Complaints
) -> None:
    complaints.expect("status of 404")
    job = Reported(http, "Of ada")
    page = new_visitor("eve")
    page.goto(job.path)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    page.goto("/login/")
    page.goto(link_of(job))
    tab = JobTab(page)
    expect(tab.title).to_have_text("Of ada")
    assert_read_only(tab)


def test_two_users_see_each_other_and_what_each_did(
    http: httpx.Client, new_visitor: NewVisitor
) -> None:
    job = Reported(http, "Of both")
    job.report(state="running", progress=20)
    ada, ben = JobTab(new_visitor("ada")), JobTab(new_visitor("ben"))
    ada.page.goto(job.path)
    ben.page.goto(job.path)
    expect(ada.page.locator("[data-part=watchers]")).to_have_text(
        re.compile(r"2 watching now\s*: ada, ben")
    )
    ben.page.get_by_label("Comment", exact=True).fill("Mine?")
    ben.page.get_by_label("Comment", exact=True).press("Control+Enter")
    expect(ada.page.locator(".comment-author")).to_have_text(["ben"])
    ada.button("Edit the title").click()
    ada.page.get_by_role("textbox", name="Title").fill("Of us")
    ada.page.get_by_role("textbox", name="Title").press("Enter")
    expect(ben.title).to_have_text("Of us")
    expect(ben.page.locator(".title-place .edit-mark")).to_have_text("changed by ada")
    expect(ben.entries.first).to_have_text("ada changed the title")
    ben.button("Cancel").click()
    expect(ada.state).to_have_text("Cancelling")
