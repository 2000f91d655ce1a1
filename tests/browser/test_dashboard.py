"""The page in a browser: what a person starts, watches and stops there."""

import json
import re
from collections.abc import Callable
from itertools import pairwise

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.complaints import Complaints
from tests.browser.dashboard import SLOW_FRACTAL, Dashboard
from tests.browser.job_page import JobTab
from tests.launcher_process import Launcher

OpenPage = Callable[..., Dashboard]
FIELDS = {"Width": "200", "Height": "200", "Iterations": "50", "Pause": "100"}


def test_a_job_started_by_keyboard_alone_fills_its_bar(open_page: OpenPage) -> None:
    tab, jobs = open_page("/"), open_page("/")
    tab.page.get_by_role("link", name="Start a job").press("Enter")
    keyboard = tab.page.keyboard
    tab.tab_to(tab.form.get_by_label("Title"))
    keyboard.type("By keyboard")
    for label, value in FIELDS.items():
        tab.tab_to(tab.form.get_by_label(label, exact=True))
        keyboard.press("ControlOrMeta+A")
        keyboard.type(value)
    tab.tab_to(tab.start_button)
    keyboard.press("Enter")
    row = jobs.row("By keyboard")
    row.record()
    expect(tab.page).to_have_url(re.compile(f"/jobs/{row.job}$"))
    expect(jobs.page).to_have_title(re.compile(r"^\d+\s% · Jobs · ProgRock$"))
    expect(row.bar).to_have_attribute("aria-valuenow", "100")
    row.wait_for_state("Succeeded")

    assert row.recorded[-1] == 100
    assert len(row.recorded) > 3
    assert all(earlier < later for earlier, later in pairwise(row.recorded))
    expect(row.element.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(jobs.page).to_have_title("Jobs · ProgRock")


def test_another_tab_shows_the_same_job_with_the_same_values(open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    own = first.start("In two tabs", **(SLOW_FRACTAL | {"pause_ms": 500}))
    own.record()
    other = second.row("In two tabs")
    other.record()
    own.wait_for_state("Succeeded")
    other.wait_for_state("Succeeded")
    assert other.job == own.job
    assert len(other.recorded) > 2
    assert own.recorded[-1] == other.recorded[-1] == 100


def test_a_page_read_again_in_the_middle_goes_on_where_the_job_is(open_page: OpenPage) -> None:
    tab = open_page()
    row = tab.start("Read again", **SLOW_FRACTAL)
    row.wait_for_value(at_least=20)
    before = row.value
    tab.page.reload()
    assert row.value >= before
    row.record()
    row.wait_for_state("Succeeded")
    assert row.recorded == sorted(row.recorded)
    assert row.recorded[-1] == 100


def test_a_page_outlives_the_web_server_and_tells_the_end_once(
    open_page: OpenPage, launcher: Launcher, complaints: Complaints
) -> None:
    complaints.expect(r"WebSocket connection to .* failed")
    tab = open_page()
    tab.page.evaluate("() => { window.isTheSamePage = true; }")
    tab.record_announcements()
    row = tab.start("Outlives", **(SLOW_FRACTAL | {"pause_ms": 300}))
    row.record()
    row.wait_for_value(at_least=10)

    launcher.kill_child("web")
    expect(tab.banner).to_contain_text("Not connected. Last news at")
    expect(tab.banner).to_be_hidden()
    row.wait_for_state("Succeeded")
    expect(tab.page.locator("#announcer")).to_have_text("Outlives succeeded")
    assert tab.page.evaluate("() => window.isTheSamePage")
    assert sum("Outlives succeeded" in told for told in tab.announced) == 1
    assert row.recorded == sorted(row.recorded)
    assert row.recorded[-1] == 100


def test_a_job_is_cancelled_from_the_page(open_page: OpenPage) -> None:
    tab = open_page()
    row = tab.start("To be cancelled", **(SLOW_FRACTAL | {"pause_ms": 2000}))
    row.wait_for_value(at_least=5)
    row.element.get_by_role("button", name="Cancel To be cancelled").press("Enter")
    row.wait_for_state("Cancelled")
    expect(row.element.get_by_role("button", name="Cancel To be cancelled")).to_have_count(0)
    assert row.value < 100
    # The button is gone; who pressed it has not lost the place.
    expect(row.element.get_by_role("link", name="To be cancelled")).to_be_focused()


def test_a_failed_job_shows_its_reason(open_page: OpenPage) -> None:
    tab = open_page()
    row = tab.start("Fails half way", backend="flaky", rows=1000, fail_at=50, pause_ms=10)
    row.wait_for_state("Failed")
    expect(row.element.locator("[data-part=error]")).to_have_text(
        "row 500 has 7 columns where 9 are expected"
    )
    assert 0 < row.value < 100


def test_markup_in_a_title_is_shown_as_text(open_page: OpenPage) -> None:
    tab = open_page()
    title = '<img src="/nowhere" onerror="alert(1)"><b>bold</b>'
    row = tab.start(title, backend="flaky", rows=100, pause_ms=0)
    row.wait_for_state("Failed")
    expect(row.element.locator("img, b")).to_have_count(0)
    tab.page.reload()
    expect(tab.row(title).element.locator("img, b")).to_have_count(0)


def test_nothing_is_cut_off_on_a_phone(open_page: OpenPage) -> None:
    tab = open_page(viewport={"width": 360, "height": 740})

    def assert_it_fits() -> None:
        for width in (320, 360):
            tab.page.set_viewport_size({"width": width, "height": 740})
            assert tab.hidden_width == 0, f"at {width} pixels"

    title = "Unbroken" * 25
    row = tab.start(title, backend="flaky", rows=1_000_000, pause_ms=5)
    expect(row.element).to_contain_text("left")  # an estimate stands beside the large figures
    assert_it_fits()
    row.element.get_by_role("link").click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(title)
    tab.page.wait_for_load_state()
    assert_it_fits()
    job = JobTab(tab.page)
    job.button("Cancel").click()
    expect(job.state).to_have_text("Cancelled")
    assert_it_fits()


def test_a_start_whose_answer_is_lost_is_not_repeated_by_pressing_again(
    new_page: Callable[..., Page],
) -> None:
    page = new_page()
    answers: list[str] = []

    def lose_the_first_answer(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)

        def from_server(text: str | bytes) -> None:
            if json.loads(text)["type"] == "started":
                answers.append(json.loads(text)["job"])
                if len(answers) == 1:
                    socket.close(code=1012)
                    return
            socket.send(text)

        server.on_message(from_server)

    page.route_web_socket("**/prog/", lose_the_first_answer)
    page.goto("/start")
    tab = Dashboard(page)
    expect(tab.form.get_by_role("alert")).to_be_hidden()
    tab.form.get_by_label("Backend").select_option(label="Flaky import")
    tab.form.get_by_label("Title").fill("Only once")
    tab.start_button.click()
    expect(tab.form.get_by_role("alert")).to_contain_text("it will not start twice")
    expect(tab.form.get_by_label("Title")).to_have_value("Only once")
    expect(tab.banner).to_be_hidden()
    tab.start_button.click()
    expect(page).to_have_url(re.compile(f"/jobs/{answers[0]}$"))
    assert len(answers) == 2
    assert answers[0] == answers[1]


def test_a_job_has_a_page_of_its_own(open_page: OpenPage) -> None:
    row = open_page().start("On its own", **SLOW_FRACTAL)
    tab = JobTab(open_page(f"/jobs/{row.job}").page)
    expect(tab.title).to_have_text("On its own")
    expect(tab.state).to_have_text("Succeeded")
    expect(tab.page).to_have_title("On its own · ProgRock")


def test_a_job_that_is_not_there_gives_a_page_that_says_so(
    open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expect("status of 404")
    tab = open_page("/jobs/0198c0de-0000-7000-8000-000000000000")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    tab.page.get_by_role("link", name="See all jobs").click()
    expect(tab.page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def test_without_javascript_the_latest_jobs_are_listed(open_page: OpenPage) -> None:
    row = open_page().start("Plain", backend="flaky", rows=1000, pause_ms=0)
    row.wait_for_state("Failed")
    plain = open_page(java_script_enabled=False)
    listed = plain.row("Plain")
    listed.wait_for_state("Failed")
    expect(listed.bar).to_have_attribute("aria-valuenow", re.compile(r"^[45]\d$"))
    expect(plain.form).to_be_hidden()
    expect(plain.page.get_by_role("link", name="read it again now")).to_be_visible()


def test_no_script_but_the_sites_own_runs_in_a_page(
    open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expect("script-src")
    page = open_page().page
    page.evaluate(
        """() => {
          window.isFooled = false;
          const script = document.createElement("script");
          script.textContent = "window.isFooled = true;";
          document.body.append(script);
        }"""
    )
    assert not page.evaluate("() => window.isFooled")
    policy = page.request.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "content-security-policy" not in page.request.get("/admin/login/").headers
