"""Which jobs somebody watches: what the worker knows of it, without a query for each look.

The web processes write it (`polling.attention`): in a job's row until when it counts as watched,
and, for lists, whose jobs someone has before them. A job that nobody watches is looked at less and
less often, also while it moves.
"""

import threading
import time
from datetime import datetime
from typing import NamedTuple

from progrock.identity import Who
from progrock.models import FeedWatch

WATCHED_SECONDS = 60.0  # after the last sign of a watcher
READ_SECONDS = 2.0  # from one reading of the lists to the next, in each process
EVERYBODYS, NOBODYS = "*", ""


class Feeds(NamedTuple):
    """Whose jobs are in a list that someone has open."""

    owners: frozenset[str] = frozenset()

    def cover(self, owner: int | None) -> bool:
        """Whether a job of this owner is in one of them; one of nobody is in each."""
        if not self.owners:
            return False
        return owner is None or EVERYBODYS in self.owners or str(owner) in self.owners


_lock = threading.Lock()
_feeds = Feeds()
_read_at = -READ_SECONDS


def until(now: datetime) -> float:
    """Return until when a job counts as watched that is watched now, in Unix seconds."""
    return now.timestamp() + WATCHED_SECONDS


def owner_of_feed(who: Who) -> str | None:
    """Return whose jobs a visitor's list shows, as `FeedWatch` keeps it; None for no list."""
    if who.only_job is not None:
        return None
    if who.is_staff:
        return EVERYBODYS
    return NOBODYS if who.user is None else str(who.user)


def feeds() -> Feeds:
    """Return the lists that are open, as read at most two seconds ago."""
    global _feeds, _read_at  # noqa: PLW0603 - one reading per process
    with _lock:
        now = time.monotonic()
        if now - _read_at >= READ_SECONDS:
            _read_at = now
            watched = FeedWatch.objects.filter(until__gt=time.time())
            _feeds = Feeds(frozenset(watched.values_list("owner", flat=True)))
        return _feeds


def forget() -> None:
    """Read the lists again at the next use."""
    global _read_at  # noqa: PLW0603
    _read_at = -READ_SECONDS
