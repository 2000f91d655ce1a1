"""Shoot every page, with jobs of every kind, at three sizes, light and dark: `make screenshots`.

`python scripts/screenshots.py jobs-busy start` takes these alone. A stack of its own plays the
jobs: some run, one stands still, one's backend is away, one failed with a reason. The pictures go
to var/screenshots/. A new page is a line in `pages`.
"""

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import ARGUMENTS  # noqa: E402
from tests.launcher_process import Launcher  # noqa: E402
from tests.scripted_backend import ScriptedBackend  # noqa: E402

FOLDER = ROOT / "var" / "screenshots"
SIZES = {"phone": (390, 844, 2), "laptop": (1440, 900, 1), "4k": (3840, 2160, 1)}
WARM_UP_SECONDS = 36  # after which the estimates are there
BACKENDS = """
default = "render"
[backends.render]
preset = "progrock"
title = "Renderer"
base_url = "${SERVICE_URL}/render"
poll = { min = 0.3, max = 1, timeout = 5 }
[backends.render.params]
type = "object"
required = ["scene"]
properties.scene = { type = "string", title = "Scene", description = "its name in the library" }
properties.frames = { type = "integer", title = "Frames", minimum = 1, default = 240 }
properties.quality = { type = "string", title = "Quality", enum = ["draft", "final"] }
properties.denoise = { type = "boolean", title = "Remove noise", default = true }
[backends.warehouse]
preset = "progrock"
title = "Warehouse"
base_url = "${AWAY_URL}/warehouse"
poll = { min = 0.3, max = 1, timeout = 2, failures = 1000 }
"""
LONG = (
    "Recalculation of all delivery promises for the northern region, with the corrected holidays "
    "of last year, as asked for in the ticket of Thursday"
)
OTHERS = (
    ("Thumbnails of the spring campaign", "images"),
    ("Export for the auditors, second quarter", "finance"),
    ("Clean up expired sessions", "nightly"),
    ("Geocode new addresses", "import"),
    ("Monthly invoices", "finance"),
    ("Transcribe the board meeting", "audio"),
    ("Refresh the recommendation model", "ml"),
    ("Compress last week's logs", "nightly"),
)


class Played:
    """Jobs that a program reports, and that go on until the pictures are taken."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30)
        self._speeds: dict[str, tuple[float, float]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def start(
        self, backend: str, title: str, *, labels: tuple[str, ...] = (), **params: Any
    ) -> str:
        """Start a job and return its id."""
        body = {"backend": backend, "title": title, "labels": labels, "params": params}
        answer = self._http.post("/api/v1/jobs", json=body)
        answer.raise_for_status()
        return str(answer.json()["job"])

    def report(self, job: str, **report: Any) -> None:
        """Say what became of a reported job."""
        self._http.post(f"/api/v1/jobs/{job}/report", json=report).raise_for_status()

    def edit(self, job: str, **change: Any) -> None:
        """Change a job's title, note, labels or pin."""
        self._http.patch(f"/api/v1/jobs/{job}", json=change).raise_for_status()

    def comment(self, job: str, text: str) -> None:
        """Say something about a job."""
        self._http.post(f"/api/v1/jobs/{job}/comments", json={"text": text}).raise_for_status()

    def run(self, job: str, progress: float, per_second: float) -> None:
        """Let a reported job go on by itself."""
        self._speeds[job] = (progress, per_second)

    def play(self) -> dict[str, str]:
        """Start all jobs; return the ids of those with a page of their own in the pictures."""
        for title, label in OTHERS:
            done = self.start("push", title, labels=(label,))
            self.report(done, progress=100, state="succeeded", message="All done")
        failed = self.start("push", "Import of the product catalogue", labels=("import",))
        self.report(failed, progress=64, message="Reading row 6,431", log=["row 6,430 read"])
        error = {
            "code": "backend_failed",
            "message": "row 6,431 has 7 columns where 9 are expected",
        }
        self.report(failed, state="failed", error=error)
        self.edit(failed, note="Ask the supplier for a corrected file")
        self.start("warehouse", "Stocktaking, hall 4", labels=("warehouse",))
        stalled = self.start(
            "push", "Sync with the old archive", labels=("nightly",), stall_after=2
        )
        self.report(stalled, progress=12, message="Waiting for the tape robot")
        self.run(self.start("push", LONG, labels=("logistics", "q2")), 7, 0.16)
        unknown = self.start("push", "Rebuild the search index", labels=("search",))
        self.report(unknown, state="running", message="Counting documents")
        self.run(self.start("push", "Train the demand forecast", labels=("ml",)), 48, 0.2)
        titles = self.start("push", "Opening titles, final cut", labels=("films",))
        self.run(titles, 61, 0.16)
        self.start("render", "Poster of the second act", scene="poster", frames=240)
        backup = self.start("push", "Nightly backup of the customer archive", labels=("nightly",))
        self.edit(backup, pinned=True)
        self.comment(backup, "Please let it end before the maintenance at ten.")
        self.run(backup, 30, 0.3)
        self._thread.start()
        return {"running": backup, "failed": failed}

    def end(self) -> None:
        """Let nothing go on."""
        self._ending.set()
        self._thread.join(5)

    def _go_on(self) -> None:
        begin = time.monotonic()
        while not self._ending.wait(0.7):
            for job, (progress, per_second) in self._speeds.items():
                now = min(progress + per_second * (time.monotonic() - begin), 99)
                gigabytes = round(now * 0.412, 1)
                message = f"Part {int(now * 3) + 1} of 300 is copied"
                self.report(job, progress=round(now, 1), message=message, log=[f"{gigabytes} GB"])


