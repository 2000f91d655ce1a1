"""Addresses that a backend names lead nowhere but to its own origins."""

import httpx
import pytest

from tests.conformance.connection import Connection
from tests.hostile.parts import assert_clear, begin, end_of
from tests.hostile.villain import Villain, reply

METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture(scope="module")
def foreign(trap: Villain, villain: Villain) -> dict[str, str]:
    """Addresses on which nothing is to be asked, by what is odd about them."""
    return {
        "metadata": METADATA,
        "other port": f"{trap.url}/x",
        "other name": f"http://localhost:{trap.port}/x",
        "without scheme": f"//127.0.0.1:{trap.port}/x",
        "userinfo": f"http://127.0.0.1:{villain.port}@127.0.0.1:{trap.port}/x",
        "backslash": f"http://127.0.0.1:{trap.port}\\@127.0.0.1:{villain.port}/x",
        "decimal": f"http://2130706433:{trap.port}/x",
        "hex": f"http://0x7f000001:{trap.port}/x",
        "mapped": f"http://[::ffff:127.0.0.1]:{trap.port}/x",
        "zone": f"http://[fe80::1%25lo]:{trap.port}/x",
        "file": "file:///etc/passwd",
        "gopher": f"gopher://127.0.0.1:{trap.port}/_x",
        "line break": f"/x HTTP/1.1\r\nHost: 127.0.0.1:{trap.port}\r\n\r\nGET /y",
    }


FOREIGN = (
    "metadata, other port, other name, without scheme, userinfo, backslash, decimal, "
    "hex, mapped, zone, file, gopher, line break"
).split(", ")
IN_HEADERS = [name for name in FOREIGN if name != "line break"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["metadata", "other port"])
def test_a_redirect_of_the_start_is_not_followed(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    status: int,
    name: str,
) -> None:
    plot = villain.plot(start=reply("", status, {"Location": foreign[name]}))

    assert_clear(end_of(watcher, begin(api, "plain", plot)), "backend_refused", "bad_reply")

    assert [len(plot.asked), trap.asked] == [1, []]


@pytest.mark.parametrize("name", ["metadata", "other port"])
def test_a_redirect_of_a_poll_is_not_followed(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    away = [reply("", status, {"Location": foreign[name]}) for status in (301, 302, 303, 307)]
    plot = villain.plot(*away)

    assert_clear(end_of(watcher, begin(api, "plain", plot)), "bad_reply")

    assert trap.asked == []


@pytest.mark.parametrize("name", IN_HEADERS)
def test_a_foreign_location_at_the_start_is_a_bad_reply_and_is_never_asked(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    plot = villain.plot()
    plot.start = reply({"id": plot.id}, 202, {"Location": foreign[name]})

    assert_clear(end_of(watcher, begin(api, "addressed", plot)), "bad_reply")

    assert [plot.of("poll"), trap.asked] == [[], []]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_address_in_the_body_of_a_poll_is_a_bad_reply_and_is_never_asked(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    plot = villain.plot({"state": "running", "status_url": foreign[name]})
    plot.start = reply({"id": plot.id}, 202, {"Location": f"/addressed/jobs/{plot.id}"})

    assert_clear(end_of(watcher, begin(api, "addressed", plot)), "bad_reply")

    assert [len(plot.of("poll")), trap.asked] == [1, []]


def test_a_job_that_named_a_foreign_address_at_its_start_is_cancelled_there(
    api: httpx.Client, watcher: Connection, villain: Villain, foreign: dict[str, str]
) -> None:
    plot = villain.plot()
    plot.start = reply({"id": plot.id}, 202, {"Location": foreign["metadata"]})

    end_of(watcher, begin(api, "addressed", plot))

    villain.wait_for(lambda: plot.of("cancel"), "a cancel")


def test_a_job_that_named_a_foreign_address_in_a_poll_is_cancelled_there(
    api: httpx.Client, watcher: Connection, villain: Villain, foreign: dict[str, str]
) -> None:
    plot = villain.plot({"status_url": foreign["metadata"]})
    plot.start = reply({"id": plot.id}, 202, {"Location": f"/addressed/jobs/{plot.id}"})

    end_of(watcher, begin(api, "addressed", plot))

    villain.wait_for(lambda: plot.of("cancel"), "a cancel")


@pytest.mark.parametrize("name", ["metadata", "other port", "file", "userinfo"])
def test_a_picture_on_a_foreign_address_is_not_fetched(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    trap: Villain,
    foreign: dict[str, str],
    name: str,
) -> None:
    result = {"url": foreign[name], "media_type": "image/png"}
    job = begin(api, "plain", villain.plot({"state": "succeeded", "result": result}))
    end_of(watcher, job)

    answer = api.get(f"jobs/{job}/result")

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert trap.asked == []
