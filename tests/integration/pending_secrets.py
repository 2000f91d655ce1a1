"""Secrets of a description appear nowhere, though the backend says all that it is told.

One run of everything, on a backend that echoes headers, query and body into whatever it says;
then each place where something is kept or shown is searched for each secret, in each of its forms.
"""

import base64
import html
import io
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from standardwebhooks import Webhook

from progrock.backends.errors import DescriptionError
from progrock.backends.loading import load
from tests.conformance.connection import DEADLINE_SECONDS, Connection, opened
from tests.conformance.stack import Stack, launch
from tests.launcher_process import ROOT, wait_until

HOOK_KEY = base64.b64encode(b"a key of thirty-two bytes, so on").decode()
SECRETS = {
    "bearer": "b3/arer+tok=en~%41<&>",
    "basic": 'p4ss"wo\\rd/é✓ <&>x=1',
    "header": "k3y/of;head+er=<&>\"'\\",
    "path": "p4th-s3gment-0815",
    "json": 'j5on"s3cret\\/é✓\t<&>',
    "query": "qu3ry s/e+c=r&e%t#é✓",
    "hook": f"whsec_{HOOK_KEY}",
    "old hook": "whsec_" + base64.b64encode(b"the key before it, to be rotated").decode(),
}
VARIABLES = {f"OUR_{name.upper().replace(' ', '_')}": text for name, text in SECRETS.items()}
USER = "someone"
TOML = """
[backends.echo]
base_url = "@URL/echo"
auth.bearer = "${OUR_BEARER}"
headers.X-Api-Key = "${OUR_HEADER}"
hook_secrets = ["${OUR_HOOK}", "${OUR_OLD_HOOK}"]

[backends.echo.start]
method = "POST"
path = "/${OUR_PATH}/jobs"
query = { key = "${OUR_QUERY}" }
json = { plot = "{params.plot}", style = "{params.style}", secret = "${OUR_JSON}" }

[backends.echo.status]
path = "/${OUR_PATH}/jobs/{operation}"
query = { key = "${OUR_QUERY}" }

[backends.echo.cancel]
method = "POST"
path = "/${OUR_PATH}/jobs/{operation}/cancel"
json = { secret = "${OUR_JSON}" }

[backends.echo.log]
path = "/${OUR_PATH}/log/{operation}"
query = { key = "${OUR_QUERY}", from = "{offset}" }

[backends.echo.map]
operation = ".body.id"
state = ".body.state"
progress = ".body.progress"
unit = ".body.unit"
message = ".body.message"
steps = ".body.steps"
result = ".body.result"
error = ".body.error"

[backends.echo.poll]
min = 0.05
max = 0.1
failures = 2
unreachable_for = 0

[backends.basic]
preset = "progrock"
base_url = "@URL/basic"
auth.basic = "someone:${OUR_BASIC}"
poll = { min = 0.05, max = 0.1 }

[backends.jar]
preset = "progrock"
base_url = "@URL/jar"
auth.bearer = "${OUR_BEARER}"
cookies = "job"
poll = { min = 0.05, max = 0.1 }

[backends.dead]
preset = "progrock"
base_url = "http://127.0.0.1:9/dead"
auth.bearer = "${OUR_BEARER}"
start.idempotent = false
start.query = { key = "${OUR_QUERY}" }
poll = { min = 0.05, max = 0.1, failures = 1, unreachable_for = 0 }
"""

# --- what counts as the secret ------------------------------------------------------------------


def forms_of(secret: str) -> set[str]:
    """Return the forms in which a secret can be read: as it is, and encoded in the usual ways."""
    data = secret.encode()
    forms = {secret, data.decode("latin-1")}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {php_json(secret)[1:-1], go_json(secret)[1:-1], html.escape(secret)}
    forms |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    forms |= {lowered(form) for form in (quote(secret), quote(secret, safe=""), quote_plus(secret))}
    for coded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        forms |= {coded.decode(), coded.decode().rstrip("=")}
    return forms


def php_json(value: Any) -> str:
    """Return JSON as PHP writes it: slashes are escaped."""
    return json.dumps(value).replace("/", "\\/")


