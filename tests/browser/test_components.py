"""<progrock-job> and <progrock-start> in a browser: on ProgRock's own site and on another one."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, WebSocket, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.complaints import Complaints
from tests.browser.dashboard import DEADLINE_MS
from tests.browser.played_server import PlayedServer, event, snapshot
from tests.launcher_process import ROOT, Launcher

NewPage = Callable[..., Page]
PAGE = """<!doctype html><html lang="en"{more}><head><meta charset="utf-8"><title>Here</title>
<script type="module" src="/static/progrock/start-element-define.js"></script></head>
<body><main><h1>A page</h1>{body}</main></body></html>"""
SLOW = {"width": 200, "height": 200, "iterations": 50, "pause_ms": 100}
RECORD = """
() => {
  window.told = [];
  for (const type of ["progress", "complete", "started", "error"]) {
    document.addEventListener(`progrock-${type}`, ({ detail }) => {
      told.push([type, detail.progress ?? detail.state ?? null, detail.job ?? detail.message]);
    });
  }
}
"""


@pytest.fixture
def api(launcher: Launcher) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{launcher.base_url}api/v1/", timeout=15) as client:
        yield client


@pytest.fixture
def start(api: httpx.Client) -> Iterator[Callable[..., str]]:
    """Start a slow picture, and cancel it in the end."""
    jobs: list[str] = []

    def start(**more: Any) -> str:
        body = {"backend": "fractal", "params": {**SLOW, **more.pop("params", {})}, **more}
        answer = api.post("jobs", json=body)
        assert answer.status_code == 202, answer.text
        jobs.append(answer.json()["job"])
        return jobs[-1]

    yield start
    for job in jobs:
        api.post(f"jobs/{job}/cancel", json={})


@pytest.fixture
def show(new_page: NewPage, launcher: Launcher) -> Callable[..., Page]:
    """Give a function that shows a page of ProgRock's own site with this body, under its policy."""

    def show(body: str, more: str = "", page: Page | None = None, **options: Any) -> Page:
        page = page or new_page(**options)
        policy = httpx.get(f"{launcher.base_url}login/").headers["Content-Security-Policy"]

        def answer(route: Route) -> None:
            text = PAGE.format(body=body, more=more)
            headers = {"Content-Security-Policy": policy}
            route.fulfill(content_type="text/html", body=text, headers=headers)

        page.route("**/shown", answer)
        page.add_init_script(f"({RECORD})()")
        page.goto("/shown")
        return page

    return show


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """Give a function that serves a text from another origin, and returns its address."""
    servers: list[ThreadingHTTPServer] = []

    class Handler(BaseHTTPRequestHandler):
        def __init__(self, body: bytes, *args: Any) -> None:
            self.body = body
            super().__init__(*args)

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(self.body if self.path == "/" else b"")

        def log_message(self, *args: object) -> None:
            pass

    def serve(text: str) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, text.encode()))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def told(page: Page, type_: str) -> list[list[Any]]:
    return [item for item in page.evaluate("() => told") if item[0] == type_]


def sockets_of(page: Page) -> list[WebSocket]:
    made: list[WebSocket] = []

    def keep(socket: WebSocket) -> None:
        made.append(socket)

    page.on("websocket", keep)
    return made


# --- <progrock-job> ---


def test_a_job_fills_its_bar_and_tells_of_it_by_events(
    show: Callable[..., Page], start: Callable[..., str]
) -> None:
    job = start(title="A picture")
    page = show(f'<progrock-job job="{job}">Before</progrock-job>')
    element = page.locator("progrock-job")
    bar = element.get_by_role("progressbar", name="Progress of A picture")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    expect(element).to_have_attribute("state", "succeeded")
    expect(element).to_contain_text("Succeeded")

    values = [value for _, value, _ in told(page, "progress") if isinstance(value, (int, float))]
    assert len(values) > 3
    assert all(earlier <= later for earlier, later in pairwise(values))
    assert told(page, "complete") == [["complete", 100, job]]
    assert page.evaluate("() => document.querySelector('progrock-job').snapshot.state") == (
        "succeeded"
    )
    assert_accessible(page)


