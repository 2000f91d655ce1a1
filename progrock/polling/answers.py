"""Take the answers of looks as they come, and write them to the log, a batch in one transaction."""

import queue
import time
from collections.abc import Sequence
from datetime import datetime

from progrock.backends import registry
from progrock.jobs import dispatch, log
from progrock.jobs.changes import Change
from progrock.polling import watched
from progrock.polling.claim import Claim

GATHER_SECONDS = 0.02  # in which answers share a transaction
Answered = tuple[Claim, Change]
Answers = queue.SimpleQueue[Answered]


def record(batch: Sequence[Answered], keep_until: datetime | None = None) -> list[log.Recorded]:
    """Write a batch of answers to the log, and return what became of them.

    With `keep_until` jobs may be kept that are to be looked at again by then.
    """
    now, feeds = time.time(), watched.feeds()
    entries = [
        log.Entry(
            claim.job.id,
            change,
            claim.due,
            claim.stored,
            claim.watched_until > now or feeds.cover(claim.stored.owner),
            keep_until and min(keep_until, claim.last_begin),
        )
        for claim, change in batch
    ]
    recorded = log.record(entries, registry.policy_of)
    for each in recorded:
        if each.is_to_stop:
            dispatch.send_cancel(each.job.id)
    return recorded


def next_batch(answers: Answers, expected: int, seconds: float) -> list[Answered]:
    """Wait some seconds for an answer, and a moment more for others with it; then take all."""
    try:
        batch = [answers.get(timeout=seconds)]
    except queue.Empty:
        return []
    if len(batch) + answers.qsize() < expected:
        time.sleep(GATHER_SECONDS)
    while True:
        try:
            batch.append(answers.get_nowait())
        except queue.Empty:
            return batch
