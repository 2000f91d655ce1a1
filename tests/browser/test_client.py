"""progrock.js against a server that the test plays: what it sends, drops and takes up again."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.played_server import PlayedServer, event

JOB = "0198c0de-0000-7000-8000-000000000001"
CONNECT = """
async () => {
  const { ProgRock } = await import("/static/progrock/progrock.js");
  window.client = new ProgRock();
  window.told = [];
  for (const type of ["hello", "online", "offline", "event", "watching", "refused"]) {
    client.addEventListener(type, ({ detail }) => told.push([type, detail?.seq ?? detail?.code]));
  }
  window.times = (type) => told.filter(([its]) => its === type).length;
  client.connect();
}
"""


@pytest.fixture
def server(new_page: Callable[..., Page]) -> PlayedServer:
    """Give a server that a client on an otherwise quiet page is connected to."""
    server = PlayedServer(new_page())
    server.page.goto("/login/")
    server.page.evaluate(CONNECT)
    server.wait_until("times('online') === 1")
    return server


def lose(server: PlayedServer, code: int = 1012) -> None:
    """Close the connection, and let the pause before the next one pass."""
    before = len(server.sockets)
    server.sockets[-1].close(code=code)
    server.wait_until(f"times('offline') >= {before}")
    server.page.clock.run_for(20_000)


def told(server: PlayedServer) -> list[list[Any]]:
    """Return the client's events so far, as [type, seq or code]."""
    return list(server.page.evaluate("() => told"))


def test_a_lost_watch_is_taken_up_after_the_last_seq_seen(server: PlayedServer) -> None:
    server.page.evaluate(f"() => {{ client.watch('{JOB}', {{ after: 3 }}); }}")
    asked = server.wait_for("watch")
    assert asked["after"] == 3
    server.send(type="watching", id=asked["id"], job=JOB, seq=5, recovered=True)
    for seq in (4, 5, 5, 4, 6):
        server.send(**event(JOB, seq))
    server.wait_until("told.at(-1)[1] === 6")
    assert [seq for type_, seq in told(server) if type_ == "event"] == [4, 5, 6]

    lose(server)
    again = server.wait_for("watch", count=2)
    assert (again["job"], again["after"]) == (JOB, 6)


def test_a_snapshot_that_begins_again_is_believed(server: PlayedServer) -> None:
    server.page.evaluate(f"() => {{ client.watch('{JOB}', {{ after: 90 }}); }}")
    asked = server.wait_for("watch")
    answer = {"job": JOB, "seq": 2, "recovered": False, "snapshot": {"seq": 2}}
    server.send(type="watching", id=asked["id"], **answer)
    server.send(**event(JOB, 3))
    server.wait_until("told.at(-1)[1] === 3")


def test_the_feed_is_asked_for_again_on_each_connection(server: PlayedServer) -> None:
    server.page.evaluate("() => { client.feed({ mine: true }); }")
    for count in (1, 2):
        asked = server.wait_for("watch", count)
        assert (asked["feed"], asked["filter"]) == ("jobs", {"mine": True})
        answer = {"id": asked["id"], "feed": "jobs", "jobs": [{"job": JOB, "seq": 4}], "next": None}
        server.send(type="watching", **answer)
        server.send(**event(JOB, 4))  # is in the answer already
        server.send(**event(JOB, 5))
        server.wait_until(f"times('event') === {count}")
        if count == 1:
            lose(server)


def test_requests_settle_by_their_answer_by_an_error_or_by_the_loss(server: PlayedServer) -> None:
    server.page.evaluate(
        """() => {
          const settled = (promise) => promise.then(() => "done", (error) => error.code);
          window.outcomes = Promise.all(
            [settled(client.ping()), settled(client.cancel("x")), settled(client.list())],
          ).then(async (outcomes) => [...outcomes, await settled(client.ping())]);
        }"""
    )
    ping, cancel = server.wait_for("ping"), server.wait_for("cancel")
    server.wait_for("list")
    server.send(type="error", id=cancel["id"], code="unknown_job", message="", retryable=False)
    server.send(type="pong", id=ping["id"])
    server.sockets[-1].close(code=1001)
    outcomes = server.page.evaluate("() => outcomes")
    assert outcomes == ["done", "unknown_job", "lost", "offline"]


def test_a_connection_without_heartbeats_is_given_up(server: PlayedServer) -> None:
    server.page.clock.run_for(33_000)  # two heartbeats and five seconds are not over
    server.send(type="heartbeat", at="2026-11-21T05:54:51.019Z")
    server.send(**event(JOB, 1))
    server.wait_until("times('event') === 1")
    server.page.clock.run_for(33_000)
    assert server.page.evaluate("() => times('offline')") == 0
    server.page.clock.run_for(2_500)
    server.wait_until("times('online') === 2")


def test_the_browsers_online_event_does_not_wait_for_the_pause(server: PlayedServer) -> None:
    server.sockets[-1].close(code=1013)
    server.wait_until("times('offline') === 1")
    server.page.evaluate("() => { dispatchEvent(new Event('online')); }")
    server.wait_until("times('online') === 2")


@pytest.mark.parametrize("code", [4400, 4401])
def test_after_these_close_codes_nothing_is_tried_again(server: PlayedServer, code: int) -> None:
    lose(server, code)
    server.page.clock.run_for(120_000)
    assert told(server)[-1] == ["offline", code]
    assert len(server.sockets) == 1


@pytest.mark.parametrize("code", [1012, 4429])
def test_after_these_close_codes_it_is_tried_again(server: PlayedServer, code: int) -> None:
    lose(server, code)
    server.wait_until("times('online') === 2")


def test_which_codes_to_connect_after_and_how_long_to_pause(server: PlayedServer) -> None:
    again, pauses = server.page.evaluate(
        """async () => {
          const { mayReconnect, pauseSeconds } = await import("/static/progrock/progrock.js");
          const codes = [1000, 1001, 1006, 1009, 1012, 1013, 4400, 4401, 4403, 4408, 4429, 4499];
          return [codes.filter(mayReconnect), [
            ...[0, 1, 2, 4, 5, 9].map((attempt) => pauseSeconds(attempt, 1)),
            pauseSeconds(3, 0.25)]];
        }"""
    )
    assert again == [1000, 1001, 1006, 1009, 1012, 1013, 4408, 4429]
    assert pauses == [0.5, 1, 2, 8, 15, 15, 1]
