"""A full disk is explained once, not with each line that complains of it."""

import os
from pathlib import Path

from progrock.launcher.disk_watch import DiskWatch
from progrock.launcher.output import Log


def test_a_full_disk_is_explained_once() -> None:
    reading, writing = os.pipe()
    log = Log(writing, colour=False)
    watch = DiskWatch(log, Path("/srv/data"))
    watch.take("web", ["all is well"])
    for _ in range(3):
        watch.take("redis", ["write: No space left on device"])
    log.close(5)
    os.close(writing)
    with os.fdopen(reading) as stream:
        lines = stream.read().splitlines()
    told = [line for line in lines if "The disk is full, says redis." in line]
    assert len(told) == 1
    assert "Free some space where /srv/data lies" in told[0]
    assert len(lines) == 5
