"""`/metrics`: how the backends and the jobs are, for Prometheus.

What Redis holds of each backend, and a few counts of the database; nothing that a job says.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from redis import RedisError

from progrock import __version__, clock, conf, identity
from progrock.api import problems
from progrock.backends import push, registry
from progrock.conf import MetricsReaders
from progrock.errors import RequestError
from progrock.jobs.states import TERMINAL, Condition, State
from progrock.polling import pulse
from progrock.polling.shared import Standing, standings
from progrock.protocol.codes import ErrorCode
from progrock.telemetry import board, job_figures, tally
from progrock.telemetry.board import Counts
from progrock.telemetry.exposition import MEDIA_TYPE, Family, text_of
from progrock.telemetry.figures import latencies_in
from progrock.telemetry.job_figures import Active
from progrock.telemetry.scale import DURATION_BOUNDS, LATENCY_BOUNDS


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures as text; 401 or 403 for who may not read them, 404 where nobody may."""
    try:
        _admit(request)
        text = text_of(_families())
    except RequestError as exc:
        return problems.response_to(exc)
    except DatabaseError as exc:
        return problems.unavailable(request, exc)
    return HttpResponse(text, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _admit(request: HttpRequest) -> None:
    readers = conf.metrics_readers()
    if readers is MetricsReaders.NOBODY:
        raise RequestError(ErrorCode.NOT_FOUND, "PROGROCK_METRICS keeps this address closed.")
    if readers is MetricsReaders.STAFF:
        who = identity.of_request(request)
        if who.is_anonymous:
            raise identity.nobody()
        if not who.is_staff:
            raise RequestError(ErrorCode.NOT_PERMITTED, "Only a member of the staff may read this.")


def _families() -> list[Family]:
    clock.check()
    now, names = clock.now(), sorted(registry.backends().by_name)
    active = job_figures.active_jobs(now)
    try:
        counted = board.totals_of([*names, push.NAME])
        known = standings(names)
        age = pulse.age_seconds()
    except RedisError:
        counted, known, age = {}, {}, None
        is_redis_up = False
    else:
        is_redis_up = True
    info = Family(name="progrock_info", kind="gauge", help="The version of ProgRock.")
    info.add(1, version=__version__)
    redis_up = Family(name="progrock_redis_up", kind="gauge", help="Whether Redis answers.")
    redis_up.add(int(is_redis_up))
    worker = Family(
        name="progrock_worker_pulse_age_seconds",
        kind="gauge",
        help="How long ago a worker last gave a sign of life; missing when none did lately.",
    )
    if age is not None:
        worker.add(age)
    return [
        info,
        redis_up,
        worker,
        *_of_jobs([*names, push.NAME], active),
        *_of_circuits(known, now),
        *_of_polls({name: counted[name] for name in names if name in counted}),
        *_of_ends(counted),
    ]


def _of_jobs(names: list[str], active: Mapping[str, Active]) -> list[Family]:
    jobs = Family(
        name="progrock_jobs_active", kind="gauge", help="Jobs that have not ended, by state."
    )
    troubled = Family(
        name="progrock_jobs_troubled",
        kind="gauge",
        help="Jobs that have not ended and are stalled, or whose backend is unreachable.",
    )
    lag = Family(
        name="progrock_backend_lag_seconds",
        kind="gauge",
        help="How long the backend's earliest due job has waited to be asked for.",
    )
    for name in names:
        its = active.get(name, Active())
        for state in State:
            if state not in TERMINAL:
                jobs.add(its.states.get(state, 0), backend=name, state=state.value)
        for condition in Condition:
            if condition is not Condition.OK:
                count = its.conditions.get(condition, 0)
                troubled.add(count, backend=name, condition=condition.value)
        lag.add(its.lag, backend=name)
    return [jobs, troubled, lag]


def _of_circuits(known: Mapping[str, Standing], now: datetime) -> list[Family]:
    circuit = Family(
        name="progrock_backend_circuit",
        kind="gauge",
        help="1 for the state that the backend's circuit is in, 0 for the others.",
    )
    held = Family(
        name="progrock_backend_held_seconds",
        kind="gauge",
        help="For how long the backend still wants to be left alone.",
    )
    for name, standing in known.items():
        word = standing.circuit.word(now.timestamp())
        for each in ("closed", "half_open", "open"):
            circuit.add(int(each == word), backend=name, circuit=each)
        held.add(standing.hold_seconds, backend=name)
    return [circuit, held]


def _of_polls(counted: Mapping[str, Counts]) -> list[Family]:
    polls = Family(
        name="progrock_backend_polls_total", kind="counter", help="Polls, by what they came to."
    )
    calls = Family(
        name="progrock_backend_calls_total",
        kind="counter",
        help="Starts and cancels, by what they came to.",
    )
    latency = Family(
        name="progrock_backend_poll_seconds",
        kind="histogram",
        help="How long the requests of polls took that were answered.",
    )
    for name, counts in counted.items():
        for family, all_, failed in (
            (polls, tally.POLLS, tally.POLLS_FAILED),
            (calls, tally.CALLS, tally.CALLS_FAILED),
        ):
            bad = counts.get(failed, 0)
            family.add(counts.get(all_, 0) - bad, backend=name, outcome="ok")
            family.add(bad, backend=name, outcome="failed")
        seconds = counts.get(tally.MICROS, 0) / 1_000_000
        latency.add_histogram(LATENCY_BOUNDS, latencies_in(counts), seconds, backend=name)
    return [polls, calls, latency]


def _of_ends(counted: Mapping[str, Counts]) -> list[Family]:
    ended = Family(
        name="progrock_jobs_ended_total", kind="counter", help="Jobs that ended, by state."
    )
    duration = Family(
        name="progrock_job_duration_seconds",
        kind="histogram",
        help="How long jobs took that succeeded, from their start on the backend to their end.",
    )
    for name, counts in counted.items():
        for state in State:
            if state in TERMINAL:
                count = counts.get(f"{tally.ENDED}:{state.value}", 0)
                ended.add(count, backend=name, state=state.value)
        buckets = [
            counts.get(f"{tally.DURATION}:{place}", 0) for place in range(len(DURATION_BOUNDS) + 1)
        ]
        seconds = counts.get(tally.ENDED_MILLIS, 0) / 1000
        duration.add_histogram(DURATION_BOUNDS, buckets, seconds, backend=name)
    return [ended, duration]
