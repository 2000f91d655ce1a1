"""The page `/start`: forms drawn from JSON Schema, filled by links, jobs and memory."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.complaints import Complaints
from tests.browser.dashboard import DEADLINE_MS
from tests.browser.own_stack import OwnStack, own_stack
from tests.scripted_backend import Reply, Script

SOURCE = "https://films.example/metropolis"
FILLED = {"source": SOURCE, "sizes": [{"width": 640}]}
OpenForm = Callable[..., "StartPage"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    with own_stack(tmp_path_factory.mktemp("start")) as running:
        yield running


@pytest.fixture
def script(stack: OwnStack) -> Script:
    """What the service answers to each start, and the starts that it got."""
    return stack.service.script({"state": "running", "progress": 10}, name="default")


@pytest.fixture
def open_form(chromium: Browser, stack: OwnStack, complaints: Complaints) -> Iterator[OpenForm]:
    """Give a function that opens the start page as a visitor of its own."""
    contexts = []

    def open_form(query: str = "", **options: Any) -> "StartPage":
        context = chromium.new_context(base_url=stack.launcher.base_url, **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(DEADLINE_MS)
        complaints.listen(context)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"/start{query}")
        return StartPage(page)

    yield open_form
    for context in contexts:
        context.close()
    assert not complaints.unexpected()


class StartPage:
    """The open page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.form = page.locator("#start-form")
        self.button = self.form.get_by_role("button", name="Start", exact=True)
        self.group = self.form.get_by_role("group")
        self.source = self.form.get_by_label("Source")
        self.alert = self.form.locator("[data-part=alert]")

    def field(self, label: str) -> Any:
        return self.form.get_by_label(label, exact=True)

    def size(self, number: int) -> Any:
        """The item of the list of sizes with a number."""
        return self.form.get_by_role("group", name=f"Size {number}", exact=True)

    def fill_required(self) -> None:
        self.source.fill(SOURCE)
        self.size(1).get_by_label("Width").fill("640")

    def start(self) -> str:
        """Press Start, and return the job whose page comes."""
        self.button.click()
        self.page.wait_for_url(re.compile("/jobs/"))
        return urlsplit(self.page.url).path.rpartition("/")[2]

    @property
    def request(self) -> dict[str, Any]:
        """What the page says that it would send."""
        return json.loads(self.page.locator("#request").inner_text())

    def copied(self, button: str) -> str:
        self.page.get_by_role("button", name=button).click()
        expect(self.page.get_by_role("button", name="Copied")).to_be_visible()
        return str(self.page.evaluate("() => navigator.clipboard.readText()"))


def params_of(stack: OwnStack, job: str) -> Any:
    return httpx.get(f"{stack.launcher.base_url}api/v1/jobs/{job}").json()["params"]


def test_what_is_filled_in_is_what_is_sent(
    open_form: OpenForm, stack: OwnStack, script: Script
) -> None:
    form = open_form(timezone_id="Asia/Kolkata")
    form.fill_required()
    form.field("Tell").fill("ada@example.org")
    form.field("Not before").fill("2026-11-21T12:30:00")
    form.field("Day").fill("2026-11-21")
    form.field("Password").fill("hunter2")
    form.field("Quality").fill("95")
    form.field("Codec").select_option(label="H.264")
    form.field("Fast").check()
    form.field("de").check()
    form.field("fr").check()
    form.form.get_by_role("button", name="Add tag").click()
    form.page.keyboard.type("night")
    form.field("Crop").check()
    form.field("Left (required)").fill("5")
    job = form.start()
    assert params_of(stack, job) == {
        "source": SOURCE,
        "notify": "ada@example.org",
        "not_before": "2026-11-21T07:00:00.000Z",
        "day": "2026-11-21",
        "password": "hunter2",
        "quality": 95,
        "codec": "h264",
        "fast": True,
        "tracks": ["de", "fr"],
        "sizes": [{"width": 640}],
        "tags": ["night"],
        "crop": {"left": 5, "right": 0},
    }


def test_what_was_left_alone_is_left_out(
    open_form: OpenForm, stack: OwnStack, script: Script
) -> None:
    form = open_form()
    form.fill_required()
    job = form.start()
    assert params_of(stack, job) == FILLED | {"quality": 80, "codec": "av1", "fast": False}


def test_what_is_wrong_is_told_at_its_field_before_anything_is_sent(open_form: OpenForm) -> None:
    form = open_form()
    form.button.click()
    expect(form.source).to_be_focused()
    expect(form.source).to_have_accessible_description(re.compile("Fill this in"))
    wrong = {"Source": "nowhere", "Tell": "ada", "Quality": "101", "Name": "A1"}
    for label, text in wrong.items():
        form.form.get_by_label(label, exact=label != "Source").fill(text)
    form.size(1).get_by_label("Width").fill("7")
    form.field("Crop").check()
    form.button.click()
    told = {
        "Source": "Enter a whole address",
        "Tell": "Enter an e-mail address",
        "Quality": "Enter 100 or less",
        "Name": "Enter text of the form",
        "Left": "Fill this in",
    }
    for label, sentence in told.items():
        control = form.form.get_by_label(label, exact=label not in {"Source", "Left"})
        expect(control).to_have_attribute("aria-invalid", "true")
        expect(control).to_have_accessible_description(re.compile(re.escape(sentence)))
    width = form.size(1).get_by_label("Width")
    expect(width).to_have_accessible_description(re.compile("Enter 16 or more"))
    expect(form.source).to_be_focused()
    form.field("Quality").fill("100")
    form.field("Quality").press("Tab")
    expect(form.field("Quality")).not_to_have_attribute("aria-invalid", "true")
    assert_accessible(form.page)