def go_json(value: Any) -> str:
    """Return JSON as Go writes it: safe within HTML."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def lowered(text: str) -> str:
    """Return percent-encoded text with its hexadecimal digits in lower case."""
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), text)


PAIR = base64.b64encode(f"{USER}:{SECRETS['basic']}".encode()).decode()
FORMS = {name: forms_of(secret) for name, secret in SECRETS.items()}
FORMS["basic"] |= {PAIR, PAIR.rstrip("=")}


@cache
def leaks_in(text: str) -> frozenset[str]:
    """Return the names of the secrets that a text holds, in itself or as JSON."""
    texts = [text, html.unescape(text), *_strings_in(text)]
    return frozenset(
        name for name, forms in FORMS.items() if any(any_in(forms, each) for each in texts)
    )


def any_in(forms: set[str], text: str) -> bool:
    return any(form in text for form in forms)


def _strings_in(text: str) -> Iterator[str]:
    """Yield the strings of a JSON text, keys included; nothing where it is none."""
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value


# --- the backend that says all that it is told --------------------------------------------------


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _each_string(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_each_string(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _in_texts(change: Callable[[str], str]) -> Callable[[Any], bytes]:
    """Return a writer of JSON in whose texts each secret is changed."""

    def changed(text: str) -> str:
        for secret in SECRETS.values():
            text = text.replace(secret, change(secret))
        return text

    return lambda value: as_json(_each_string(value, changed))


def _escaped(value: Any, digits: str) -> bytes:
    """Return JSON in which each character of a text is escaped."""

    def escape(text: str) -> str:
        units = text.encode("utf-16-be")
        return "".join(
            f"\\u{units[at] << 8 | units[at + 1]:{digits}}" for at in range(0, len(units), 2)
        )

    parts = re.split(r'("(?:[^"\\]|\\.)*")', json.dumps(value))
    return "".join(
        f'"{escape(json.loads(part))}"' if part.startswith('"') else part for part in parts
    ).encode()


STYLES: Mapping[str, Callable[[Any], bytes]] = {
    "json": as_json,
    "utf-8": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "php": lambda value: php_json(value).encode(),
    "go": lambda value: go_json(value).encode(),
    "escaped": lambda value: _escaped(value, "04x"),
    "escaped in capitals": lambda value: _escaped(value, "04X"),
    "percent": _in_texts(lambda text: quote(text, safe="")),
    "percent but slashes": _in_texts(quote),
    "percent and plus": _in_texts(quote_plus),
    "percent in lower case": _in_texts(lambda text: lowered(quote(text, safe=""))),
    "base64": _in_texts(lambda text: base64.b64encode(text.encode()).decode()),
    "base64 unpadded": _in_texts(lambda text: base64.b64encode(text.encode()).decode().rstrip("=")),
    "base64 for urls": _in_texts(lambda text: base64.urlsafe_b64encode(text.encode()).decode()),
    "twice in json": _in_texts(json.dumps),
}


class Echo(ThreadingHTTPServer):
    """Does what a job's `plot` names, and says in it all that it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[str] = []
        self.plots: dict[str, tuple[str, str]] = {}  # by id: plot and style
        self.cancelled: set[str] = set()
        self.numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Echo
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path).path.strip("/").split("/")
        heard = self._heard(body.decode())
        self.server.heard += heard
        said = " | ".join(dict.fromkeys(heard))
        if parts[-1] == "jobs":
            self._start(said, json.loads(body))
        elif "picture" in parts:
            self._send(200, said.encode(), {"Content-Type": f"text/{SECRETS['path']}"})
        elif "photograph" in parts:
            self._send(200, b"\x89PNG" + said.encode(), {"Content-Type": "image/png"})
        elif "log" in parts:
            self._send(200, f"{said}\n".encode(), {"Content-Type": "text/plain"})
        elif parts[-1] == "cancel":
            self.server.cancelled.add(parts[-2])
            self._say("json", {"message": said}, 202)
        else:
            self._poll(heard, parts[-1])

    def _heard(self, body: str) -> list[str]:
        """Return all that the request tells, and what this backend signs its hooks with."""
        values = self.headers.values()
        heard = [value.encode("latin-1").decode("utf-8", "replace") for value in values]
        heard += [self.path, body, *_strings_in(body)]
        heard += [value for _, value in parse_qsl(urlsplit(self.path).query)]
        scheme, _, pair = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            decoded = base64.b64decode(pair).decode()
            heard += [decoded, decoded.partition(":")[2]]
        if self.path.startswith("/echo/"):
            heard += [SECRETS["path"], SECRETS["hook"], SECRETS["old hook"]]
        return heard

    def _start(self, said: str, asked: dict[str, Any]) -> None:
        plot, style = str(asked.get("plot")), str(asked.get("style") or "json")
        id_ = f"job{next(self.server.numbers)}"
        self.server.plots[id_] = plot, style
        if plot == "refused":
            self._say(style, {"error": said}, 422)
        elif plot == "refused in text":
            self._send(403, said.encode())
        elif plot == "out of order":
            self._say(style, {"error": said}, 500)
        elif plot == "no id":
            self._say(style, {"message": said}, 202)
        elif plot == "redirected":
            self._send(302, said.encode(), {"Location": f"/x?{quote(said, safe='')}"})
        else:
            self._say(style, {"id": id_, "message": said, "told": {"you": [said]}}, 202)

    def _poll(self, heard: list[str], id_: str) -> None:
        plot, style = self.server.plots[id_]
        said = " | ".join(dict.fromkeys(heard))
        document: dict[str, Any] = {
            "state": "running",
            "progress": 10,
            "message": said[:3_000],
            "unit": heard[-1],
            "steps": [{"name": text, "state": text} for text in heard],
            "result": {"said": said, said[:200]: [said]},
            "error": {"code": said[:50], "message": said},
            "log": said,
        }
        if id_ in self.server.cancelled:
            document["state"] = "cancelled"
        elif plot == "no words":
            self._send(200, said.encode())
            return
        elif plot == "odd words":
            self.server.plots[id_] = "succeeds", style
            document["state"] = said[:150]
        elif plot == "foreign":
            self._send(
                200, as_json(document), {"Location": f"http://else.test/?{quote(said, safe='')}"}
            )
            return
        elif plot in {"picture", "photograph"}:
            url = f"/echo/{plot}/{SECRETS['path']}"
            document |= {"state": "succeeded", "result": {"url": url, "media_type": "image/png"}}
        elif plot == "fails":
            document["state"] = "failed"
        elif plot == "succeeds":
            document["state"] = "succeeded"
        self._say(style, document)

    def _say(self, style: str, document: Any, status: int = 200) -> None:
        self._send(status, STYLES[style](document), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        told = {
            "X-Echo-Key": self.headers.get("X-Api-Key", ""),
            "X-Echo-Target": self.path,
            "X-Echo-Authorization": self.headers.get("Authorization", ""),
            "WWW-Authenticate": f'Basic realm="{self.path}"',
            "Set-Cookie": "session=" + quote(self.headers.get("Authorization", ""), safe=""),
            "Content-Length": str(len(content)),
        }
        for name, value in (told | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


# --- one run of everything ----------------------------------------------------------------------

PLOTS = {
    "succeeds": "succeeded",
    "fails": "failed",
    "refused": "failed",
    "refused in text": "failed",
    "out of order": "failed",
    "no id": "failed",
    "redirected": "failed",
    "no words": "failed",
    "odd words": "succeeded",
    "runs": "cancelled",
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        yield echo
        echo.shutdown()


@pytest.fixture(scope="module")
def file(echo: Echo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secrets") / "backends.toml"
    file.write_text(TOML.replace("@URL", echo.url))
    return file


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    with ExitStack() as running:
        yield launch(running, {"PROGROCK_BACKENDS": str(file), **VARIABLES})


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1/", timeout=DEADLINE_SECONDS) as client:
        yield client


def begin(api: httpx.Client, plot: str, backend: str = "echo", style: str = "json") -> str:
    params = {"plot": plot, "style": style}
    return str(api.post("jobs", json={"backend": backend, "params": params}).json()["job"])


def end_of(api: httpx.Client, job: str) -> dict[str, Any]:
    """Wait for a job's end, and return its snapshot."""
    seq = 0
    while True:
        snapshot = api.get(f"jobs/{job}", params={"after": seq, "wait": 10}).json()
        if snapshot["complete"]:
            return dict(snapshot)
        assert snapshot["seq"] > seq, f"nothing more comes of {job}"
        seq = snapshot["seq"]


@dataclass
class Found:
    """What is kept and shown after a run, by the place where it is."""

    places: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def found(stack: Stack, api: httpx.Client, file: Path, echo: Echo) -> Found:
    """Run everything once, and gather all that can be read of it."""
    found = Found()
    with opened(stack.url) as watcher:
        watcher.ask("watch", feed="jobs")
        jobs = {plot: begin(api, plot) for plot in PLOTS}
        jobs |= {"by basic": begin(api, "succeeds", "basic"), "dead": begin(api, "x", "dead")}
        wait_until(lambda: api.get(f"jobs/{jobs['runs']}").json()["progress"], "it runs")
        hook(api, jobs["runs"], SECRETS["hook"])
        hook(api, jobs["runs"], SECRETS["old hook"])
        hook(api, jobs["runs"], "whsec_" + base64.b64encode(b"another").decode())
        logs = [api.get(f"jobs/{jobs['runs']}/log").text]
        api.post(f"jobs/{jobs['runs']}/cancel", json={})
        found.states = {name: end_of(api, job)["state"] for name, job in jobs.items()}
        found.places["frames"] = frames_of(watcher, list(jobs.values()))
    found.places["api"] = [*answers(api, list(jobs.values())), *logs]
    found.places["pages"] = [
        httpx.get(f"{stack.url}{path}").text
        for path in ("/", *(f"/jobs/{job}" for job in jobs.values()))
    ]
    found.places["commands"] = list(commands(file, stack.launcher.data))
    found.places["database"] = cells(stack.launcher.data)
    found.places["files"] = contents(stack.launcher.data)
    found.places["logs"] = stack.launcher.log.splitlines()
    return found


def hook(api: httpx.Client, job: str, secret: str) -> None:
    body, at = json.dumps({"job": job}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg", at, body),
        "Content-Type": "application/json",
    }
    api.post("hooks/echo", content=body, headers=headers)


def frames_of(watcher: Connection, jobs: list[str]) -> list[str]:
    """Return all frames: as they came, and of each job its log from the beginning."""
    for job in jobs:
        watcher.ask("watch", job=job, after=0)
    watcher.ask("list", limit=200)
    watcher.settle()
    return [json.dumps(frame, ensure_ascii=False) for frame in watcher.frames]


def answers(api: httpx.Client, jobs: list[str]) -> Iterator[str]:
    """Yield what HTTP answers about jobs and backends."""
    paths = ["jobs", "backends", "backends/echo", "openapi.json", "docs", "/metrics", "/readyz"]
    for job in jobs:
        paths += [f"jobs/{job}{more}" for more in ("", "/events", "/log", "/result", "/comments")]
    for path in paths:
        answer = api.get(str(api.base_url.join(path)) if path.startswith("/") else path)
        yield answer.text
        yield json.dumps(dict(answer.headers))


def commands(file: Path, data: Path) -> Iterator[str]:
    """Yield what the commands print and write."""
    with pytest.MonkeyPatch.context() as patch, override_settings(PROGROCK_BACKENDS=str(file)):
        for name, text in VARIABLES.items():
            patch.setenv(name, text)
        yield run("list")
        yield run("check", str(file))
        for plot in ("succeeds", "refused", "no words", "odd words", "runs"):
            kept = file.with_name(f"{plot}.json")
            params = json.dumps({"plot": plot, "style": "json"})
            words = ["--file", str(file), "--params", params, "--timeout", "0.3"]
            yield run("try", "echo", *words, "--record", str(kept))
            yield kept.read_text(encoding="utf-8")
        yield run("replay", str(kept), "--file", str(file))
        yield run("try", "basic", "--file", str(file), "--params", '{"plot": "succeeds"}')
        yield run("try", "dead", "--file", str(file), "--params", '{"plot": "x"}')
    environ = {"PROGROCK_DATA": str(data), "PROGROCK_BACKENDS": str(file), **VARIABLES}
    doctor = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(
        doctor, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    yield done.stdout + done.stderr


def run(*words: str) -> str:
    """Run `manage.py backends …` in this process, and return what it printed."""
    output = io.StringIO()
    try:
        call_command("backends", *words, stdout=output)
    except CommandError as error:
        output.write(str(error))
    except SystemExit:
        pass
    return output.getvalue()


def cells(data: Path) -> list[str]:
    """Return all that the database holds, cell by cell."""
    found: list[str] = []
    with sqlite3.connect(f"file:{data / 'progrock.sqlite3'}?mode=ro", uri=True) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                found += [cell for cell in row if isinstance(cell, str)]
    return found


def contents(data: Path) -> list[str]:
    """Return all files of the data folder as they lie, the database and its WAL among them."""
    files = [file for file in data.rglob("*") if file.is_file()]
    assert {"progrock.sqlite3", "progrock.sqlite3-wal"} <= {file.name for file in files}
    return [file.read_bytes().decode("utf-8", "replace") for file in files]


PLACES = ["database", "files", "logs", "api", "frames", "pages", "commands"]


def test_the_run_went_as_it_should(found: Found, echo: Echo) -> None:
    assert {plot: found.states[plot] for plot in PLOTS} == PLOTS
    assert (found.states["by basic"], found.states["dead"]) == ("succeeded", "failed")
    heard = "\n".join(echo.heard)
    assert [name for name, secret in SECRETS.items() if secret not in heard] == []


@pytest.mark.parametrize("place", PLACES)
def test_what_was_said_is_there_with_the_secrets_masked(found: Found, place: str) -> None:
    assert any("•••" in text or "\\u2022" in text for text in found.places[place])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_found_nowhere(found: Found, place: str, secret: str) -> None:
    leaking = [text for text in found.places[place] if secret in leaks_in(text)]

    assert [shortened(text, secret) for text in leaking[:3]] == []


def shortened(text: str, secret: str) -> str:
    """Return the surroundings of the first form of a secret in a text."""
    for each in [text, html.unescape(text), *_strings_in(text)]:
        for form in FORMS[secret]:
            if (at := each.find(form)) >= 0:
                return each[max(at - 60, 0) : at + len(form) + 20]
    return text[:100]


# --- after that: each way of saying it ----------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_secret_is_masked_however_the_backend_writes_it(
    api: httpx.Client, found: Found, style: str
) -> None:
    job = begin(api, "succeeds", style=style)
    end_of(api, job)

    assert leaks_in(api.get(f"jobs/{job}").text) == set()


def test_what_a_secret_of_hooks_holds_is_masked_without_its_prefix_too(
    found: Found, file: Path
) -> None:
    backend = load(file, VARIABLES).by_name["echo"]

    assert HOOK_KEY not in backend.mask.text(f"signed by {HOOK_KEY}")


def test_a_cookie_that_holds_a_secret_is_not_kept_in_the_clear(
    stack: Stack, api: httpx.Client, found: Found
) -> None:
    end_of(api, begin(api, "succeeds", "jar"))

    assert set().union(*map(leaks_in, cells(stack.launcher.data))) == set()


@pytest.mark.parametrize("plot", ["picture", "photograph"])
def test_what_comes_in_the_place_of_a_picture_tells_no_secret(
    api: httpx.Client, found: Found, plot: str
) -> None:
    job = begin(api, plot)
    assert end_of(api, job)["state"] == "succeeded"

    answer = api.get(f"jobs/{job}/result")

    assert leaks_in(answer.text) == set()
    assert leaks_in(json.dumps(dict(answer.headers))) == set()


@pytest.mark.parametrize(
    "line",
    [
        """map.state = '.body.state == "${OUR_PATH}' """,
        """map.state = '.body | wrong("${OUR_PATH}")' """,
        'base_url = "http://someone:${OUR_PATH}@127.0.0.1/"',
        'start.url = "http://${OUR_PATH}.test/"',
        'start.path = "${OUR_PATH}"',
        'headers.X = "${OUR_PATH}\\n"',
        'auth.basic = "${OUR_PATH}"\nauth.bearer = "${OUR_PATH}"',
        'start.query.x = "{wrong.${OUR_PATH}}"',
        'states.x = "${OUR_PATH}"',
    ],
    ids=lambda line: line.partition("=")[0].strip() + line[-9:-2].replace("\n", ""),
)
def test_what_is_wrong_in_a_description_is_told_without_its_secrets(
    tmp_path: Path, line: str
) -> None:
    file, base = tmp_path / "wrong.toml", 'base_url = "http://127.0.0.1"\n'
    told = f'[backends.x]\npreset = "progrock"\n{"" if "base_url" in line else base}{line}\n'
    file.write_text(told)

    assert leaks_in(problems_of(file)) == set()


def problems_of(file: Path) -> str:
    """Return what is wrong with a description, or nothing."""
    try:
        load(file, VARIABLES)
    except DescriptionError as error:
        return str(error)
    return ""


def test_a_reload_that_is_refused_logs_no_secret(stack: Stack, found: Found, file: Path) -> None:
    before, good = stack.launcher.lines_so_far(), file.read_text()
    file.write_text(good.replace('state = ".body.state"', """state = '.x == "${OUR_PATH}' """))
    try:
        for name in ("web", "worker"):
            os.kill(stack.launcher.pid_of(name), signal.SIGHUP)
            stack.launcher.wait_for_line(rf"{name} +\|.*refused", after=before)
    finally:
        file.write_text(good)

    wait_until(lambda: stack.launcher.log.count("map.state") >= 2, "the reasons")
    assert leaks_in("\n".join(stack.launcher.log.splitlines()[before:])) == set()
