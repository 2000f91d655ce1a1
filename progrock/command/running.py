"""What each command does. One function a command; each returns the exit code."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from progrock.client import Client, ClientError, Job, Refused, State
from progrock.command import tables
from progrock.command.outcome import Outcome
from progrock.command.params import value_of
from progrock.command.problems import tell
from progrock.command.watching import watch
from progrock.command.words import shown


def run(given: argparse.Namespace) -> int:
    """Do what was asked, and return the exit code."""
    try:
        with Client(given.url, given.token) as client:
            try:
                return _COMMANDS[given.command](client, given)
            except ClientError as exc:
                return tell(exc, client, getattr(given, "backend", None))
    except ClientError as exc:  # the address
        return tell(exc)
    except KeyboardInterrupt:
        return Outcome.DETACHED
    except BrokenPipeError:  # `progrock list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Outcome.SUCCEEDED


def _start(client: Client, given: argparse.Namespace) -> int:
    job = client.start(
        *([given.backend] if given.backend else []),
        title=given.title,
        labels=given.labels,
        key=given.key,
        params=dict(given.params),
    )
    return _go_on(client, job, given)


def _retry(client: Client, given: argparse.Namespace) -> int:
    job = client.job(given.job).retry(**dict(given.params))
    return _go_on(client, job, given)


def _go_on(client: Client, job: Job, given: argparse.Namespace) -> int:
    """Watch a job that was started, or print its id."""
    if given.watch:
        return watch(client, [job], as_json=given.json)
    if given.json:
        token = {"report_token": job.report_token} if job.report_token else {}
        _print_json({**job.snapshot.raw, **token})
    else:
        print(job.id)
    return Outcome.SUCCEEDED


def _watch(client: Client, given: argparse.Namespace) -> int:
    jobs = [client.job(job) for job in dict.fromkeys(given.jobs)]
    return watch(client, jobs, as_json=given.json)


def _list(client: Client, given: argparse.Namespace) -> int:
    jobs = client.jobs(
        state=given.states,
        backend=given.backend,
        label=given.label,
        q=given.search,
        mine=given.mine,
        limit=given.limit,
    )
    if given.json:
        for job in jobs:
            _print_json(job.raw)
    else:
        tables.print_jobs(list(jobs))
    return Outcome.SUCCEEDED


def _cancel(client: Client, given: argparse.Namespace) -> int:
    outcome = Outcome.SUCCEEDED
    for id_ in dict.fromkeys(given.jobs):
        try:
            snapshot = client.job(id_).cancel()
        except Refused as exc:
            outcome = tell(exc)
            continue
        if given.json:
            _print_json(snapshot.raw)
        else:
            print(f"{snapshot.job} {snapshot.state}")
    return outcome


def _report(client: Client, given: argparse.Namespace) -> int:
    # Without a look at the job first: a report is one request.
    what: dict[str, Any] = {
        name: getattr(given, name)
        for name in "progress current total unit message log state error".split()
        if getattr(given, name) is not None
    }
    if given.result is not None:
        what["result"] = value_of(given.result)
    snapshot = client.report(given.job, **what)
    if given.json:
        _print_json(snapshot.raw)
    is_cancelled = snapshot.state is State.CANCELLING or (
        snapshot.state is State.CANCELLED and given.state != "cancelled"
    )
    if is_cancelled:
        print("progrock: the job was cancelled; stop, and report it", file=sys.stderr)
    return Outcome.CANCELLED if is_cancelled else Outcome.SUCCEEDED


def _backends(client: Client, given: argparse.Namespace) -> int:
    backends = client.backends()
    if given.name is not None:
        found = [backend for backend in backends if backend.name == given.name]
        if not found:
            given.backend = given.name
            raise Refused("unknown_backend", f"There is no backend {shown(given.name)!r}.")
        backends = found
    if given.json:
        for backend in backends:
            _print_json(backend.raw)
    elif given.name is not None:
        tables.print_backend(backends[0])
    else:
        tables.print_backends(backends)
    return Outcome.SUCCEEDED


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


_COMMANDS: dict[str, Callable[[Client, argparse.Namespace], int]] = {
    "start": _start,
    "watch": _watch,
    "list": _list,
    "cancel": _cancel,
    "retry": _retry,
    "report": _report,
    "backends": _backends,
}