def test_two_elements_share_one_connection_which_ends_with_the_last_of_them(
    show: Callable[..., Page], new_page: NewPage, start: Callable[..., str]
) -> None:
    first, second = start(title="First"), start(title="Second")
    page = new_page()
    sockets = sockets_of(page)
    body = (
        f'<progrock-job id="a" job="{first}"></progrock-job>'
        f'<progrock-job id="b" job="{first}"></progrock-job>'
        f'<progrock-job id="c" job="{second}"></progrock-job>'
        '<progrock-start id="d" backend="fractal"></progrock-start>'
    )
    show(body, page=page)
    for id_ in "abc":
        expect(page.locator(f"#{id_}").get_by_role("progressbar")).to_be_visible()
    assert len(sockets) == 1
    page.evaluate("() => { for (const id of 'abd') document.getElementById(id).remove(); }")
    expect(page.locator("#c").get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    assert not sockets[0].is_closed()
    with sockets[0].expect_event("close", timeout=DEADLINE_MS):
        page.evaluate("() => document.getElementById('c').remove()")
    assert len(sockets) == 1

    page.evaluate(f"""() => {{
        const element = document.createElement("progrock-job");
        element.setAttribute("job", "{second}");
        document.querySelector("main").append(element);
    }}""")
    expect(page.get_by_role("progressbar", name="Progress of Second")).to_be_visible()
    assert len(sockets) == 2


def test_the_attribute_may_change_and_come_late(
    show: Callable[..., Page], start: Callable[..., str]
) -> None:
    first, second = start(title="First"), start(title="Second")
    page = show('<progrock-job><a href="/">Nothing yet</a></progrock-job>')
    element = page.locator("progrock-job")
    expect(element.get_by_role("link", name="Nothing yet")).to_be_visible()
    for job, title in ((first, "First"), (second, "Second"), (first, "First")):
        element.evaluate("(element, job) => element.setAttribute('job', job)", job)
        expect(element.get_by_role("progressbar", name=f"Progress of {title}")).to_be_visible()
        expect(element.get_by_role("link")).to_be_hidden()


def test_without_scripts_what_the_server_wrote_is_shown(
    show: Callable[..., Page], start: Callable[..., str]
) -> None:
    job = start(title="Scriptless")
    fallback = f'<a href="/jobs/{job}">Scriptless: 42 %</a>'
    body = (
        f'<progrock-job job="{job}">{fallback}</progrock-job>'
        '<progrock-start backend="fractal"><a href="/">Start at ProgRock</a></progrock-start>'
    )
    page = show(body, java_script_enabled=False)
    expect(page.get_by_role("link", name="Scriptless: 42 %")).to_be_visible()
    expect(page.get_by_role("link", name="Start at ProgRock")).to_be_visible()


def test_a_job_that_may_not_be_seen_leaves_the_fallback_and_says_why(
    show: Callable[..., Page],
) -> None:
    page = show(
        '<progrock-job job="0198c0de-0000-7000-8000-000000000000"><p>Fallback</p></progrock-job>'
    )
    expect(page.locator("[part=problem]")).to_contain_text("There is no job")
    expect(page.get_by_text("Fallback")).to_be_visible()
    expect(page.locator("[part=job]")).to_be_hidden()
    assert len(told(page, "error")) == 1
    assert_accessible(page)


JOB = "0198c0de-0000-7000-8000-000000000001"


def played(show: Callable[..., Page], page: Page, more: str = "", **told: Any) -> PlayedServer:
    """Show a job that the test plays."""
    server = PlayedServer(page)
    show(f'<progrock-job job="{JOB}"></progrock-job>', more, page=page)
    asked = server.wait_for("watch")
    answer = {"id": asked["id"], "job": JOB, "seq": 1, "recovered": False}
    server.send(type="watching", **answer, snapshot=snapshot(JOB, **told))
    expect(page.get_by_role("progressbar")).to_be_visible()
    return server


def test_unknown_progress_is_no_figure_and_moves_only_for_those_who_want_it(
    show: Callable[..., Page], new_page: NewPage
) -> None:
    for motion, animation in (("no-preference", "to-and-fro"), ("reduce", "none")):
        page = new_page(reduced_motion=motion)
        server = played(show, page)
        bar = page.get_by_role("progressbar")
        assert bar.get_attribute("aria-valuenow") is None
        expect(bar).to_have_attribute("aria-valuetext", "running")
        fill = page.locator("[part=fill]")
        expect(fill).to_have_css("animation-name", animation)
        assert_accessible(page)
        server.send(**event(JOB, 2, progress=41.7))
        expect(bar).to_have_attribute("aria-valuenow", "41")
        expect(fill).to_have_css("animation-name", "none")


def test_long_texts_and_markup_in_them_stay_text_and_fit(
    show: Callable[..., Page], new_page: NewPage
) -> None:
    page = new_page(viewport={"width": 320, "height": 600})
    title = '<img src="/nowhere" onerror="alert(1)">' + "Unbroken" * 25
    server = played(show, page, title=title)
    server.send(**event(JOB, 2, progress=5, message="<b>" + "Wide" * 100, eta=100))
    expect(page.locator("[part=message]")).to_contain_text("<b>Wide")
    expect(page.locator("[part=title]")).to_have_text(title)
    assert page.locator("progrock-job img, progrock-job b").count() == 0
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(f"() => {wider}") == 0
    assert_accessible(page)


def test_in_a_page_from_right_to_left_the_bar_fills_from_the_right(
    show: Callable[..., Page], new_page: NewPage
) -> None:
    for direction in ("ltr", "rtl"):
        page = new_page()
        played(show, page, more=f' dir="{direction}"', progress=25)
        bar = page.get_by_role("progressbar").bounding_box()
        fill = page.locator("[part=fill]")
        expect(fill).to_have_attribute("style", "inline-size: 25%;")
        page.wait_for_timeout(400)  # the transition's own time
        box = fill.bounding_box()
        assert bar
        assert box
        assert box["width"] == pytest.approx(bar["width"] / 4, abs=2)
        left, right = box["x"] - bar["x"], bar["x"] + bar["width"] - box["x"] - box["width"]
        assert (left < 2) == (direction == "ltr")
        assert (right < 2) == (direction == "rtl")
        expect(page.locator("[part=percent]")).to_have_css("direction", "ltr")  # not "% 25"


def test_parts_and_custom_properties_style_it(show: Callable[..., Page], new_page: NewPage) -> None:
    page = new_page()
    played(show, page, progress=50)
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`
            progrock-job { --progrock-fill: rgb(1, 2, 3); --progrock-height: 40px; }
            progrock-job::part(title) { color: rgb(4, 5, 6); }`);
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    expect(page.locator("[part=fill]")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(page.locator("[part=bar]")).to_have_css("block-size", "40px")
    expect(page.locator("[part=title]")).to_have_css("color", "rgb(4, 5, 6)")


def test_a_lost_connection_is_said_and_the_end_is_told_once(
    show: Callable[..., Page], new_page: NewPage
) -> None:
    page = new_page()
    server = played(show, page, progress=50)
    server.sockets[-1].close(code=1012)
    expect(page.get_by_text("Not connected. Trying again…")).to_be_visible()
    page.clock.run_for(1_000)
    asked = server.wait_for("watch", 2)
    assert asked["after"] == 1
    server.send(type="watching", id=asked["id"], job=JOB, seq=2, recovered=True)
    over = {"type": "complete", "state": "failed", "complete": True, "progress": 50}
    server.send(**event(JOB, 2, **over, error={"code": "backend_failed", "message": "Disk full"}))
    expect(page.locator("[part=error]")).to_have_text("Disk full")
    server.send(**event(JOB, 3, **(over | {"type": "comment"})))
    page.clock.run_for(1_000)
    expect(page.get_by_text("Not connected")).to_be_hidden()
    assert len(told(page, "complete")) == 1
    assert_accessible(page)


# --- <progrock-start> ---


def test_the_button_starts_a_job_and_shows_it(show: Callable[..., Page]) -> None:
    params = '{"width": 200, "height": 200, "iterations": 50, "pause_ms": 20}'
    page = show(
        f"<progrock-start backend='fractal' label='Draw' job-title='Drawn' params='{params}'>"
        "<a href='/'>Start at ProgRock</a></progrock-start>"
    )
    expect(page.get_by_role("link")).to_be_hidden()
    button = page.get_by_role("button", name="Draw")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("progressbar", name="Progress of Drawn")).to_have_attribute(
        "aria-valuenow", "100"
    )
    expect(button).to_be_focused()
    [[_, _, job]] = told(page, "started")
    assert told(page, "complete") == [["complete", 100, job]]
    assert_accessible(page)


