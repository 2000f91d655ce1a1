"""Microseconds to read one reply, from its bytes to an observation, and their share of a poll."""

import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import orjson

from bench import report
from bench.backend import Looks
from progrock.backends import loading, reading
from progrock.backends.backend import Backend
from progrock.backends.http import HttpReply
from progrock.jobs.states import State
from progrock.jobs.values import JobValue

# What a server commonly sends; the document of the expressions holds it each time.
_HEADERS = {
    "content-type": "application/json",
    "content-length": "64",
    "date": "Sat, 21 Nov 2026 05:54:51 GMT",
    "location": "/jobs/op-1",
}
TOML = '[backends.bench]\npreset = "progrock"\nbase_url = "http://127.0.0.1:1"\n'


def run(*, quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Measure; print, and return medians of the rounds."""
    backend, job = _backend(), _job()
    content = Looks().answer(b"op-1")
    headers = {"content-type": "application/json", "content-length": str(len(content))}

    def ours() -> None:
        reply = HttpReply(status=200, headers=headers, content=content)
        reading.read_poll(backend, job, {}, reply)

    looks = 2_000 if quick else 10_000
    both = {"JSON alone": lambda: orjson.loads(content), "read_poll": ours}
    times: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(3 if quick else 7):
        for name, read in both.items():
            start = time.process_time()
            for _ in range(looks):
                read()
            times[name].append(1e6 * (time.process_time() - start) / looks)
    sides = {name: {"µs CPU/reply": median(found)} for name, found in times.items()}
    print(report.table(f"Reading a reply of {len(content)} bytes", sides))
    return {"reading": sides}


def _backend() -> Backend:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "backends.toml"
        file.write_text(TOML)
        return loading.load(file, {}).by_name["bench"]


def _job() -> JobValue:
    now = datetime.now(UTC)
    return JobValue(
        id=UUID(int=1),
        backend="bench",
        seq=7,
        state=State.RUNNING,
        created=now,
        updated=now,
        moved_at=now,
        started=now,
        operation="op-1",
        start={"status": 202, "headers": _HEADERS, "body": {"id": "op-1"}},
    )
