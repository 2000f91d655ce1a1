"""A backend that does what a job's `plot` names, and says in it all that it is told."""

import base64
import itertools
import json
import re
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from tests.integration.secrets_sought import SECRETS, go_json, lowered, php_json, strings_in


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
            is_first = "from=0" in urlsplit(self.path).query.split("&")
            content = f"{said}\n" if is_first else ""
            self._send(200, content.encode(), {"Content-Type": "text/plain"})
        elif parts[-1] == "cancel":
            self.server.cancelled.add(parts[-2])
            self._say("json", {"message": said}, 202)
        else:
            self._poll(heard, parts[-1])

    def _heard(self, body: str) -> list[str]:
        """Return all that the request tells, and what this backend signs its hooks with."""
        values = self.headers.values()
        heard = [value.encode("latin-1").decode("utf-8", "replace") for value in values]
        heard += [self.path, body, *strings_in(body)]
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
