"""One play: jobs are asked for, watched and cancelled, the backend flaps, processes are killed."""

import logging
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.conformance.connection import Frame
from tests.flapping.backend import FlappingBackend, Forecast
from tests.flapping.database import Database
from tests.flapping.judging import Told, faults_of
from tests.flapping.watching import Watcher
from tests.launcher_process import Launcher, wait_until

BACKENDS = Path(__file__).with_name("backends.toml")
WATCHED_AT_ONCE = 60  # jobs a connection
CLIENTS = 8
TRY_SECONDS = 30.0  # for one request of a client, while the database is away
CALM_SECONDS = 90.0  # after the last fault, in which every job has to end
ENDS = ["succeeded", "succeeded", "succeeded", "failed"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of everything. Seconds throughout, but for the counts."""

    seed: int
    jobs: int = 200
    kills: int = 10
    chaos_seconds: float = 30.0  # in which it flaps and processes are killed
    down_seconds: float = 3.0
    longest_job: float = 22.0


@dataclass(kw_only=True)
class Result:
    """What came of it."""

    faults: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    log: str = ""


def play(
    size: Size, database: Database | None = None, say: Callable[[str], None] = print
) -> Result:
    """Play it once."""
    database = database or Database()
    with ExitStack() as running:
        folder = running.enter_context(TemporaryDirectory(prefix="progrock-"))
        backend = running.enter_context(FlappingBackend(size.seed))
        launcher = running.enter_context(
            Launcher(
                Path(folder, "data"),
                command=(sys.executable, "-m", "progrock.launcher", "--end-with-parent"),
                environ={
                    "PROGROCK_BACKENDS": str(BACKENDS),
                    "FLAPPING_URL": backend.url,
                    **database.environ,
                },
            )
        )
        url = launcher.start().rstrip("/")
        return _Play(size, database, backend, launcher, url, say).run()


class _Play:
    def __init__(
        self,
        size: Size,
        database: Database,
        backend: FlappingBackend,
        launcher: Launcher,
        url: str,
        say: Callable[[str], None],
    ) -> None:
        self.size = size
        self.database = database
        self.backend = backend
        self.launcher = launcher
        self.url = url
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self.api = httpx.Client(base_url=f"{url}/api/v1/", timeout=15)
        self.say = say
        self.chance = random.Random(size.seed)
        self.began = time.monotonic()
        self.jobs: list[Told] = []
        self.watchers: list[Watcher] = []
        self.disturbed: list[float] = []
        self.kills: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self) -> Result:
        forecast = Forecast(
            self.backend, self.size.seed, self.size.chaos_seconds, self.size.down_seconds
        )
        forecast.start()
        with self._watching(), ThreadPoolExecutor(CLIENTS + 1) as pool:
            killing = pool.submit(self._kill_now_and_then)
            asking = [pool.submit(self._follow, number) for number in range(self.size.jobs)]
            for each in (*asking, killing):
                each.result()
            self._sleep_until(self.size.chaos_seconds)
            forecast.stop()
            self._say("it is calm")
            calm = time.monotonic()
            with suppress(AssertionError):  # what has not ended is told below
                wait_until(
                    lambda: all(watcher.is_done for watcher in self.watchers), "", CALM_SECONDS
                )
            settled = time.monotonic() - calm
        self._read_all()
        self.api.close()
        return self._result(settled)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        count = -(-self.size.jobs // WATCHED_AT_ONCE)
        self.watchers = [Watcher(self.url, self.size.seed + number) for number in range(count)]
        for watcher in self.watchers:
            watcher.start()
        try:
            yield
        finally:
            for watcher in self.watchers:
                watcher.stop()
                watcher.join(10)

    # --- what clients do ---

    def _follow(self, number: int) -> None:
        """Ask for a job when its time comes, have it watched, and cancel some of them."""
        chance = random.Random(self.size.seed * 1_000 + number)
        share = number / self.size.jobs
        self._sleep_until(share * 0.6 * self.size.chaos_seconds)
        end = chance.choice(ENDS)
        name, backend = f"job{number}", chance.choice(["safe", "safe", "once"])
        params = {"name": name, "end": end, "seconds": chance.uniform(2, self.size.longest_job)}
        request = {"backend": backend, "params": params, "title": name}
        asked_at = time.monotonic()
        answer = self._ask("POST", "jobs", {202}, request, key=name)
        told = Told(
            name=name, job=answer["job"], backend=backend, end=end, asked_at=asked_at,
            is_cancelled=chance.random() < 0.2,
        )  # fmt: skip
        with self._lock:
            self.jobs.append(told)
        self.watchers[number // WATCHED_AT_ONCE].add(told.job)
        if told.is_cancelled:
            wait = chance.uniform(0, 0.7 * params["seconds"])
            threading.Timer(wait, self._cancel, [told]).start()

    def _cancel(self, told: Told) -> None:
        self._ask("POST", f"jobs/{told.job}/cancel", {202, 409}, {})

    def _ask(
        self, method: str, path: str, right: set[int], body: object = None, key: str = ""
    ) -> dict[str, object]:
        """Ask the API as a client does: again when it cannot answer. Returns the JSON."""
        headers = {"Idempotency-Key": key} if key else {}
        until = time.monotonic() + TRY_SECONDS
        while True:
            try:
                answer = self.api.request(method, path, json=body, headers=headers)
                if answer.status_code in right:
                    return dict(answer.json())
                reason = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as error:
                reason = repr(error)
            assert time.monotonic() < until, f"{method} {path}: {reason}"
            time.sleep(0.3)

    # --- what befalls ---

    def _kill_now_and_then(self) -> None:
        moments = sorted(
            self.chance.uniform(0.05, 1.0) * self.size.chaos_seconds for _ in range(self.size.kills)
        )
        names = [["worker", "redis"][number % 2] for number in range(self.size.kills)]
        self.chance.shuffle(names)
        restart_at = moments[len(moments) // 2] if moments else 0.0
        for moment, name in zip(moments, names, strict=True):
            self._sleep_until(moment)
            self._kill(name)
            if moment == restart_at:
                before = time.monotonic()
                if self.database.restart():
                    self._say("the database was restarted")
                    self.disturbed += [before, time.monotonic()]

    def _kill(self, name: str) -> None:
        """Kill a child; one that is down already is waited for, and killed then."""
        wait_until(lambda: _lives(self.launcher.pid_of(name)), f"{name} lives")
        with suppress(ProcessLookupError):
            os.kill(self.launcher.pid_of(name), signal.SIGKILL)
            self.kills[name] += 1
            self.disturbed.append(time.monotonic())
            self._say(f"killed {name}")

    # --- what came of it ---

    def _read_all(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._read, self.jobs))

    def _read(self, told: Told) -> None:
        after: int | None = 0
        log: list[Frame] = []
        while after is not None:
            page = self._ask("GET", f"jobs/{told.job}/events?after={after}&limit=200", {200})
            log += page["events"]  # type: ignore[arg-type]
            after = log[-1]["seq"] if page["next"] is not None else None
        told.log = log
        told.snapshot = dict(self._ask("GET", f"jobs/{told.job}", {200}))

    def _result(self, settled: float) -> Result:
        log = self.launcher.log
        faults = []
        for told in self.jobs:
            watched = next(
                each.events[told.job] for each in self.watchers if told.job in each.events
            )
            account = self.backend.account_of(told.name)
            faults += faults_of(told, account, watched, self.disturbed)
        if len(self.jobs) != self.size.jobs:
            faults.append(f"{len(self.jobs)} jobs of {self.size.jobs}")
        for watcher in self.watchers:
            faults += [
                f"a watcher was told {answer}"
                for answer in watcher.answers
                if answer["type"] == "error" or not answer["recovered"]
            ]
        if (place := log.find("Traceback")) >= 0:
            faults.append(f"a traceback: {log[max(place - 500, 0) : place + 3_000]}")
        ends = Counter(
            ((told.snapshot["error"] or {}).get("code") or told.snapshot["state"])
            for told in self.jobs
        )
        own = log.count("worker ended with exit code")
        figures = {
            "seed": self.size.seed,
            "jobs": len(self.jobs),
            "ends": dict(sorted(ends.items())),
            "events": sum(len(told.log) for told in self.jobs),
            "kills": dict(self.kills),
            "worker ended by itself": own,
            "weathers": len(self.backend.weathers),
            "requests to the backend": self.backend.requests,
            "connections of watchers": sum(each.connections for each in self.watchers),
            "all ended after the last fault, seconds": round(settled, 1),
            "seconds": round(time.monotonic() - self.began, 1),
        }
        return Result(faults=faults, figures=figures, log=log)

    # --- the parts ---

    def _sleep_until(self, seconds: float) -> None:
        time.sleep(max(0.0, self.began + seconds - time.monotonic()))

    def _say(self, what: str) -> None:
        self.say(f"{time.monotonic() - self.began:6.1f} s  {what}")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
