"""What the server sends: functions that give frames as JSON objects (PROTOCOL section 2.3)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from progrock.errors import RequestError

PROTOCOL = "progrock.v1"
Frame = dict[str, Any]


@lru_cache(maxsize=64)
def timestamp(at: datetime | None) -> str | None:
    """Return a time as RFC 3339, UTC, milliseconds; None stays None."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def hello(
    *, connection: str, name: str | None, anonymous: bool, heartbeat: int, limits: Frame
) -> Frame:
    """The first frame, and the answer to `auth`. `heartbeat` is in seconds."""
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "connection": connection,
        "user": {"name": name, "anonymous": anonymous},
        "heartbeat": heartbeat,
        "limits": limits,
    }


def started(id_: str | None, snapshot: Frame, report_token: str | None = None) -> Frame:
    """The answer to `start`: from here on the connection watches the job.

    `report_token` is for a job that a program reports itself.
    """
    token = {} if report_token is None else {"report_token": report_token}
    return {
        "type": "started",
        "id": id_,
        "job": snapshot["job"],
        "seq": snapshot["seq"],
        "snapshot": snapshot,
        "recovered": False,
        **token,
    }


def watching(id_: str | None, job: str, seq: int, snapshot: Frame | None) -> Frame:
    """The answer to `watch`. Without a snapshot, every event after `after` follows."""
    frame: Frame = {
        "type": "watching",
        "id": id_,
        "job": job,
        "seq": seq,
        "recovered": snapshot is None,
    }
    if snapshot is not None:
        frame["snapshot"] = snapshot
    return frame


def watching_feed(id_: str | None, jobs: list[Frame], next_: str | None) -> Frame:
    """The answer to a `watch` of the feed, with the first page of jobs."""
    return {"type": "watching", "id": id_, "feed": "jobs", "jobs": jobs, "next": next_}


def unwatched(id_: str | None, target: Frame) -> Frame:
    """The answer to `unwatch`; `target` is {job} or {feed}."""
    return {"type": "unwatched", "id": id_, **target}


def ack(id_: str | None, job: str, **more: Any) -> Frame:
    """The answer to an accepted command on a job."""
    return {"type": "ack", "id": id_, "job": job, **more}


def jobs(id_: str | None, page: list[Frame], next_: str | None) -> Frame:
    """The answer to `list`."""
    return {"type": "jobs", "id": id_, "jobs": page, "next": next_}


def pong(id_: str | None) -> Frame:
    """The answer to `ping`."""
    return {"type": "pong", "id": id_}


def heartbeat(at: datetime) -> Frame:
    """A sign of life on a silent connection."""
    return {"type": "heartbeat", "at": timestamp(at)}


def presence(job: str, count: int, names: Sequence[str], at: datetime) -> Frame:
    """Who watches a job: not kept, and without a `seq`. `names` are those of some users."""
    watchers = {"count": count, "names": list(names)}
    return {"type": "presence", "job": job, "at": timestamp(at), "watchers": watchers}


def error(exc: RequestError, id_: str | None = None) -> Frame:
    """A refused message. The connection stays open."""
    frame: Frame = {
        "type": "error",
        "id": id_,
        "code": exc.code.value,
        "message": exc.message,
        "retryable": exc.code.is_retryable,
    }
    if exc.retry_after is not None:
        frame["retry_after"] = exc.retry_after
    if exc.details is not None:
        frame["details"] = exc.details
    if exc.job is not None:
        frame["job"] = exc.job
    return frame
