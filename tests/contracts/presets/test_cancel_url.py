"""Where a job is stopped, when only the backend knows the address."""

from typing import Any

import pytest

from progrock.backends.errors import Refused, Unreachable
from tests.contracts.presets.exchanges import Player, backend_of
from tests.contracts.presets.test_odd_replies import BASE, STARTED, asked, started

TOLD = f"""
    [backends.odd]
    base_url = "{BASE}"
    start    = {{ path = "/jobs" }}
    status   = {{ path = "/jobs/{{operation}}" }}
    cancel   = {{ method = "POST", url = "{{cancel_url}}" }}
    map      = {{ operation = ".body.id", state = ".body.state", cancel_url = ".body.stop" }}
    states   = {{ going = "running" }}
"""
BATCH = TOLD.replace(
    'status   = { path = "/jobs/{operation}" }',
    'batch = { path = "/jobs", query = { ids = "{operations}" }, '
    'each = ".body[] | {operation: .id, body: .}" }',
)


def going(stop: Any = None) -> dict[str, Any]:
    """Return a status reply that says where to stop."""
    return {"json": {"id": "7", "state": "going", "stop": stop}}


def cancelled(player: Player, *exchanges: dict[str, Any]) -> bool:
    """Cancel, with these exchanges and no other; return whether the backend was told."""
    left = iter(exchanges)
    is_told = player.cancel(left)
    assert list(left) == []
    return is_told


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("/running/7/stop", "/running/7/stop"),
        ("stop?by=us", "/jobs/stop?by=us"),
        (f"{BASE}/x", "/x"),
    ],
)
def test_a_job_is_stopped_where_its_status_says_now(told: str, path: str) -> None:
    status, stop = asked(going(told)), asked({"status": 202}, path, "POST")
    assert cancelled(started(TOLD), status, stop)


def test_what_the_start_told_serves_where_the_status_tells_nothing() -> None:
    player = started(TOLD, {"json": {"id": "7", "stop": "/stop/7"}})
    assert cancelled(player, asked(going()), asked({"status": 202}, "/stop/7", "POST"))


@pytest.mark.parametrize("status", [going(), going(7), going(" "), {"status": 404}])
def test_a_cancel_waits_until_an_address_is_told(status: dict[str, Any]) -> None:
    player = started(TOLD)
    assert not cancelled(player, asked(status))
    assert cancelled(player, asked(going("/stop")), asked({"status": 202}, "/stop", "POST"))


@pytest.mark.parametrize("told", ["http://169.254.169.254/", "//other.example/x", "file:///etc"])
def test_a_foreign_address_is_not_asked_to_stop_a_job(told: str) -> None:
    with pytest.raises(Refused):
        cancelled(started(TOLD), asked(going(told)))


def test_a_status_that_does_not_answer_puts_the_cancel_off() -> None:
    with pytest.raises(Unreachable) as raised:
        cancelled(started(TOLD), asked({"lost": "The backend did not answer within 10 s."}))
    assert not raised.value.is_permanent


def test_a_backend_that_is_asked_in_batches_tells_it_in_one() -> None:
    player = started(BATCH)
    batch = asked({"json": [going("/stop/7")["json"]]}, "/jobs?ids=7")
    assert cancelled(player, batch, asked({"status": 202}, "/stop/7", "POST"))
    assert not cancelled(player, asked({"json": []}, "/jobs?ids=7"))


def test_a_start_that_is_given_up_is_stopped_where_it_said() -> None:
    text = TOLD.replace(
        'cancel_url = ".body.stop"', 'cancel_url = ".body.stop", status_url=".body.at"'
    )
    player = Player(backend_of(text))
    reply = {"json": {**STARTED["json"], "stop": "/stop/7", "at": "http://other.example/"}}
    start, stop = asked(reply, "/jobs", "POST"), asked({"status": 202}, "/stop/7", "POST")
    left = iter([start, stop])
    player.look("start", left)
    assert list(left) == []
    assert player.job.error is not None
    assert player.job.error.code == "bad_reply"
