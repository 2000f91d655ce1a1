"""Give each of the jobs in a file so many events more, by the log.

python -m bench.growing IDS N
"""

import sys
from pathlib import Path
from uuid import UUID

import django
import orjson


def main() -> None:
    """Run with the words of the command line."""
    django.setup()
    from progrock.jobs import log  # noqa: PLC0415
    from progrock.jobs.changes import Observation, Reported  # noqa: PLC0415
    from progrock.jobs.log import Entry  # noqa: PLC0415
    from progrock.jobs.policy import PollPolicy  # noqa: PLC0415
    from progrock.live import publishing  # noqa: PLC0415

    publishing.publish = lambda batch: None
    ids = [UUID(id_) for id_ in orjson.loads(Path(sys.argv[1]).read_bytes())]
    for number in range(1, int(sys.argv[2]) + 1):
        seen = Reported(observation=Observation(look=0, current=number, total=1_000))
        entries = [Entry(job=id_, change=seen) for id_ in ids]
        log.record(entries, lambda backend, params: PollPolicy())


if __name__ == "__main__":
    main()