def main() -> None:
    """Play, and shoot."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    with TemporaryDirectory() as folder, ScriptedBackend() as service, ScriptedBackend() as away:
        backends = Path(folder) / "backends.toml"
        backends.write_text(BACKENDS)
        urls = {"SERVICE_URL": service.url, "AWAY_URL": away.url}
        service.script(
            {"state": "running", "progress": 35, "message": "Frame 84 of 240"}, name="default"
        )
        away.script({"state": "running", "progress": 57, "message": "Shelf 212"}, name="default")
        environ = urls | {"PROGROCK_BACKENDS": str(backends)}
        with Launcher(Path(folder) / "data", environ=environ) as stack, sync_playwright() as tool:
            stack.start()
            browser = tool.chromium.launch(executable_path=path, args=ARGUMENTS)
            shoot(browser, stack.base_url, {"jobs-empty": "/"})
            played = Played(stack.base_url)
            jobs = played.play()
            time.sleep(WARM_UP_SECONDS / 2)
            away.down()
            time.sleep(WARM_UP_SECONDS / 2)
            names = sys.argv[1:]
            chosen = {name: at for name, at in pages(jobs).items() if not names or name in names}
            shoot(browser, stack.base_url, chosen)
            played.end()
            browser.close()


def pages(jobs: Mapping[str, str]) -> dict[str, str]:
    """Return the address of each page by the name of its pictures."""
    return {
        "jobs-busy": "/",
        "jobs-failing": "/?state=failed",
        "job-running": f"/jobs/{jobs['running']}",
        "job-failed": f"/jobs/{jobs['failed']}",
        "start": "/start",
        "backends": "/backends",
    }


def shoot(browser: Browser, base_url: str, addresses: Mapping[str, str]) -> None:
    """Take each page at each size, light and dark."""
    for size, (width, height, scale) in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                base_url=base_url,
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                color_scheme=theme,  # type: ignore[arg-type]
                reduced_motion="reduce",
            )
            for name, address in addresses.items():
                page = context.new_page()
                page.goto(address)
                settle(page)
                page.screenshot(path=FOLDER / f"{name}-{size}-{theme}.png")
                page.close()
            context.close()
    print(f"{len(addresses)} pages in {FOLDER}")


def settle(page: Page) -> None:
    """Wait until the page is live and nothing moves any more."""
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    page.wait_for_timeout(1200)


if __name__ == "__main__":
    main()
