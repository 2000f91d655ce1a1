"""The use cases: what a client can ask for. Each is one transaction and returns the job.

Effects outside the database (Celery, the layer) happen on commit and may be lost: the sweeper
finds what was left lying.
"""

import hashlib
import json
from datetime import timedelta

import uuid_utils.compat as uuids
from django.db import IntegrityError, transaction

from progrock import clock, conf
from progrock.backends import push, registry
from progrock.backends.backend import Offer
from progrock.errors import RequestError
from progrock.identity import Who
from progrock.jobs import dispatch, eta, log
from progrock.jobs.access import may_control
from progrock.jobs.changes import CancelRequested
from progrock.jobs.queries import durations_of, find_job
from progrock.models import IdempotencyKey, Job
from progrock.polling import lanes, watched
from progrock.protocol.codes import ErrorCode
from progrock.protocol.messages import StartRequest

KEY_KEPT = timedelta(hours=24)
START_GRACE = timedelta(seconds=10)  # the sweeper starts what no task has taken up by then


def start_job(
    who: Who, request: StartRequest, key: str | None = None, *, retry_of: Job | None = None
) -> Job:
    """Return the new job, or the one that the same `key` gave before.

    The backend is asked later, by a task. A retry belongs to whom the first job belongs. Raises
    RequestError: unknown_backend, bad_params, or conflict where the key was used for something
    else.
    """
    if who.only_job is not None:
        raise RequestError(ErrorCode.NOT_PERMITTED, "This token is good for one job alone.")
    clock.check()
    backend = registry.choose(request.backend)
    params = backend.filled_params(request.params)
    problems = backend.params_problems(params)
    if problems:
        raise RequestError(
            ErrorCode.BAD_PARAMS,
            f"The parameters of {backend.name} are not right: "
            + "; ".join(f"{item['field'] or 'params'}: {item['message']}" for item in problems),
            details=problems,
        )
    if key is None:
        with transaction.atomic():
            return _create(who, request, backend, params, retry_of)
    fingerprint = _fingerprint(backend.name, params, retry_of)
    try:
        with transaction.atomic():
            return _earlier(who, key, fingerprint) or _create(
                who, request, backend, params, retry_of, key=key, fingerprint=fingerprint
            )
    except IntegrityError:  # another request with this key got there first
        earlier = _earlier(who, key, fingerprint)
        if earlier is None:
            raise
        return earlier


def _fingerprint(backend: str, params: dict[str, object], retry_of: Job | None) -> str:
    """Return what tells two starts apart: the order of the parameters does not count."""
    which = [] if retry_of is None else [str(retry_of.id)]
    text = json.dumps([backend, params, *which], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _earlier(who: Who, key: str, fingerprint: str) -> Job | None:
    keys = IdempotencyKey.objects.filter(scope=who.scope, key=key)
    keys.filter(created__lt=clock.now() - KEY_KEPT).delete()
    found = keys.select_related("job__owner").first()
    if found is None:
        return None
    if found.fingerprint != fingerprint:
        raise RequestError(
            ErrorCode.CONFLICT,
            "This idempotency key was used for another backend or other parameters. "
            "Use a new key for a new job.",
            job=str(found.job_id),
        )
    return found.job


def _create(
    who: Who,
    request: StartRequest,
    backend: Offer,
    params: dict[str, object],
    retry_of: Job | None,
    *,
    key: str | None = None,
    fingerprint: str = "",
) -> Job:
    now = clock.now()
    id_ = uuids.uuid7()
    title = (request.title or "").strip() or backend.title[:200]
    job = Job(
        id=id_,
        backend=backend.name,
        shard=id_.int % conf.shards(),
        owner_id=who.user if retry_of is None else retry_of.owner_id,
        retry_of=None if retry_of is None else retry_of.id,
        params=params,
        title=title,
        labels=list(dict.fromkeys(request.labels)),
        created=now,
        updated=now,
        moved_at=now,
        due_at=now + START_GRACE,
        pace=eta.of_history(durations_of(backend.name, title)),
        watched_until=watched.until(now),  # whoever starts a job looks at it for a while
    )
    if backend.name == push.NAME:  # nothing is to be asked; its silence is looked at
        job.started = now
        job.pace = eta.started(job.pace, now)
        job.due_at = now + timedelta(seconds=push.policy(params).stall_after)
        lanes.arm(job.backend, job.shard, job.due_at, now)
    else:
        transaction.on_commit(lambda: dispatch.send_start(id_))
    log.create(job)
    if key is not None:
        IdempotencyKey.objects.create(
            scope=who.scope, key=key, fingerprint=fingerprint, job=job, created=now
        )
    return job


def cancel_job(who: Who, job: str) -> Job:
    """Return the job, now cancelling; asked again, it stays so.

    Raises RequestError: unknown_job, not_permitted, or not_cancellable when it has ended.
    """
    clock.check()
    found = find_job(who, job)
    if not may_control(who, found.owner_id):
        raise RequestError(ErrorCode.NOT_PERMITTED, "You may watch this job, not cancel it.")
    if found.is_terminal:
        raise _ended(job)
    if found.cancel_requested is None:
        with transaction.atomic():
            (step,) = log.record(
                [log.Entry(job=found.id, change=CancelRequested())], registry.policy_of
            )
            if step.accepted:
                transaction.on_commit(lambda: dispatch.send_cancel(found.id))
        if not step.accepted:  # it ended in between
            raise _ended(job)
        found = find_job(who, job)
    return found


def _ended(job: str) -> RequestError:
    return RequestError(
        ErrorCode.NOT_CANCELLABLE, "The job has ended; there is nothing to cancel.", job=job
    )
