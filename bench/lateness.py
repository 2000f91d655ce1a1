"""How late our looks were done, from due to written, read from the log.

    python -m bench.lateness SECONDS SINCE FILE

Each event's time is that of its look's writing, and the next look is due an interval after this one
was, or at once when that is past (progrock.polling.schedule). So the log tells when each was due.
The milliseconds of all looks since SINCE (Unix time) go to FILE as JSON.
"""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import django
import orjson


def lateness(due: datetime, done: list[datetime], interval: timedelta) -> Iterator[timedelta]:
    """Yield how late each look of a job was; `due` is when the first one was due."""
    for at in done:
        yield at - due
        due = max(due + interval, at)


def main() -> None:
    """Run with the words of the command line."""
    interval = timedelta(seconds=float(sys.argv[1]))
    since, file = float(sys.argv[2]), Path(sys.argv[3])
    django.setup()
    from progrock.models import Event, Job  # noqa: PLC0415

    jobs = list(Job.objects.all())
    late = []
    for job in jobs:
        number = int((job.operation or "").removeprefix("op-"))
        due = job.created + interval * number / len(jobs)  # as bench.seeding made it
        done = list(Event.objects.filter(job=job).order_by("seq").values_list("at", flat=True))
        for at, passed in zip(done, lateness(due, done, interval), strict=True):
            if at.timestamp() >= since:
                late.append(1e3 * passed.total_seconds())
    file.write_bytes(orjson.dumps(late))


if __name__ == "__main__":
    main()
