"""`/healthz`: the process lives. `/readyz`: the whole does its work."""

from typing import Any

from django.db import Error as DatabaseError
from django.db.models import Min
from django.http import HttpRequest, HttpResponse
from redis import RedisError

from progrock import clock
from progrock.api.jobs import json_response
from progrock.models import Job, Lane
from progrock.polling import pulse

MAX_PULSE_AGE_SECONDS = 20.0
MAX_LAG_SECONDS = 30.0


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers."""
    return json_response({"status": "ok"})


def nothing(request: HttpRequest) -> HttpResponse:
    """404: the API's own root holds nothing."""
    return HttpResponse(status=404)


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every part does its work, else 503; the body tells which does not, and why."""
    checks = {"database": _database(), "redis": _redis(), "worker": _worker(), "lag": _lag()}
    is_ready = all(check["ok"] for check in checks.values())
    return json_response(
        {"status": "ok" if is_ready else "unavailable", "checks": checks},
        status=200 if is_ready else 503,
    )


def _database() -> dict[str, Any]:
    try:
        Job.objects.order_by().values_list("id").first()
    except DatabaseError as exc:
        return {"ok": False, "reason": f"The database does not answer: {exc}"}
    return {"ok": True}


def _redis() -> dict[str, Any]:
    try:
        with pulse.client() as connection:
            connection.ping()
    except RedisError as exc:
        return {"ok": False, "reason": f"Redis does not answer: {exc}"}
    return {"ok": True}


def _worker() -> dict[str, Any]:
    try:
        age = pulse.age_seconds()
    except RedisError:
        return {"ok": False, "reason": "Unknown while Redis does not answer."}
    if age is None or age > MAX_PULSE_AGE_SECONDS:
        return {"ok": False, "reason": "No sign of a worker: are worker and beat running?"}
    return {"ok": True, "age_seconds": round(age, 1)}


def _lag() -> dict[str, Any]:
    """How late the latest tick is: 0 when none is due.

    Of a backend that is slow, or asked to be left alone, jobs may wait for long; that says nothing
    of the workers.
    """
    try:
        clock.check()
        first = Lane.objects.aggregate(first=Min("armed_for"))["first"]
    except DatabaseError:
        return {"ok": False, "reason": "Unknown while the database does not answer."}
    lag = max(0.0, (clock.now() - first).total_seconds()) if first else 0.0
    if lag > MAX_LAG_SECONDS:
        return {"ok": False, "seconds": round(lag, 1), "reason": "Polls are late: add workers."}
    return {"ok": True, "seconds": round(lag, 1)}
