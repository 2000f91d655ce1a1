"""What docker-compose.yml promises, and the small programs that stand around the containers."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import requires
from pathlib import Path

import pytest
import redis
from packaging.requirements import Requirement

from deploy import health
from deploy.entrypoint import completed
from deploy.make_secrets import make_secrets

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
RUN_ONCE = {"init", "migrate"}
PRIVATE = {"PUBLISHED_HOST": "127.0.0.1", "ALLOWED_HOSTS": "localhost,127.0.0.1"}


def services() -> dict[str, str]:
    """Each service's lines; the file is our own, so its indentation is enough to read it by."""
    section = re.split(r"^(?=\S)", COMPOSE.partition("\nservices:\n")[2], maxsplit=1, flags=re.M)[0]
    parts = re.split(r"^  (\w+):$", section, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


# --- the file ---


def test_all_services_are_there() -> None:
    lasting = {"postgres", "redis", "web", "worker", "beat", "renderer", "nginx"}
    assert set(services()) == lasting | RUN_ONCE


@pytest.mark.parametrize("name", sorted(services().keys() - RUN_ONCE))
def test_a_service_that_stays_says_how_it_is(name: str) -> None:
    assert "healthcheck:\n" in services()[name]


def test_only_the_proxy_is_published_and_only_to_this_machine() -> None:
    assert {name for name, lines in services().items() if "ports:" in lines} == {"nginx"}
    assert '"${HOST:-127.0.0.1}:${PORT:-8000}:8080"' in services()["nginx"]


def test_nothing_waits_on_time_or_on_a_mere_start() -> None:
    conditions = set(re.findall(r"condition: (\w+)", COMPOSE))
    assert conditions == {"service_healthy", "service_completed_successfully"}


def test_the_file_holds_no_secret() -> None:
    settings = dict(re.findall(r"^ +(\w*(?:SECRET|PASSWORD|TOKEN|PASS)\w*): (.+)$", COMPOSE, re.M))
    assert settings.pop("SECRET_KEY") == "${SECRET_KEY:-}"
    assert all(value.startswith("/var/lib/progrock/secrets/") for value in settings.values())
    assert not re.search(r"://[^\s/@]*:[^\s/@]*@", COMPOSE)


def test_no_image_of_ours_runs_as_root() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.M)
    users = {
        name: re.findall(r"^USER (.+)$", stage, re.M)[-1:]
        for stage in stages
        if (name := stage.partition("\n")[0].rpartition(" ")[2]) in {"server", "renderer", "proxy"}
    }
    assert users == {"server": ["10001:10001"], "renderer": ["10001:10001"], "proxy": ["nginx"]}
    assert "user: postgres\n" in services()["postgres"]
    assert "user: redis\n" in services()["redis"]


def test_the_renderer_image_gets_all_that_its_packages_need() -> None:
    listed = set(re.findall(r'RENDERER_NEEDS="(.+)"', DOCKERFILE)[0].split("|"))
    needed = {
        requirement.name.lower().replace("_", "-")
        for package in listed
        for requirement in map(Requirement, requires(package) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert needed <= listed


def test_every_variable_has_its_row() -> None:
    rows = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    variables = set(re.findall(r"\$\{(\w+)", COMPOSE)) - {"COMPOSE_PROJECT_NAME"}
    assert {name for name in variables if f"`{name}`" not in rows} == set()


# --- the secrets ---


def test_secrets_are_made_once_and_stay(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    first = {file.name: file.read_text() for file in tmp_path.iterdir()}
    make_secrets(tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == first
    assert set(first) == {"secret_key", "postgres_password", "pgpass"}
    assert len(set(first.values())) == 3
    assert all(len(text.strip()) >= 40 for text in first.values())


def test_only_the_database_password_can_be_read_by_the_group(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"secret_key": 0o600, "postgres_password": 0o640, "pgpass": 0o600}


def test_server_and_database_are_given_the_same_password(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    password = (tmp_path / "postgres_password").read_text().strip()
    assert (tmp_path / "pgpass").read_text().strip() == f"*:*:*:progrock:{password}"


def test_a_start_that_was_cut_short_is_made_good(tmp_path: Path) -> None:
    (tmp_path / ".secret_key.new").write_text("half")
    make_secrets(tmp_path)
    assert len((tmp_path / "secret_key").read_text()) > 40
    assert not (tmp_path / ".secret_key.new").exists()


# --- the entry point ---


def test_the_secret_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("made on first start\n")
    environ = {"SECRET_KEY": "", "SECRET_KEY_FILE": str(tmp_path / "key")}
    assert completed(environ)["SECRET_KEY"] == "made on first start"


def test_a_secret_of_the_environment_wins(tmp_path: Path) -> None:
    environ = {"SECRET_KEY": "given", "SECRET_KEY_FILE": str(tmp_path / "not there")}
    assert completed(environ)["SECRET_KEY"] == "given"


def test_without_any_secret_the_settings_have_the_word() -> None:
    assert "SECRET_KEY" not in completed({})


@pytest.mark.parametrize(
    ("environ", "anonymous"),
    [
        (PRIVATE, "on"),
        (PRIVATE | {"PUBLISHED_HOST": "[::1]", "ALLOWED_HOSTS": "[::1], localhost"}, "on"),
        (PRIVATE | {"PUBLISHED_HOST": "0.0.0.0"}, "off"),
        (PRIVATE | {"PUBLISHED_HOST": "192.0.2.7"}, "off"),
        (PRIVATE | {"PUBLISHED_HOST": ""}, "off"),
        (PRIVATE | {"ALLOWED_HOSTS": "localhost,progrock.example"}, "off"),
        (PRIVATE | {"ALLOWED_HOSTS": "127.0.0.1.example"}, "off"),
        (PRIVATE | {"ALLOWED_HOSTS": "*"}, "off"),
        ({}, "off"),
        (PRIVATE | {"PROGROCK_ANONYMOUS": "off"}, "off"),
        ({"PUBLISHED_HOST": "0.0.0.0", "PROGROCK_ANONYMOUS": "on"}, "on"),
    ],
)
def test_strangers_get_in_only_where_none_can_come(environ: dict[str, str], anonymous: str) -> None:
    assert completed(environ)["PROGROCK_ANONYMOUS"] == anonymous


# --- health ---


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_own = self.headers["Host"] == "progrock.example"
        self.send_response(200 if self.path == "/healthz" and is_own else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[int]:
    """A web server that knows one name; gives its port."""
    with HTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_web_is_asked_by_a_name_of_its_own(site: int) -> None:
    assert health.problem_of_web(site, health.own_name("*, .progrock.example")) is None
    assert health.problem_of_web(site, health.own_name("*")) == "/healthz answers with HTTP 400"


def test_a_web_server_that_is_gone_is_unhealthy(site: int) -> None:
    problem = health.problem_of_web(1, "localhost")
    assert problem is not None
    assert "does not answer" in problem


def test_a_worker_is_healthy_while_it_waits_for_tasks(
    redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server)
    with redis.Redis.from_url(redis_server) as waiting:
        waiting.brpop(["test:nothing-comes"], timeout=0.01)
        assert health.main("worker") is None
        assert health.main("beat") is None


def test_a_connection_that_does_something_else_does_not_count(
    redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server)
    with redis.Redis.from_url(redis_server) as other:
        other.ping()
        problem = health.problem_of_connections(frozenset({"bzpopmax"}), 30)
    assert problem == "no connection to Redis was used in 30 s (idle: none open)"


def test_without_redis_a_worker_is_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/none.sock")
    problem = health.main("worker")
    assert problem is not None
    assert "Redis does not answer" in problem
