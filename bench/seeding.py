"""Fill a side's database with running jobs, and send the first polls on their way.

    python -m bench.seeding JOBS SECONDS FILE

The side is the one whose settings are in the environment. SECONDS is the interval over which the
first polls are spread, or 0 for jobs that nobody polls. The ids go to FILE as JSON.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import django
import orjson
import uuid_utils.compat as uuids
from django.conf import settings

from bench.stack import BACKEND_NAME


def seed_plain(ids: list[UUID], seconds: float) -> None:
    """One row and one countdown task each."""
    from bench.plain.models import Job  # noqa: PLC0415
    from bench.plain.tasks import poll, poll_all  # noqa: PLC0415

    Job.objects.all().delete()
    Job.objects.bulk_create(Job(id=id_, operation=f"op-{n}") for n, id_ in enumerate(ids))
    if seconds and settings.IN_THREADS:
        poll_all.apply_async()
    elif seconds:
        for n, id_ in enumerate(ids):
            poll.apply_async((str(id_),), countdown=seconds * n / len(ids))


def seed_ours(ids: list[UUID], seconds: float) -> None:
    """One started job each, and one tick."""
    import config  # noqa: F401, PLC0415 - the Celery application
    from progrock.models import Event, Job, Lane  # noqa: PLC0415
    from progrock.polling import lanes  # noqa: PLC0415

    Event.objects.all().delete()
    Job.objects.all().delete()
    Lane.objects.all().delete()
    now = datetime.now(UTC)
    Job.objects.bulk_create(
        Job(
            id=id_,
            backend=BACKEND_NAME,
            title="Bench",
            state="running",
            created=now,
            started=now,
            start_sent=now,
            updated=now,
            moved_at=now,
            due_at=now + timedelta(seconds=seconds * n / len(ids)) if seconds else None,
            operation=f"op-{n}",
            start={"status": 202, "headers": {}, "body": {"id": f"op-{n}", "state": "queued"}},
        )
        for n, id_ in enumerate(ids)
    )
    if seconds:
        lanes.arm_now(BACKEND_NAME, 0, now)


def main() -> None:
    """Run with the words of the command line."""
    jobs, seconds, file = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    django.setup()
    ids = [uuids.uuid7() for _ in range(jobs)]
    is_plain = os.environ["DJANGO_SETTINGS_MODULE"].startswith("bench.plain")
    (seed_plain if is_plain else seed_ours)(ids, seconds)
    file.write_bytes(orjson.dumps([str(id_) for id_ in ids]))


if __name__ == "__main__":
    main()
