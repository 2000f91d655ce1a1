"""progrock.js under `node --test`: with a played server and clock, and against the real one."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conformance.stack import open_stack, open_target, tracebacks
from tests.conftest import lacking
from tests.launcher_process import ROOT

HERE = Path(__file__).parent
STATIC = ROOT / "progrock" / "static" / "progrock"
BUDGET_BYTES = 6 * 1024
NODE_SECONDS = 200.0
# What browsers have, and older Nodes only on demand.
WANTED = ("--experimental-websocket", "--experimental-global-customevent")


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command of a Node with WebSocket and CustomEvent."""
    program = shutil.which("node") or shutil.which("nodejs")
    if program is None:
        lacking("no node is on the PATH: install nodejs")
    known = "console.log(JSON.stringify([...process.allowedNodeEnvironmentFlags]))"
    printed = subprocess.run([program, "-e", known], capture_output=True, check=True)
    return [program, *(flag for flag in WANTED if flag in json.loads(printed.stdout))]


def run(node: list[str], name: str, **environ: str) -> None:
    """Run a file of tests; nothing that they leave open may keep the process."""
    done = subprocess.run(
        [*node, "--test", "--test-reporter=spec", str(HERE / name)],
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
        env={**os.environ, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "pass 0" not in done.stdout


def test_with_a_played_server_and_clock(node: list[str]) -> None:
    run(node, "played.test.mjs")


def test_what_the_page_of_one_job_makes_of_events(node: list[str]) -> None:
    run(node, "job-page.test.mjs")


def test_against_the_real_server(node: list[str], pytestconfig: pytest.Config) -> None:
    target = open_target(open_stack(pytestconfig))
    before = len(tracebacks(pytestconfig))
    work = {"steps": target.quick, "slow": target.slow}
    run(
        node,
        "server.test.mjs",
        PROGROCK_URL=target.url,
        PROGROCK_WORK=json.dumps({name: [it.backend, it.params] for name, it in work.items()}),
    )
    assert tracebacks(pytestconfig)[before:] == []


def test_the_client_is_one_module_of_at_most_six_kilobytes() -> None:
    source = (STATIC / "progrock.js").read_bytes()
    assert len(gzip.compress(source, 9)) <= BUDGET_BYTES
    assert b"\nimport " not in source
    assert b"await import(" not in source