def test_a_refused_start_says_why(show: Callable[..., Page]) -> None:
    page = show("""<progrock-start backend="fractal" params='{"width": -1}'></progrock-start>""")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("-1 is less than")
    assert len(told(page, "error")) == 1
    assert_accessible(page)


# --- in the pages of another site ---


def embed(launcher: Launcher, url: str) -> str:
    """Return examples/embed.html for a share link of this server."""
    text = (ROOT / "examples" / "embed.html").read_text(encoding="utf-8")
    text = text.replace("http://127.0.0.1:8000/jobs/ID#share=TOKEN", url)
    return text.replace("http://127.0.0.1:8000/", launcher.base_url)


def share(api: httpx.Client, job: str) -> str:
    answer = api.post(f"jobs/{job}/share", json={})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def test_a_page_of_another_site_shows_a_job_by_its_share_link(
    new_page: NewPage,
    launcher: Launcher,
    api: httpx.Client,
    start: Callable[..., str],
    elsewhere: Callable[[str], str],
) -> None:
    url = share(api, start(title="Shared"))
    page = new_page()
    sockets = sockets_of(page)
    page.add_init_script(f"({RECORD})()")
    page.goto(elsewhere(embed(launcher, url)))
    bar = page.get_by_role("progressbar", name="Progress of Shared")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    expect(page.locator("#end")).to_have_text("It has ended: succeeded.")
    values = [value for _, value, _ in told(page, "progress") if isinstance(value, (int, float))]
    assert len(values) > 3
    assert sockets == []  # they would be refused
    assert_accessible(page)


