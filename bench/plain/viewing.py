"""Call celery-progress's view as WSGI would, without a server: the least that it can cost.

    python -m bench.plain.viewing TASK CALLS FILE

It stores the state of the task first, as a task that reports its progress would. FILE gets the
of CPU time of all calls, as JSON.
"""

import io
import json
import sys
import time
from pathlib import Path

import django
from django.core.handlers.wsgi import WSGIHandler

from bench.plain import app

TEXT = "Tile 2 is being rendered"


def main() -> None:
    """Run with the words of the command line."""
    django.setup()
    task, calls, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    told = {"pending": False, "current": 2, "total": 10_000, "percent": 0.02, "description": TEXT}
    app.backend.store_result(task, told, "PROGRESS")
    handler = WSGIHandler()
    for count in (100, calls):  # the first ones import and connect
        before = time.process_time()
        for _ in range(count):
            _call(handler, f"/celery-progress/{task}/")
    file.write_text(json.dumps(time.process_time() - before))


def _call(handler: WSGIHandler, path: str) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }
    said = []
    answer = handler(environ, lambda status, _: said.append(status))
    body = b"".join(answer)
    if said != ["200 OK"] or b'"progress"' not in body:
        raise RuntimeError(f"{said}: {body[:500]!r}")


if __name__ == "__main__":
    main()
