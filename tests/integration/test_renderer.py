"""The example renderer keeps its promises: a real process, real work, real signals."""

import hashlib
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.renderer_process import RendererProcess, group_members, wait_until

SMALL = {"width": 200, "height": 150, "iterations": 50}
TILES_OF_SMALL = 12
ENDED = {"succeeded", "failed", "cancelled"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("bee")
    (root / "a.txt").write_text("a" * 100_000)
    (root / "Z.txt").write_text("")
    (root / "link").symlink_to(root / "a.txt")
    (root / "outside").symlink_to("/")
    return root


@pytest.fixture(scope="module")
def renderer(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RendererProcess]:
    data = tmp_path_factory.mktemp("renderer") / "data"
    with RendererProcess(data, {"RENDERER_ROOTS": str(tree)}) as process:
        yield process


@pytest.fixture
def http(renderer: RendererProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=renderer.url) as client:
        yield client


def start(http: httpx.Client, kind: str, params: dict[str, Any] | None = None) -> str:
    """Start a job and give its path."""
    reply = http.post(f"/{kind}/jobs", json=params or {})
    assert reply.status_code == 202, reply.text
    assert reply.json()["state"] == "queued"
    return reply.headers["Location"]


def follow(http: httpx.Client, path: str) -> list[dict[str, Any]]:
    """Ask until the job has ended; all different replies."""
    seen: list[dict[str, Any]] = []

    def has_ended() -> bool:
        status = http.get(path).json()
        if not seen or status != seen[-1]:
            seen.append(status)
        return status["state"] in ENDED

    wait_until(has_ended, f"{path} has ended")
    return seen


def wait_for_progress(http: httpx.Client, path: str, current: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = http.get(path).json()
        return status if (status["current"] or 0) >= current else None

    return wait_until(look, f"{path} has come to {current}")


def test_a_small_fractal_gives_a_real_png_of_the_asked_size(
    http: httpx.Client, renderer: RendererProcess
) -> None:
    path = start(http, "fractal", SMALL)
    end = follow(http, path)[-1]
    assert end["state"] == "succeeded"
    assert end["progress"] == 100
    assert end["error"] is None
    assert [step["state"] for step in end["steps"]] == ["succeeded"] * 3
    assert end["result"]["url"] == f"{renderer.url}{path}/picture.png"
    reply = httpx.get(end["result"]["url"])
    assert reply.headers["Content-Type"] == "image/png"
    assert "immutable" in reply.headers["Cache-Control"]
    assert int(reply.headers["Content-Length"]) == end["result"]["bytes"] == len(reply.content)
    with Image.open(io.BytesIO(reply.content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (200, 150))
        colours = picture.convert("RGB").getcolors(200 * 150)
    assert colours is not None
    assert len(colours) > 100


def test_progress_rises_tile_by_tile_and_reaches_100_only_at_the_end(http: httpx.Client) -> None:
    seen = follow(http, start(http, "fractal", SMALL | {"pause_ms": 40}))
    values = [status["progress"] for status in seen if status["progress"] is not None]
    assert values == sorted(values)
    assert len(set(values)) >= 5
    assert [status["state"] for status in seen if status["progress"] == 100] == ["succeeded"]
    assert {status["total"] for status in seen} <= {None, TILES_OF_SMALL}
    assert any("rendering tile" in status["message"] for status in seen)


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_job_without_params_is_a_large_picture_in_many_tiles(
    http: httpx.Client, body: bytes
) -> None:
    path = http.post("/fractal/jobs", content=body).headers["Location"]
    status = wait_for_progress(http, path, 1)
    assert status["total"] >= 40
    http.post(f"{path}/cancel")
    assert follow(http, path)[-1]["state"] == "cancelled"


def test_a_digest_is_what_sha256sum_would_say_and_follows_no_links(
    http: httpx.Client, tree: Path
) -> None:
    seen = follow(http, start(http, "digest", {"folder": str(tree), "pause_ms": 0}))
    names = ["Z.txt", "a.txt", "sub/b.txt"]
    lines = [
        f"{hashlib.sha256((tree / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    ]
    assert seen[-1]["result"] == {
        "algorithm": "sha256",
        "files": 3,
        "bytes": 100_003,
        "digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }
    assert (seen[-1]["current"], seen[-1]["total"], seen[-1]["unit"]) == (100_003, 100_003, "bytes")


@pytest.mark.parametrize("folder", ["/", "..", "outside", "outside/etc", "no/such"])
def test_a_digest_outside_of_the_roots_is_refused(http: httpx.Client, folder: str) -> None:
    reply = http.post("/digest/jobs", json={"folder": folder})
    assert reply.status_code == 422
    assert reply.json()["error"]["message"].startswith("folder must ")


def test_a_flaky_job_fails_half_way_with_its_reason(http: httpx.Client) -> None:
    end = follow(http, start(http, "flaky", {"pause_ms": 0}))[-1]
    assert end["state"] == "failed"
    assert end["progress"] == 49.99
    assert end["error"] == {
        "code": "corrupt_row",
        "message": "row 5,000 has 7 columns where 9 are expected",
    }
    assert end["result"] is None


def test_a_flaky_job_told_not_to_fail_succeeds(http: httpx.Client) -> None:
    end = follow(http, start(http, "flaky", {"pause_ms": 0, "fail_at": None}))[-1]
    assert (end["state"], end["result"]) == ("succeeded", {"rows": 10_000})


def test_bad_params_are_refused_all_at_once_and_by_name(http: httpx.Client) -> None:
    reply = http.post("/fractal/jobs", json={"width": 5, "palette": "mud", "widht": 3})
    assert reply.status_code == 422
    assert reply.json() == {
        "error": {
            "code": "bad_params",
            "message": "width must be between 16 and 20000, not 5; "
            'palette must be one of dusk, lagoon, ember, ink, not "mud"; '
            'unknown parameter "widht": did you mean width?',
        }
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b"[]", 400, "bad_json"),
        (b'{"width": NaN}', 400, "bad_json"),
        (b"\xff", 400, "bad_json"),
        (b"[" * 60_000, 400, "bad_json"),
        (b'{"width": "\\ud800"}', 422, "bad_params"),
        (b'{"width": 1e999}', 422, "bad_params"),
        (b'{"width": 20000, "height": 20000}', 422, "bad_params"),
        (b" " * 70_000, 413, "too_large"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(
    http: httpx.Client, body: bytes, status: int, code: str
) -> None:
    reply = http.post("/fractal/jobs", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "path",
    [
        "/fractal/jobs/0123456789abcdef",
        "/fractal/jobs/0123456789abcdef/log",
        "/fractal/jobs/0123456789abcdef/picture.png",
        "/fractal/jobs/..%2f..%2fetc",
    ],
)
def test_an_unknown_job_is_404(http: httpx.Client, path: str) -> None:
    reply = http.get(path)
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] in {"unknown_job", "not_found"}


def test_a_job_is_known_under_its_own_kind_only(http: httpx.Client) -> None:
    path = start(http, "flaky", {"pause_ms": 0})
    reply = http.get(path.replace("flaky", "digest"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_job")


def test_the_same_key_gives_the_same_job(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "order-7"}
    first = http.post("/flaky/jobs", json={"rows": 10}, headers=key)
    again = http.post("/flaky/jobs", json={"rows": 10.0, "pause_ms": 60}, headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["Location"] == first.headers["Location"]
    other = http.post("/flaky/jobs", json={"rows": 11}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")


def test_an_unchanged_status_is_304(http: httpx.Client) -> None:
    path = start(http, "flaky", {"pause_ms": 0})
    follow(http, path)
    first = http.get(path)
    tag = first.headers["ETag"]
    again = http.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert http.get(path, headers={"If-None-Match": '"other"'}).json() == first.json()


def test_cancel_stops_the_work(http: httpx.Client, renderer: RendererProcess) -> None:
    path = start(http, "fractal", SMALL | {"pause_ms": 5000})
    wait_for_progress(http, path, 1)
    reply = http.post(f"{path}/cancel")
    assert (reply.status_code, reply.json()["state"]) == (202, "cancelling")
    end = follow(http, path)[-1]
    assert end["state"] == "cancelled"
    assert end["current"] < TILES_OF_SMALL
    late = http.post(f"{path}/cancel")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "not_cancellable")
    assert not (renderer.data / "jobs" / path.rpartition("/")[2] / "work").exists()
    assert http.get(f"{path}/picture.png").status_code == 404


def test_the_log_continues_from_an_offset(http: httpx.Client) -> None:
    path = start(http, "fractal", SMALL)
    follow(http, path)
    whole = http.get(f"{path}/log")
    assert whole.headers["Content-Type"].startswith("text/plain")
    assert "tile 12 of 12" in whole.text
    rest = http.get(f"{path}/log", params={"offset": 30})
    assert rest.content == whole.content[30:]
    assert http.get(path).json()["log_size"] == len(whole.content)
    assert http.get(f"{path}/log", params={"offset": 10**9}).content == b""
    assert http.get(f"{path}/log", params={"offset": "-1"}).status_code == 422


def test_a_worker_that_dies_costs_no_job(http: httpx.Client, renderer: RendererProcess) -> None:
    path = start(http, "fractal", SMALL | {"pause_ms": 40})
    wait_for_progress(http, path, 1)
    workers = [pid for pid in group_members(renderer.pid) if pid != renderer.pid]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert follow(http, path)[-1]["state"] == "succeeded"


def test_a_killed_renderer_goes_on_from_its_finished_tiles(tmp_path: Path) -> None:
    with RendererProcess(tmp_path / "data") as renderer:
        group = renderer.pid
        with httpx.Client(base_url=renderer.url) as http:
            path = start(http, "fractal", SMALL | {"pause_ms": 150})
            waiting = start(http, "digest", {"pause_ms": 5000})
            before = wait_for_progress(http, path, 3)["current"]
        renderer.kill()
        wait_until(lambda: not group_members(group), "the workers noticed that it is gone")

        renderer.start()
        with httpx.Client(base_url=renderer.url) as http:
            seen = follow(http, path)
            assert http.get(waiting).json()["state"] == "running"
            log = http.get(f"{path}/log").text
        assert seen[0]["state"] == "running"
        assert seen[-1]["state"] == "succeeded"
        until, resumed, afterwards = log.partition(
            f" of {TILES_OF_SMALL} tiles were rendered before"
        )
        found = int(until.split()[-1])
        assert resumed
        assert found >= before
        assert afterwards.count(" pixels") == TILES_OF_SMALL - found


def test_a_terminated_renderer_leaves_no_process_and_keeps_its_jobs(tmp_path: Path) -> None:
    with RendererProcess(tmp_path / "data") as renderer:
        group = renderer.pid
        with httpx.Client(base_url=renderer.url) as http:
            path = start(http, "fractal", SMALL | {"pause_ms": 5000})
            before = wait_for_progress(http, path, 1)
            assert renderer.stop() == 0
        wait_until(lambda: not group_members(group), "nothing of it runs")
        assert "Traceback" not in renderer.output()

        renderer.start()
        status = httpx.get(f"{renderer.url}{path}").json()
        assert status["state"] == "running"
        assert status["current"] >= before["current"]
        assert httpx.post(f"{renderer.url}{path}/cancel").status_code == 202


def test_two_renderers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with (
        RendererProcess(tmp_path / "data") as first,
        pytest.raises(AssertionError, match="Another renderer works on"),
    ):
        RendererProcess(first.data).start()


def test_a_bad_setting_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="RENDERER_WORKERS must be a whole number between"):
        RendererProcess(tmp_path / "data", {"RENDERER_WORKERS": "many"}).start()