def test_an_error_that_appears_takes_no_click_away(open_form: OpenForm) -> None:
    form = open_form()
    form.source.fill("nowhere")  # an error will stand below it, and push all else down
    form.form.get_by_role("button", name="Add tag").click()
    expect(form.form.get_by_role("group", name="Tag 1")).to_be_visible()
    expect(form.source).to_have_attribute("aria-invalid", "true")


def test_what_the_server_refuses_is_told_at_its_field(open_form: OpenForm) -> None:
    form = open_form()
    form.fill_required()
    details = [
        {"field": "sizes.0.height", "pointer": "/sizes/0/height", "message": "odd height"},
        {"field": "tags", "pointer": "/tags", "message": "no tags today"},
        {"field": "", "pointer": "", "message": "and something else"},
    ]

    def refuse(message: str | bytes) -> None:
        asked = json.loads(message)
        if asked["action"] == "start":
            error = {"type": "error", "id": asked["id"], "code": "bad_params", "details": details}
            sockets[-1].send(json.dumps(error | {"message": "Refused.", "retryable": False}))

    sockets: list[Any] = []

    def play(socket: Any) -> None:
        sockets.append(socket)
        socket.on_message(refuse)
        socket.send(json.dumps({"type": "hello", "protocol": "progrock.v1", "connection": "c"}))

    form.page.route_web_socket("**/prog/", play)
    form.page.reload()
    form.fill_required()
    form.button.click()
    height = form.size(1).get_by_label("Height")
    expect(height).to_be_focused()
    expect(height).to_have_accessible_description(re.compile("odd height"))
    expect(form.form.get_by_role("group", name="Tags")).to_contain_text("no tags today")
    expect(form.alert).to_have_text("and something else")


def test_items_are_added_moved_and_removed_by_keyboard(open_form: OpenForm) -> None:
    form = open_form()
    keyboard = form.page.keyboard
    add = form.form.get_by_role("button", name="Add size")
    form.size(1).get_by_label("Width").fill("100")
    for width in ("200", "300"):
        add.press("Enter")
        keyboard.press("Tab")
        form.page.locator(":focus").fill(width) if width else None
    expect(form.size(3)).to_be_visible()

    def widths() -> list[Any]:
        return [size.get("width") for size in form.request["params"]["sizes"]]

    for number, width in enumerate(("100", "200", "300"), 1):
        form.size(number).get_by_label("Width").fill(width)
    assert widths() == [100, 200, 300]
    form.size(3).get_by_label("Width").press("Alt+ArrowUp")
    expect(form.size(2).get_by_label("Width")).to_be_focused()
    assert widths() == [100, 300, 200]
    form.form.get_by_role("button", name="Move Size 1 down").press("Enter")
    expect(form.form.get_by_role("button", name="Move Size 2 down")).to_be_focused()
    assert widths() == [300, 100, 200]
    form.form.get_by_role("button", name="Remove Size 1").press("Enter")
    expect(form.form.get_by_role("button", name="Remove Size 1")).to_be_focused()
    assert widths() == [100, 200]
    expect(form.page.locator("#announcer")).to_contain_text("2 left")
    for _ in range(3):
        add.press("Enter")
    expect(add).to_have_attribute("aria-disabled", "true")
    assert len(form.request["params"]["sizes"]) == 4


def test_what_was_sent_last_comes_back_but_for_secrets(open_form: OpenForm, script: Script) -> None:
    form = open_form()
    form.fill_required()
    form.field("Password").fill("hunter2")
    form.field("Quality").fill("12")
    form.start()
    page = form.page
    page.goto("/start")
    form = StartPage(page)
    expect(form.source).to_have_value(SOURCE)
    expect(form.field("Quality")).to_have_value("12")
    expect(form.size(1).get_by_label("Width")).to_have_value("640")
    expect(form.field("Password")).to_have_value("")
    expect(page.get_by_text("Filled with what was sent last")).to_be_visible()
    assert "hunter2" not in page.evaluate("() => JSON.stringify(localStorage)")
    form.form.get_by_role("button", name="Reset to defaults").click()
    expect(form.source).to_have_value("")
    expect(form.field("Quality")).to_have_value("80")
    page.reload()
    expect(form.source).to_have_value("")