def test_without_scripts_another_sites_page_shows_the_link(
    new_page: NewPage,
    launcher: Launcher,
    api: httpx.Client,
    start: Callable[..., str],
    elsewhere: Callable[[str], str],
) -> None:
    url = share(api, start(title="Shared"))
    page = new_page(java_script_enabled=False)
    page.goto(elsewhere(embed(launcher, url)))
    expect(page.get_by_role("link", name="Its progress")).to_have_attribute("href", url)


def test_without_a_share_link_another_sites_page_is_told_nothing(
    new_page: NewPage,
    launcher: Launcher,
    start: Callable[..., str],
    elsewhere: Callable[[str], str],
    complaints: Complaints,
) -> None:
    complaints.expect("CORS policy|Failed to load resource")
    job = start(title="Not shared")
    page = new_page()
    address = elsewhere(embed(launcher, f"{launcher.base_url}jobs/{job}"))
    with page.expect_event("requestfailed", lambda request: job in request.url):
        page.goto(address)
    expect(page.get_by_text("Not connected. Trying again…")).to_be_visible()
    expect(page.get_by_text("Not shared")).to_have_count(0)
    refused = page.evaluate(
        """([site]) => new Promise((resolve) => {
          const socket = new WebSocket(site.replace("http", "ws") + "prog/");
          socket.onopen = () => resolve("opened");
          socket.onclose = () => resolve("refused");
        })""",
        [launcher.base_url],
    )
    complaints.expect("WebSocket connection to .* failed")
    assert refused == "refused"


def test_an_ended_element_leaves_no_stream_behind(
    new_page: NewPage,
    launcher: Launcher,
    api: httpx.Client,
    start: Callable[..., str],
    elsewhere: Callable[[str], str],
) -> None:
    url = share(api, start(title="Shared", params={"pause_ms": 2000}))
    page = new_page()
    page.goto(elsewhere(embed(launcher, url)))
    expect(page.get_by_role("progressbar")).to_be_visible()
    is_stream: Callable[[Any], bool] = lambda request: "/events" in request.url  # noqa: E731
    with page.expect_event("requestfailed", is_stream):
        page.evaluate("() => document.querySelector('progrock-job').remove()")
