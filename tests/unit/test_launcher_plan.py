"""What a launch decides from its environment, and which command lines follow."""

import socket
from pathlib import Path

import pytest

from progrock.launcher import children
from progrock.launcher.address import Address
from progrock.launcher.environment import ROOT, write_running
from progrock.launcher.plan import Plan, make_plan

LOCAL = Address(host="127.0.0.1", port=18400)
OPEN = Address(host="0.0.0.0", port=18400)


def plan(data: Path, address: Address = LOCAL, **environ: str) -> Plan:
    data.mkdir(exist_ok=True)
    return make_plan({"PATH": "/nowhere", **environ}, address, data)


def test_with_nothing_said_everything_is_brought(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert found.redis is not None
    assert found.renderer_port is not None
    assert found.uses_own_database
    assert found.environ["REDIS_URL"] == f"unix://{tmp_path}/redis.sock"
    assert found.environ["PROGROCK_EMBEDDED"] == "on"
    assert found.environ["RENDERER_URL"] == f"http://127.0.0.1:{found.renderer_port}"
    assert found.notes == ()


def test_a_redis_of_somebody_else_is_used(tmp_path: Path) -> None:
    found = plan(tmp_path, REDIS_URL="redis://redis.test/1")
    assert children.redis(found) is None
    assert found.environ["REDIS_URL"] == "redis://redis.test/1"
    assert len(found.environ["SECRET_KEY"]) >= 48


def test_a_database_of_somebody_else_is_used(tmp_path: Path) -> None:
    found = plan(tmp_path, DATABASE_URL="postgres://db.test/progrock")
    assert not found.uses_own_database
    assert found.redis is not None


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    found = plan(tmp_path, REDIS_URL=" ", SECRET_KEY="", ALLOWED_HOSTS="")
    assert found.redis is not None
    assert found.environ["SECRET_KEY"]
    assert found.environ["ALLOWED_HOSTS"] == "localhost,127.0.0.1,[::1]"


@pytest.mark.parametrize(
    ("environ", "is_brought"),
    [
        ({}, True),
        ({"PROGROCK_BACKENDS": str(ROOT / "examples/backends.toml")}, True),
        ({"PROGROCK_BACKENDS": "/etc/progrock/backends.toml"}, False),
        ({"RENDERER_URL": "http://renderer.test"}, False),
    ],
)
def test_the_example_backend_runs_for_the_bundled_backends_only(
    tmp_path: Path, environ: dict[str, str], is_brought: bool
) -> None:
    assert (children.renderer(plan(tmp_path, **environ)) is not None) is is_brought


def test_the_example_backend_keeps_its_port_while_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as before:
        port = before.getsockname()[1]
    write_running(tmp_path, {"RENDERER_URL": f"http://127.0.0.1:{port}"})
    assert plan(tmp_path).renderer_port == port
    with socket.create_server(("127.0.0.1", port)):
        assert plan(tmp_path).renderer_port not in {port, LOCAL.port}


def test_the_example_backend_never_takes_the_port_of_the_web_server(tmp_path: Path) -> None:
    write_running(tmp_path, {"RENDERER_URL": f"http://127.0.0.1:{LOCAL.port}"})
    assert plan(tmp_path).renderer_port != LOCAL.port


def test_where_strangers_come_they_need_a_token(tmp_path: Path) -> None:
    found = plan(tmp_path, OPEN)
    assert found.environ["PROGROCK_ANONYMOUS"] == "off"
    assert "tokens create USER" in "\n".join(found.notes)
    assert socket.gethostname() in found.environ["ALLOWED_HOSTS"].split(",")


def test_who_lets_strangers_in_on_purpose_is_warned(tmp_path: Path) -> None:
    found = plan(tmp_path, OPEN, PROGROCK_ANONYMOUS="on")
    assert found.environ["PROGROCK_ANONYMOUS"] == "on"
    assert found.notes[0].startswith("WARNING: HOST is 0.0.0.0")


@pytest.mark.parametrize(
    ("hosts", "name"),
    [("", "localhost"), ("*", "localhost"), (".progrock.test", "progrock.test"), ("a,b", "a")],
)
def test_the_launcher_asks_by_a_name_that_the_server_accepts(
    tmp_path: Path, hosts: str, name: str
) -> None:
    assert plan(tmp_path, ALLOWED_HOSTS=hosts).probe_name == name


def test_the_users_own_warning_filters_are_kept(tmp_path: Path) -> None:
    spec = children.worker(plan(tmp_path, PYTHONWARNINGS="error"))
    filters = spec.environ["PYTHONWARNINGS"].split(",")
    assert filters[0].startswith("ignore:You're running the worker")
    assert filters[1] == "error"