def test_a_link_opens_the_form_as_it_is(open_form: OpenForm, script: Script) -> None:
    form = open_form()
    form.fill_required()
    form.field("Title (optional)").fill("By link & more")
    form.field("Title of the film").fill("Metropolis")
    form.field("Password").fill("hunter2")
    form.field("en").check()
    form.field("Fast").check()
    sent = form.request
    link = form.copied("Copy link")
    assert "hunter2" not in link
    query = parse_qs(urlsplit(link).query)
    assert (query["backend"], query["source"], query["fast"]) == (["encoder"], [SOURCE], ["true"])
    assert json.loads(query["params"][0]) == {"title": "Metropolis"}  # else it were the job's
    other = open_form(f"?{urlsplit(link).query}")
    expect(other.source).to_have_value(SOURCE)
    assert other.request == sent


def test_a_link_that_a_person_writes_is_read(open_form: OpenForm) -> None:
    form = open_form(
        "?backend=encoder&quality=33&tags=one&fast=true&crop={%22left%22:3}&tracks=[%22de%22]"
    )
    params = form.request["params"]
    assert (params["quality"], params["fast"], params["crop"]["left"]) == (33, True, 3)
    assert params["tracks"] == ["de"]
    assert "tags" not in params  # no list


def test_a_link_to_a_backend_that_is_not_there_says_so(open_form: OpenForm) -> None:
    form = open_form("?backend=nowhere")
    expect(form.page.get_by_role("alert").filter(has_text="There is no backend")).to_be_visible()
    expect(form.field("Backend")).to_have_value("encoder")


def test_the_request_can_be_copied_as_a_command(open_form: OpenForm, stack: OwnStack) -> None:
    form = open_form()
    form.source.fill("https://films.example/o'brien")
    command = form.copied("Copy as curl")
    assert command.startswith(f"curl '{stack.launcher.base_url}api/v1/jobs' \\\n")
    assert r"o'\''brien" in command


def test_a_job_is_retried_with_changed_parameters(open_form: OpenForm, stack: OwnStack) -> None:
    stack.service.script({"state": "failed", "error": "no"}, name="default")
    api = httpx.Client(base_url=f"{stack.launcher.base_url}api/v1/")
    params = FILLED | {"quality": 50, "tags": ["a", "b"]}
    body = {"backend": "encoder", "params": params, "title": "First"}
    first = api.post("jobs", json=body).json()["job"]
    while not api.get(f"jobs/{first}", params={"after": 1, "wait": 30}).json()["complete"]:
        pass
    form = open_form(f"?retry={first}")
    expect(form.page.get_by_role("heading", level=1)).to_have_text("Retry with changed parameters")
    expect(form.field("Backend")).to_be_disabled()
    expect(form.field("Quality")).to_have_value("50")
    expect(form.field("Title (optional)")).to_have_value("First")
    form.field("Quality").fill("60")
    for _ in range(2):
        form.form.get_by_role("button", name="Remove Tag 1").click()
    job = api.get(f"jobs/{form.start()}").json()
    assert (job["retry_of"], job["title"]) == (first, "First")
    assert job["params"]["quality"] == 60
    assert "tags" not in job["params"]


def test_a_job_that_cannot_be_retried_gives_the_reason(
    open_form: OpenForm, stack: OwnStack, script: Script
) -> None:
    body = {"backend": "report", "params": {}}
    job = httpx.post(f"{stack.launcher.base_url}api/v1/jobs", json=body).json()["job"]
    form = open_form(f"?retry={job}")
    expect(form.page.get_by_text("This job has not ended")).to_be_visible()
    form = open_form("?retry=0198c0de-0000-7000-8000-000000000000")
    expect(form.page.get_by_text("There is no such job")).to_be_visible()


def test_a_backend_without_a_schema_takes_json(
    open_form: OpenForm, stack: OwnStack, script: Script
) -> None:
    form = open_form("?backend=report")
    further = form.field("Further parameters")
    further.fill("{")
    form.button.click()
    expect(further).to_have_accessible_description(re.compile("Enter JSON"))
    further.fill('{"day": 7}')
    assert params_of(stack, form.start()) == {"day": 7}


def test_a_backend_that_refuses_leaves_the_form_for_the_jobs_page(
    open_form: OpenForm, stack: OwnStack
) -> None:
    refusal = Reply(status=422, body={"error": "no room"})
    stack.service.script(name="default", start=[refusal])
    form = open_form()
    form.fill_required()
    form.start()
    expect(form.page.get_by_text("no room").first).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_and_nothing_is_cut_off(open_form: OpenForm, width: int) -> None:
    form = open_form(viewport={"width": width, "height": 800})
    form.form.get_by_role("button", name="Add tag").click()
    form.field("Crop").check()
    for direction in ("ltr", "rtl"):
        form.page.evaluate("(dir) => document.documentElement.dir = dir", direction)
        room = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert form.page.evaluate(f"() => {room}") == 0
    assert_accessible(form.page)


def test_without_javascript_the_page_says_what_can_be_started(open_form: OpenForm) -> None:
    form = open_form(java_script_enabled=False)
    expect(form.form).to_be_hidden()
    expect(form.page.get_by_role("heading", name="Video encoder")).to_be_visible()
    row = form.page.get_by_role("row").filter(has_text="quality")
    expect(row).to_contain_text("integer, 1 to 100; 80 when left out")
    expect(form.page.locator("noscript pre").first).to_contain_text("/api/v1/jobs -H")
