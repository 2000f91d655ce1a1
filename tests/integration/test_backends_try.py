"""`manage.py backends try` and `replay` against a backend over real sockets, without a server."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.renderer_process import wait_until
from tests.scripted_backend import Reply, ScriptedBackend

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 30


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedBackend]:
    with ScriptedBackend() as backend:
        yield backend


@pytest.fixture
def file(tmp_path: Path, service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MILL_TOKEN", "t0ken-of-the-mill")
    file = tmp_path / "backends.toml"
    file.write_text(
        f"""
        [backends.mill]
        preset = "progrock"
        base_url = "{service.url}/mill"
        auth = {{ bearer = "${{MILL_TOKEN}}" }}
        poll = {{ min = 0.02, max = 0.1 }}
        [backends.mill.params]
        type = "object"
        required = ["script"]
        properties.script = {{ type = "string" }}
        properties.size = {{ type = "integer", default = 3 }}
        """
    )
    return file


class Terminal(io.StringIO):
    """Where a person looks."""

    def isatty(self) -> bool:
        return True


def run(*words: str, stdout: io.StringIO | None = None) -> tuple[int, str]:
    """Run `manage.py backends …` in this process; give its exit code and what it printed."""
    output = stdout or io.StringIO()
    try:
        call_command("backends", *words, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    except CommandError as error:
        return error.returncode, output.getvalue() + str(error)
    return 0, output.getvalue()


def attempt(file: Path, params: dict[str, Any], *more: str, **kwargs: Any) -> tuple[int, str]:
    words = ["try", "mill", "--file", str(file), "--params", json.dumps(params), *more]
    return run(*words, **kwargs)


def test_a_job_that_succeeds_is_shown_to_its_end(file: Path, service: ScriptedBackend) -> None:
    script = service.script(
        {"state": "running", "progress": 30}, {"state": "succeeded", "result": {"rows": 7}}
    )
    code, text = attempt(file, script.params)
    assert code == 0
    assert text.startswith(f"Trying mill: mill, {service.url}/mill\n")
    assert f"> GET {service.url}/mill/jobs/{script.name}.1\n" in text
    assert "* running · 30 %\n" in text
    assert '  result: {"rows": 7}\n' in text
    assert max(map(len, text.splitlines())) <= 80
    assert script.starts[0].json == {**script.params, "size": 3}
    assert script.starts[0].headers["authorization"] == "Bearer t0ken-of-the-mill"
    assert "t0ken" not in text
    assert "\x1b" not in text


def test_a_job_that_fails_exits_with_1(file: Path, service: ScriptedBackend) -> None:
    script = service.script({"state": "failed", "error": {"code": "x", "message": "no flour"}})
    code, text = attempt(file, script.params)
    assert code == 1
    assert "  backend_failed: no flour\n" in text


def test_a_job_that_takes_too_long_is_cancelled(file: Path, service: ScriptedBackend) -> None:
    script = service.script({"state": "running"})
    code, text = attempt(file, script.params, "--timeout", "0.2")
    assert code == 1
    assert "timed_out: The job did not end within its 0.2 s." in text
    assert len(script.cancels) == 1


def test_a_recording_is_read_again_without_the_backend(
    file: Path, service: ScriptedBackend, tmp_path: Path
) -> None:
    script = service.script({"state": "grinding"}, {"state": "succeeded"})
    kept = tmp_path / "mill.json"
    code, text = attempt(file, script.params, "--record", str(kept))
    assert code == 0
    assert "t0ken" not in kept.read_text(encoding="utf-8")
    requests = len(service.requests)
    file.write_text(file.read_text() + '\n[backends.mill.states]\ngrinding = "queued"\n')
    code, again = run("replay", str(kept), "--file", str(file))
    assert code == 0
    assert len(service.requests) == requests
    assert 'state: "grinding" -> unknown: running' in text
    assert 'state: "grinding" -> queued' in again
    assert "! states lacks" in text
    assert "! states lacks" not in again


def test_a_replay_may_name_another_backend(
    file: Path, service: ScriptedBackend, tmp_path: Path
) -> None:
    script = service.script({"state": "succeeded"})
    kept = tmp_path / "mill.json"
    attempt(file, script.params, "--record", str(kept))
    file.write_text(file.read_text().replace("[backends.mill", "[backends.windmill"))
    code, text = run("replay", str(kept), "--file", str(file), "--backend", "windmill")
    assert (code, "with windmill:" in " ".join(text.split())) == (0, True)
    code, text = run("replay", str(kept), "--file", str(file))
    assert code == 2
    assert "describes no backend 'mill'; did you mean \"windmill\"?" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_cancels_its_job_and_keeps_its_recording(
    file: Path, service: ScriptedBackend, tmp_path: Path, number: signal.Signals
) -> None:
    script = service.script({"state": "running", "progress": 5})
    kept = tmp_path / "mill.json"
    words = ["try", "mill", "--file", file, "--params", json.dumps(script.params), "--record", kept]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "backends", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"SECRET_KEY": "only-for-tests", "PROGROCK_DATA": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        service.wait_for(lambda: len(script.polls) >= 2, "two polls")
        process.send_signal(number)
        text, _ = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1, text
    assert len(script.cancels) == 1
    assert "the job is to be cancelled" in text
    assert "\ncancelled after " in text
    recording = json.loads(kept.read_text(encoding="utf-8"))
    assert recording["state"] == "cancelled"
    assert recording["exchanges"][-1]["reply"]["body"]["json"] == {"state": "cancelled"}


def test_wrong_params_are_told_all_at_once(file: Path, service: ScriptedBackend) -> None:
    requests = len(service.requests)
    code, text = attempt(file, {"size": "large"})
    assert code == 2
    assert "'script' is a required property" in text
    assert "size: 'large' is not of type 'integer'" in text
    assert len(service.requests) == requests


@pytest.mark.parametrize(
    ("params", "sentence"),
    [("{", "--params is not JSON"), ("[1]", "--params is no JSON object")],
)
def test_params_that_are_no_object_are_told(file: Path, params: str, sentence: str) -> None:
    code, text = run("try", "mill", "--file", str(file), "--params", params)
    assert (code, sentence in text) == (2, True)


def test_a_wrong_description_is_told_with_all_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[backends.mill]\npreset = "progrok"\ntitel = "Mill"\nbase_url = "mill"\n')
    code, text = run("try", "mill", "--file", str(file))
    assert code == 2
    assert 'did you mean "progrock"?' in text
    assert 'did you mean "title"?' in text


def test_a_recording_that_cannot_be_written_is_told_before_the_start(
    file: Path, service: ScriptedBackend, tmp_path: Path
) -> None:
    script = service.script()
    code, text = attempt(file, script.params, "--record", str(tmp_path / "no" / "mill.json"))
    assert code == 2
    assert "cannot be written: No such file or directory" in text
    assert script.starts == []


def test_what_is_no_recording_is_told(file: Path, tmp_path: Path) -> None:
    code, text = run("replay", str(file), "--file", str(file))
    assert (code, "This is no recording" in text) == (2, True)
    code, text = run("replay", str(tmp_path / "none.json"), "--file", str(file))
    assert (code, "cannot be read: No such file" in text) == (2, True)


def test_colours_are_for_terminals_that_want_them(
    file: Path, service: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = service.script(Reply(status=500), {"state": "succeeded"})
    monkeypatch.delenv("NO_COLOR", raising=False)
    _, text = attempt(file, script.params, stdout=Terminal())
    assert "\x1b[1;32msucceeded after" in text
    monkeypatch.setenv("NO_COLOR", "1")
    _, text = attempt(file, script.params, stdout=Terminal())
    assert "\x1b" not in text


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The service of docs/backends.md, in a hurry; gives the descriptions on the page."""
    page = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("ENCODER_KEY", "s3cret-key")
    files = []
    for text in re.findall(r"^```toml\n(\[backends\.encoder\].*?)^```", page, flags=re.M | re.S):
        files.append(tmp_path / f"{len(files)}.toml")
        files[-1].write_text(text.replace("9100", str(port)).replace("min = 0.5", "min = 0.1"))
    source = re.search(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    assert source is not None
    text = source[1].replace("9100", str(port)).replace("began - 1) / 5", "began - 0.2) / 0.5")
    process = subprocess.Popen([sys.executable, "-c", text])
    try:
        wait_until(lambda: _listens(port), "the encoder listens", DEADLINE_SECONDS)
        yield files
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_worked_example_of_the_page_goes_as_it_is_told(
    encoder: list[Path], tmp_path: Path
) -> None:
    first, last = encoder
    kept = str(tmp_path / "talk.json")
    params = '{"source": "talk.mov"}'
    words = ["try", "encoder", "--file", str(first), "--params", params]
    code, text = run(*words, "--timeout", "2.5", "--record", kept)
    assert code == 1
    assert '!   DONE = "succeeded"' in text
    assert "timed_out: The job did not end within its 2.5 s." in text

    code, text = run("replay", kept, "--file", str(last))
    assert code == 0
    assert '  result: "talk.mov.webm"\n' in text
    assert "! the recording's own description read it as timed_out" in text

    code, text = run("try", "encoder", "--file", str(last), "--params", '{"source": "talk.mp3"}')
    assert code == 1
    assert "  backend_failed: no video track\n" in text
    assert re.search(r"\* running · [\d.]+ % · [\d,]+ of 4,800 frames", text)
    assert not re.search("^! (states|map)", text, flags=re.M)
