"""A server that the test plays: it accepts `/prog/` in the page, and says what the test wants."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route, WebSocketRoute

HELLO = {
    "type": "hello",
    "protocol": "progrock.v1",
    "connection": "c",
    "user": {"name": None, "anonymous": True},
    "heartbeat": 15,
    "limits": {},
}


class PlayedServer:
    """Says hello to each connection of a page, and keeps what the page sends."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocketRoute] = []
        self.received: list[dict[str, Any]] = []
        self.lists: dict[str, dict[str, Any]] = {}  # by cursor, or by states with a comma
        page.clock.install()
        page.route("**/api/v1/jobs?*", self._list)
        page.route_web_socket("**/prog/", self._accept)

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        self.page.wait_for_function(f"() => {condition}", polling=20)

    def send(self, **frame: Any) -> None:
        """Send a frame over the latest connection."""
        self.sockets[-1].send(json.dumps(frame))

    def wait_for(self, action: str, count: int = 1) -> dict[str, Any]:
        """Wait for the message number `count` with this action."""
        while len(found := [item for item in self.received if item["action"] == action]) < count:
            self.page.wait_for_timeout(5)  # lets Playwright hand on what has come
        return found[count - 1]

    def _list(self, route: Route) -> None:
        """Answer `GET jobs` by `lists`, or by an empty page."""
        query = parse_qs(urlsplit(route.request.url).query)
        key = ",".join(query.get("cursor", query.get("state", [])))
        page = self.lists.get(key, {"jobs": [], "next": None})
        route.fulfill(content_type="application/json", body=json.dumps(page))

    def _accept(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self.received.append(json.loads(text)))
        socket.send(json.dumps(HELLO))


def snapshot(job: str, **more: Any) -> dict[str, Any]:
    """Return a snapshot of a running job, with every key; `more` overrides."""
    return {
        "job": job,
        "seq": 1,
        "backend": "fractal",
        "title": job,
        "state": "running",
        "condition": "ok",
        "complete": False,
        "progress": None,
        "current": None,
        "total": None,
        "unit": None,
        "message": None,
        "eta": None,
        "eta_range": None,
        "steps": [],
        "params": {},
        "result": None,
        "error": None,
        "owner": None,
        "labels": [],
        "note": "",
        "pinned": False,
        "version": 1,
        "retry_of": None,
        "created": "2026-11-21T05:54:51.019Z",
        "started": "2026-11-21T05:54:51.019Z",
        "updated": "2026-11-21T05:54:51.019Z",
        "finished": None,
        "watchers": 1,
        "can": ["cancel"],
    } | more


def event(job: str, seq: int, **more: Any) -> dict[str, Any]:
    """Return a progress event of a running job; `more` overrides."""
    return {
        "type": "progress",
        "job": job,
        "seq": seq,
        "at": "2026-11-21T05:54:52.019Z",
        "state": "running",
        "condition": "ok",
        "progress": None,
        "message": None,
        "eta": None,
        "complete": False,
    } | more
