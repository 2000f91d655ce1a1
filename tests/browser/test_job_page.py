"""The page of one job: what a person sees, follows, says and does there."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.complaints import Complaints
from tests.browser.dashboard import Dashboard
from tests.browser.job_page import JobTab, Reported
from tests.launcher_process import Launcher

OpenJob = Callable[..., JobTab]
NewJob = Callable[..., Reported]
RUNNING = {"state": "running", "progress": 40}


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """A server of its own: the many jobs of this file would crowd the lists of others."""
    with Launcher(tmp_path_factory.mktemp("job-page") / "data") as launcher:
        launcher.start()
        yield launcher


@pytest.fixture
def http(launcher: Launcher) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{launcher.base_url}api/v1/", timeout=30) as client:
        yield client


@pytest.fixture
def new_job(http: httpx.Client) -> NewJob:
    """Give a function that starts a job which the test reports."""

    def new_job(title: str = "Reported", **start: Any) -> Reported:
        return Reported(http, title, **start)

    return new_job


@pytest.fixture
def open_job(new_page: Callable[..., Page]) -> OpenJob:
    """Give a function that opens the page of a job, as a visitor of its own."""

    def open_job(job: Reported, **options: Any) -> JobTab:
        page = new_page(**options)
        page.goto(job.path)
        return JobTab(page)

    return open_job


# --- the head ---


def test_the_head_follows_the_job_to_its_end(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Nightly import")
    tab = open_job(job)
    expect(tab.title).to_have_text("Nightly import")
    expect(tab.state).to_have_text("Pending")
    tab.wait_for_live()
    job.report(state="running", current=0, total=480, unit="rows", message="reading")
    expect(tab.state).to_have_text("Running")
    job.report(current=204, message="row 204")
    expect(tab.bar).to_have_attribute("aria-valuenow", "42.5")
    expect(tab.page.locator("[data-part=message]")).to_have_text("row 204")
    expect(tab.figure("Done")).to_have_text("204 of 480\xa0rows")
    expect(tab.figure("Rate")).to_contain_text("rows/")
    expect(tab.page).to_have_title("42\xa0% · Nightly import · ProgRock")
    expect(tab.page.locator("#icon")).to_have_attribute("href", re.compile("^data:image/svg"))
    tab.button("Notify me at the end").click()
    expect(tab.button("Notify me at the end")).to_have_attribute("aria-pressed", "true")
    job.report(state="succeeded", result={"rows": 480})
    expect(tab.state).to_have_text("Succeeded")
    expect(tab.bar).to_have_attribute("aria-valuenow", "100")
    expect(tab.figure("Took")).to_be_visible()
    expect(tab.region("Result")).to_contain_text("480")
    expect(tab.page).to_have_title("Nightly import · ProgRock")
    expect(tab.page.locator("#icon")).to_have_attribute("href", re.compile("favicon"))
    expect(tab.page.locator("#announcer")).to_have_text("Nightly import succeeded")
    expect(tab.button("Cancel")).to_have_count(0)


def test_the_bar_has_a_part_for_each_step_as_wide_as_its_weight(
    new_job: NewJob, open_job: OpenJob
) -> None:
    job = new_job()
    steps = [
        {"name": "load", "state": "succeeded", "progress": 100, "weight": 1},
        {"name": "train", "state": "running", "progress": 50, "weight": 3},
    ]
    job.report(state="running", steps=steps)
    tab = open_job(job)
    parts = tab.bar.locator(".bar-part")
    expect(parts).to_have_count(2)
    load, train = parts.nth(0).bounding_box(), parts.nth(1).bounding_box()
    assert load is not None
    assert train is not None
    assert train["width"] / load["width"] == pytest.approx(3, rel=0.05)
    expect(parts.nth(1).locator("svg")).to_have_attribute("width", "50%")
    current = tab.page.locator("[aria-current=step]")
    expect(current).to_have_text(re.compile(r"train\s+50\s%"))


def test_the_time_left_is_told_with_its_range(
    new_job: NewJob, new_page: Callable[..., Page]
) -> None:
    job = new_job()
    job.report(**RUNNING)
    page = new_page()

    def with_estimate(route: Route) -> None:  # one of our own needs minutes of work
        answer = route.fetch()
        known, told = '"eta": null, "eta_range": null', '"eta": 300, "eta_range": [120, 900]'
        assert known in answer.text()
        route.fulfill(response=answer, body=answer.text().replace(known, told))

    page.route(f"**{job.path}", with_estimate)
    page.goto(job.path)
    tab = JobTab(page)
    expect(tab.figure("Time left")).to_have_text("about 5\xa0min (2\xa0min to 15\xa0min)")
    expect(tab.figure("Done at")).to_contain_text("about ")
    expect(tab.region("Progress")).to_contain_text("where the end is expected")


def test_a_failed_job_says_why_and_what_can_be_done(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job()
    job.report(state="failed", progress=30, error={"code": "disk", "message": "The disk is full."})
    tab = open_job(job)
    failure = tab.region("The backend reports that the work failed.")
    expect(failure).to_contain_text("The disk is full.")
    expect(failure).to_contain_text("What you can do:")
    expect(failure).to_contain_text("backend_failed")


@pytest.mark.parametrize(
    ("result", "selector", "text"),
    [
        ([{"name": "ada", "rows": 3}, {"name": "ben", "rows": None}], "table td", "ada"),
        ({"report": "https://example.org/report"}, "a[href]", "https://example.org/report"),
        ({"deep": {"er": [1, 2]}}, "pre.json", '"er"'),
        ("all is well", ".result-place", "all is well"),
    ],
)
def test_a_result_is_shown_as_fits(
    new_job: NewJob, open_job: OpenJob, result: object, selector: str, text: str
) -> None:
    job = new_job()
    job.report(state="succeeded", result=result)
    shown = open_job(job).region("Result").first
    expect(shown.locator(selector).first).to_contain_text(text)


def test_a_picture_is_shown_large(
    open_page: Callable[..., Dashboard], new_page: Callable[..., Page]
) -> None:
    row = open_page().start("Picture", width=64, height=64, iterations=50, pause_ms=0)
    page = new_page()
    page.goto(f"/jobs/{row.job}")
    picture = JobTab(page).region("Result").locator("img")
    expect(picture).to_have_js_property("naturalWidth", 64)
    expect(picture).to_have_attribute("alt", "Picture")


# --- the plot and the timeline ---


def test_the_plot_tells_the_curve_and_where_it_stalled(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job(params={"stall_after": 0.5})
    tab = open_job(job)
    expect(tab.region("Progress")).to_contain_text("No progress is known yet.")
    job.report(state="running", progress=10)
    expect(tab.plot).to_have_attribute("aria-label", re.compile(r"from 10 % at .* to 10 % at"))
    expect(tab.plot.locator("canvas")).to_be_visible()
    expect(tab.page.locator("[data-part=condition]")).to_contain_text("Stalled: nothing moves")
    expect(tab.page.locator("#announcer")).to_contain_text("Stalled: nothing moves")
    job.report(progress=60)
    expect(tab.plot).to_have_attribute("aria-label", re.compile("to 60 % at .*Nothing moved "))
    expect(tab.entries.filter(has_text="It moves again").first).to_be_visible()
    expect(tab.entries.filter(has_text="Stalled: nothing moves").first).to_be_visible()


def test_a_retry_is_drawn_beside_the_attempt_before(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Tried again")
    job.report(**RUNNING)
    job.report(state="failed", error="No.")
    tab = open_job(job)
    tab.button("Retry").click()
    expect(tab.page).not_to_have_url(re.compile(job.id))
    expect(tab.state).to_have_text("Pending")
    expect(tab.title).to_have_text("Tried again")
    again = tab.page.url.rsplit("/", 1)[1]
    expect(tab.page.get_by_role("link", name="an earlier job")).to_have_attribute("href", job.path)
    answer = httpx.post(
        f"{tab.page.url.split('/jobs/')[0]}/api/v1/jobs/{again}/report", json=RUNNING, timeout=30
    )
    assert answer.status_code == 200
    expect(tab.region("Progress")).to_contain_text("Dotted: the attempt before")


def test_the_timeline_holds_each_event_once_whatever_way_it_came(
    new_job: NewJob, open_job: OpenJob
) -> None:
    job = new_job()
    job.report(**RUNNING)
    job.post("comments", text="Before it was opened.")
    tab = open_job(job)
    tab.wait_for_live()
    job.report(progress=55)
    job.report(progress=70)
    expect(tab.entries.first).to_have_text("55\xa0% to 70\xa0%")
    job.post("comments", text="While it is open.")
    job.report(state="succeeded")
    expect(tab.entries).to_have_text(
        ["Succeeded", "Somebody said", "55\xa0% to 70\xa0%", "Somebody said", "Running", "Created"]
    )


# --- the log ---


def test_the_log_follows_until_somebody_scrolls_up(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job()
    job.report(state="running", log=[f"line {number}" for number in range(200)])
    tab = open_job(job)
    expect(tab.lines).to_have_count(200)
    tab.log.scroll_into_view_if_needed()
    expect(tab.lines.last).to_be_in_viewport()
    job.report(log=["one more"])
    expect(tab.lines.last).to_contain_text("one more")
    expect(tab.lines.last).to_be_in_viewport()
    expect(tab.newer).to_be_hidden()

    tab.log.evaluate("(log) => { log.scrollTop = 0; }")
    expect(tab.lines.last).not_to_be_in_viewport()
    job.report(log=["new 1", "new 2"])
    expect(tab.newer).to_have_text("2 new lines ↓")
    expect(tab.lines.first).to_be_in_viewport()
    tab.newer.press("Enter")
    expect(tab.lines.last).to_contain_text("new 2")
    expect(tab.lines.last).to_be_in_viewport()
    expect(tab.newer).to_be_hidden()
    expect(tab.log).to_be_focused()


def test_the_log_is_searched_also_in_lines_that_come_then(
    new_job: NewJob, open_job: OpenJob
) -> None:
    job = new_job()
    job.report(state="running", log=[f"row {number}" for number in range(1000)])
    tab = open_job(job)
    expect(tab.lines).to_have_count(1000)
    tab.page.get_by_role("searchbox", name="Search the log").fill("ROW 99")
    expect(tab.lines).to_have_count(11)
    expect(tab.lines.first.locator("mark")).to_have_text("row 99")
    expect(tab.page.locator(".log-count")).to_have_text("11 of 1000 lines")
    tab.page.get_by_role("searchbox", name="Search the log").fill("")
    expect(tab.lines).to_have_count(1000)


# --- what people write ---


def test_a_comment_shows_at_once_in_the_other_tab_and_stays(
    new_job: NewJob, open_job: OpenJob
) -> None:
    job = new_job()
    one, other = open_job(job), open_job(job)
    other.wait_for_live()
    said = "<b>Shall we</b> stop it?"
    one.page.get_by_label("Comment", exact=True).fill(said)
    one.button("Comment").click()
    expect(one.comments).to_contain_text([said])
    expect(one.page.get_by_label("Comment", exact=True)).to_have_value("")
    expect(other.comments).to_contain_text([said])
    expect(other.comments.locator("b")).to_have_count(0)
    other.page.reload()
    expect(other.comments).to_contain_text([said])
    expect(other.comments).to_have_count(1)


def test_title_note_labels_and_pin_are_edited_in_place(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Before")
    one, other = open_job(job), open_job(job)
    other.wait_for_live()
    one.button("Edit the title").click()
    field = one.page.get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    field.fill("Thrown away")
    field.press("Escape")
    expect(one.title).to_have_text("Before")
    expect(one.button("Edit the title")).to_be_focused()

    one.button("Edit the title").click()
    field.fill("After")
    field.press("Enter")
    expect(one.title).to_have_text("After")
    expect(other.title).to_have_text("After")
    expect(other.page.locator(".title-place .edit-mark")).to_have_text("changed by somebody")
    expect(one.page.locator(".title-place .edit-mark")).to_be_empty()

    one.button("Add labels").click()
    one.page.get_by_role("textbox", name="Labels").fill("gpu, night, gpu")
    one.page.get_by_role("textbox", name="Labels").press("Enter")
    expect(other.page.locator("[data-part=labels] li")).to_have_text(["gpu", "night"])

    one.button("Edit the note").click()
    one.page.get_by_role("textbox", name="Note").fill("first\nsecond")
    one.page.get_by_role("button", name="Save").click()
    expect(other.page.locator("[data-part=note]")).to_have_text("first\nsecond")

    one.button("Pin").click()
    expect(other.button("Pinned")).to_have_attribute("aria-pressed", "true")


def test_two_edits_at_once_show_both_values_and_let_choose(
    new_job: NewJob, open_job: OpenJob
) -> None:
    job = new_job("Before")
    tab = open_job(job)
    tab.wait_for_live()
    tab.button("Edit the title").click()
    tab.page.get_by_role("textbox", name="Title").fill("Mine")
    job.edit(title="Theirs", labels=["theirs"])
    conflict = tab.page.get_by_role("group", name="Two edits at once")
    expect(conflict.locator("dd")).to_have_text(["Theirs", "Mine"])
    expect(conflict).to_be_focused()
    tab.page.keyboard.type("Mine too ")
    tab.page.keyboard.press("Enter")
    expect(conflict.locator("dd")).to_have_text(["Theirs", "Mine"])
    tab.button("Write mine").click()
    expect(conflict).to_have_count(0)
    expect(tab.title).to_have_text("Mine")
    expect(tab.page.locator("[data-part=labels] li")).to_have_text(["theirs"])


def test_who_watches_is_told(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job()
    one = open_job(job)
    watchers = one.page.locator("[data-part=watchers]")
    expect(watchers).to_have_text(re.compile("1 watching now"))
    other = open_job(job)
    expect(watchers).to_have_text(re.compile("2 watching now"))
    other.page.close()
    expect(watchers).to_have_text(re.compile("1 watching now"))


# --- what can be done ---


def test_a_job_is_cancelled(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job()
    job.report(**RUNNING)
    tab = open_job(job)
    tab.wait_for_live()
    tab.button("Cancel").press("Enter")
    expect(tab.state).to_have_text("Cancelling")
    job.report(state="cancelled")
    expect(tab.state).to_have_text("Cancelled")
    expect(tab.button("Retry")).to_be_visible()
    # The button is gone; who pressed it has not lost the place.
    expect(tab.title).to_be_focused()


def test_an_ended_job_is_changed_and_started_anew(
    new_page: Callable[..., Page], http: httpx.Client
) -> None:
    params = {"rows": 1000, "fail_at": 10}
    job = http.post("jobs", json={"backend": "flaky", "title": "Once more", "params": params})
    page = new_page()
    page.goto(f"/jobs/{job.json()['job']}")
    tab = JobTab(page)
    expect(tab.state).to_have_text("Failed")
    page.get_by_role("link", name="Change and retry").click()
    expect(page).to_have_url(re.compile(r"/start\?backend=flaky&retry="))
    expect(page.get_by_label("Fails at", exact=True)).to_have_value("10")


def test_the_same_job_is_copied_for_elsewhere(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Copied", params={"stall_after": 60})
    tab = open_job(job, permissions=["clipboard-read", "clipboard-write"])
    tab.button("Copy as…").click()
    dialog = tab.page.get_by_role("dialog", name="From elsewhere")

    def copied(name: str) -> str:
        dialog.get_by_role("button", name=f"Copy {name}").click()
        expect(dialog.get_by_role("status")).to_have_text(f"{name} copied.")
        return str(tab.page.evaluate("() => navigator.clipboard.readText()"))

    assert json.loads(copied("WebSocket")) == {"action": "watch", "job": job.id}
    assert f'<progrock-job job="{job.id}">' in copied("HTML")
    dialog.get_by_label("What for").select_option(label="Start another one like it")
    start = {"action": "start", "backend": "push", "params": {"stall_after": 60}, "title": "Copied"}
    assert json.loads(copied("WebSocket")) == start
    assert "client.start(" in copied("Python")
    assert "curl" in copied("curl")
    tab.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


# --- what goes wrong ---


def test_a_page_outlives_the_web_server_and_a_cut_network(
    new_job: NewJob, open_job: OpenJob, launcher: Launcher, complaints: Complaints
) -> None:
    complaints.expect(r"WebSocket connection to .* failed|ERR_INTERNET_DISCONNECTED|Failed to load")
    job = new_job()
    job.report(state="running", progress=10, log=["first"])
    tab = open_job(job)
    tab.wait_for_live()
    expect(tab.lines).to_have_count(1)

    launcher.kill_child("web")
    expect(tab.banner).to_contain_text("Not connected.")
    expect(tab.banner).to_be_hidden()
    job.report(progress=20, log=["second"])
    expect(tab.lines).to_have_count(2)

    tab.page.context.set_offline(True)
    tab.page.evaluate("() => { window.isTheSamePage = true; }")
    job.report(progress=30, log=["third"])
    job.report(progress=50, log=["fourth"])
    job.post("comments", text="Said meanwhile.")
    tab.page.context.set_offline(False)
    job.report(state="succeeded", log=["last"])
    expect(tab.state).to_have_text("Succeeded")
    expect(tab.lines).to_have_text(
        [re.compile(word) for word in "first second third fourth last".split()]
    )
    expect(tab.comments).to_have_count(1)
    expect(tab.entries.filter(has_text="Succeeded")).to_have_count(1)
    assert tab.page.evaluate("() => window.isTheSamePage")


def test_a_history_that_cannot_be_read_is_read_later(
    new_job: NewJob, new_page: Callable[..., Page], complaints: Complaints
) -> None:
    complaints.expect("status of 503|ERR_FAILED")
    job = new_job()
    job.report(state="running", progress=10, log=["first"])
    page = new_page()
    page.clock.install()
    page.route("**/events?*", lambda route: route.fulfill(status=503, body="{}"))
    page.goto(job.path)
    tab = JobTab(page)
    happened = tab.region("What happened")
    expect(happened).to_contain_text("What happened before cannot be read now.")
    tab.wait_for_live()
    job.report(progress=20, log=["second"])
    expect(tab.bar).to_have_attribute("aria-valuenow", "20")
    page.unroute("**/events?*")
    page.clock.fast_forward(15_000)
    expect(tab.lines).to_have_text([re.compile("first"), re.compile("second")])
    expect(happened).not_to_contain_text("cannot be read")


def test_a_job_that_is_gone_leaves_what_was_seen(
    new_job: NewJob, new_page: Callable[..., Page]
) -> None:
    job = new_job("Soon gone")
    job.report(**RUNNING)
    page = new_page()

    def forget(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def answer(text: str | bytes) -> None:
            asked = json.loads(text)
            if asked["action"] == "watch":
                gone = {"code": "unknown_job", "message": "There is no such job.", "job": job.id}
                refused = {"type": "error", "id": asked["id"], "retryable": False, **gone}
                socket.send(json.dumps(refused))
            else:
                server.send(text)

        socket.on_message(answer)

    page.route_web_socket("**/prog/", forget)
    page.goto(job.path)
    alert = page.get_by_role("alert").filter(has_text="This job is gone")
    expect(alert).to_be_visible()
    expect(JobTab(page).title).to_have_text("Soon gone")


def test_a_job_that_is_not_there_gives_a_page_that_says_so(
    new_page: Callable[..., Page], complaints: Complaints
) -> None:
    complaints.expect("status of 404")
    page = new_page()
    page.goto("/jobs/0198c0de-0000-7000-8000-000000000000")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


def test_the_bearer_of_a_report_token_sees_the_job_and_no_actions(
    new_page: Callable[..., Page], http: httpx.Client
) -> None:
    started = http.post("jobs", json={"backend": "push", "title": "Its own"}).json()
    page = new_page(extra_http_headers={"Authorization": f"Bearer {started['report_token']}"})
    page.goto(f"/jobs/{started['job']}")
    tab = JobTab(page)
    expect(tab.title).to_have_text("Its own")
    expect(tab.button("Cancel")).to_have_count(0)
    expect(tab.button("Comment")).to_have_count(0)
    expect(tab.button("Edit the title")).to_have_count(0)


def test_without_javascript_the_job_is_a_plain_page(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Plain", params={"stall_after": 60}, labels=["a label"])
    job.post("comments", text="Said.")
    job.edit(note="Noted.")
    job.report(state="running", progress=30, message="reading")
    job.report(state="failed", error="The disk is full.")
    tab = open_job(job, java_script_enabled=False)
    expect(tab.title).to_have_text("Plain")
    expect(tab.bar).to_have_attribute("aria-valuenow", "30")
    for text in ("a label", "Failed", "The disk is full.", "What you can do", "stall_after"):
        expect(tab.page.get_by_text(text, exact=False).first).to_be_visible()
    for text in ("Noted.", "Said."):
        expect(tab.page.get_by_text(text)).to_be_visible()
    expect(tab.page.get_by_role("link", name="read it again")).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(new_job: NewJob, open_job: OpenJob, width: int) -> None:
    job = new_job("Unbroken" * 25, params={"stall_after": 60}, labels=["l" * 60])
    job.edit(note="n" * 400)
    job.post("comments", text="c" * 400)
    job.report(state="running", progress=30, message="m" * 400, log=["x" * 900])
    job.report(state="failed", error={"message": "e" * 400})
    tab = open_job(job, viewport={"width": width, "height": 800})
    expect(tab.lines).to_have_count(1)
    expect(tab.comments).to_have_count(1)
    assert Dashboard(tab.page).hidden_width == 0


def test_axe_finds_nothing(new_job: NewJob, open_job: OpenJob) -> None:
    job = new_job("Looked at", labels=["one"], params={"deep": {"er": [1]}, "stall_after": 0.5})
    tab = open_job(job)
    steps = [
        {"name": "load", "state": "running", "progress": 10},
        {"name": "end", "state": "pending"},
    ]
    job.report(**RUNNING, steps=steps, log=[f"line {number}" for number in range(9)])
    job.post("comments", text="Said.")
    expect(tab.lines).to_have_count(9)
    expect(tab.page.locator("[data-part=condition]")).to_be_visible()
    tab.button("Edit the title").click()
    tab.button("Edit the note").click()
    assert_accessible(tab.page)
    job.report(state="failed", error="No.")
    expect(tab.state).to_have_text("Failed")
    assert_accessible(tab.page)
    tab.button("Copy as…").click()
    assert_accessible(tab.page)
    tab.page.keyboard.press("Escape")
    tab.button("Share").click()
    tab.button("Make a link").click()
    expect(tab.page.get_by_label("Link", exact=True)).to_be_visible()
    assert_accessible(tab.page)
