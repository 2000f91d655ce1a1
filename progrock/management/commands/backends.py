"""`manage.py backends check|list|try|replay`: for whoever describes a backend."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import uuid_utils.compat as uuids
from django.core.management.base import BaseCommand, CommandError, CommandParser

from progrock import conf
from progrock.backends import registry
from progrock.backends.backend import Backend
from progrock.backends.doubts import doubts
from progrock.backends.errors import DescriptionError
from progrock.backends.loading import Backends, load
from progrock.backends.trying.concluding import comparison
from progrock.backends.trying.explaining import explanations
from progrock.backends.trying.happenings import Happening
from progrock.backends.trying.lines import Line, Page, Style
from progrock.backends.trying.live import LiveLine
from progrock.backends.trying.recording import BadRecording, Recorder, Recording, read
from progrock.backends.trying.replaying import Player
from progrock.backends.trying.reporting import Reporter
from progrock.backends.trying.trial import Trial
from progrock.backends.wording import near
from progrock.jobs.states import State

WRONG = 2  # the exit code for a description, parameters or a recording that cannot be used
_COLOURS = {
    Style.HEADING: "1",
    Style.REQUEST: "36",
    Style.REPLY: "2",
    Style.WARNING: "33",
    Style.GOOD: "1;32",
    Style.BAD: "1;31",
}


class Command(BaseCommand):
    """Looks at descriptions of backends, and tries them, without the server."""

    help = "Check, list and try the configured backends."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("check", help="say everything that is wrong in a file")
        check.add_argument("file", nargs="?", help="default: the configured one")
        actions.add_parser("list", help="show the configured backends")
        actions.add_parser("reload", help="have every process take up the changed file")

        attempt = actions.add_parser("try", help="start a job, follow it, show how it is read")
        attempt.add_argument("name", help="the backend")
        attempt.add_argument("--params", default="{}", help="the job's parameters, as JSON")
        attempt.add_argument("--file", help="the description; default: the configured one")
        attempt.add_argument("--record", metavar="FILE", help="keep what was said, for replay")
        attempt.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="cancel it then")

        replay = actions.add_parser("replay", help="read a recording again, offline")
        replay.add_argument("recording", help="a file that `try --record` wrote")
        replay.add_argument("--file", help="the description; default: the configured one")
        replay.add_argument("--backend", help="default: the recording's")

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[..., None]] = {
            "check": self._check,
            "list": self._list,
            "reload": self._reload,
            "try": self._try,
            "replay": self._replay,
        }
        try:
            actions[options["action"]](**options)
        except KeyboardInterrupt:
            sys.exit(1)

    # --- what is described ---

    def _check(self, *, file: str | None, **_: Any) -> None:
        path = _path(file)
        found = _loaded(path, wrong=1)
        for backend in found.by_name.values():
            for doubt in doubts(backend):
                self.stdout.write(f"! {doubt.key}: {doubt.message}")
        self.stdout.write(f"{path} is right: {len(found.by_name)} backend(s).")

    def _list(self, **_: Any) -> None:
        found = _loaded(_path(None), wrong=1)
        width = max((len(name) for name in found.by_name), default=0)
        for name, backend in found.by_name.items():
            mark = "*" if name == found.default else " "
            self.stdout.write(f"{mark} {name:{width}}  {backend.base_url}  {backend.title}")
        self.stdout.write("* is the default, for a start that names none.")

    def _reload(self, **_: Any) -> None:
        path = _path(None)
        _loaded(path, wrong=1)  # a bad file is refused here, before anyone is told
        registry.announce()
        self.stdout.write(f"{path} is right; every process takes it up within a few seconds.")

    # --- what it does ---

    def _try(
        self,
        *,
        name: str,
        params: str,
        file: str | None,
        record: str | None,
        timeout: float | None,
        **_: Any,
    ) -> None:
        path = _path(file)
        backend = _chosen(_loaded(path), name, path)
        given = _params(params)
        filled = backend.filled_params(given)
        problems = _problems(backend, filled)
        if problems:
            raise CommandError("\n".join(["--params is not right:", *problems]), returncode=WRONG)
        line, id_ = LiveLine(backend.policy.timeout), uuids.uuid7()
        recorder = Recorder(backend, given, id_=id_, began=line.now())
        reporter = Reporter(backend, _width())

        def tell(happening: Happening) -> None:
            recorder.hear(happening)
            self._show(reporter.hear(happening))

        why = explanations(path, name, os.environ)
        trial = Trial(backend, filled, line, tell, id_=id_, timeout=timeout, explanations=why)
        with _kept(record, recorder.text), _ends_by_signal():
            self._show(reporter.opening(f"Trying {name}", filled))
            for doubt in doubts(backend):
                self._show(reporter.warning(f"{doubt.key}: {doubt.message}"))
            job = trial.run()
            self._show(reporter.end(job))
        if record:
            self.stdout.write(f"recorded; read it again by: manage.py backends replay {record}")
        self._exit(job.state)

    def _replay(self, *, recording: str, file: str | None, backend: str | None, **_: Any) -> None:
        recorded = _recording(Path(recording))
        path, name = _path(file), backend or recorded.backend
        chosen = _chosen(_loaded(path), name, path)
        params = chosen.filled_params(recorded.params)
        reporter = Reporter(chosen, _width())
        player = Player(recorded)

        def tell(happening: Happening) -> None:
            self._show(reporter.hear(happening))

        why = explanations(path, name, os.environ)
        trial = Trial(chosen, params, player, tell, id_=recorded.job, explanations=why)
        self._show(reporter.opening(f"Replaying {recording} with {name}", params))
        for problem in _problems(chosen, params):
            self._show(reporter.warning(f"params: {problem.strip()}"))
        job = trial.run()
        self._show(reporter.end(job))
        self._show(comparison(recorded, player.unasked(), job.state, Page(_width())))
        self._exit(job.state)

    # --- showing ---

    def _show(self, lines: list[Line]) -> None:
        """Print lines. Nobody reads any more (`| head`): that is taken as Ctrl-C."""
        is_coloured = self.stdout.isatty() and not os.environ.get("NO_COLOR")
        try:
            for line in lines:
                code = _COLOURS.get(line.style) if is_coloured else None
                self.stdout.write(f"\x1b[{code}m{line.text}\x1b[0m" if code else line.text)
            self.stdout.flush()
        except BrokenPipeError as exc:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
            raise KeyboardInterrupt from exc

    def _exit(self, state: State) -> None:
        if state is not State.SUCCEEDED:
            sys.exit(1)


def _width() -> int:
    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


def _path(file: str | None) -> Path:
    return Path(file or conf.backends_file())


def _loaded(path: Path, wrong: int = WRONG) -> Backends:
    try:
        return load(path, os.environ)
    except DescriptionError as exc:
        raise CommandError(str(exc), returncode=wrong) from exc


def _chosen(found: Backends, name: str, path: Path) -> Backend:
    backend = found.by_name.get(name)
    if backend is None:
        hint = near(name, found.by_name)
        raise CommandError(f"{path} describes no backend {name!r}{hint}", returncode=WRONG)
    return backend


def _params(text: str) -> dict[str, Any]:
    try:
        params = orjson.loads(text)
    except ValueError as exc:
        raise CommandError(f"--params is not JSON: {exc}.", returncode=WRONG) from exc
    if not isinstance(params, dict):
        example = """--params '{"name": "value"}'"""
        raise CommandError(f"--params is no JSON object, as in {example}.", returncode=WRONG)
    return params


def _problems(backend: Backend, params: dict[str, Any]) -> list[str]:
    return [
        f"  {problem['field'] or '(all)'}: {problem['message']}"
        for problem in backend.params_problems(params)
    ]


def _recording(file: Path) -> Recording:
    try:
        return read(file.read_bytes())
    except OSError as exc:
        raise CommandError(f"{file} cannot be read: {exc.strerror}.", returncode=WRONG) from exc
    except BadRecording as exc:
        raise CommandError(f"{file}: {exc}", returncode=WRONG) from exc


@contextlib.contextmanager
def _kept(file: str | None, text: Callable[[], str]) -> Iterator[None]:
    """Write a text to a file at the end, however it comes; refuse beforehand where it cannot be."""
    if file is None:
        yield
        return
    try:
        Path(file).touch()
    except OSError as exc:
        raise CommandError(f"{file} cannot be written: {exc.strerror}.", returncode=WRONG) from exc
    try:
        yield
    finally:
        Path(file).write_text(text(), encoding="utf-8")


@contextlib.contextmanager
def _ends_by_signal() -> Iterator[None]:
    """Take an order to end, or the terminal's closing, as Ctrl-C: the job is cancelled first."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
