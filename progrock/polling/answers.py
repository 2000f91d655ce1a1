"""Take the answers of looks as they come, and write them to the log, a batch in one transaction."""

import queue
import time
from collections.abc import Sequence
from datetime import datetime

from progrock import clock
from progrock.backends import registry
from progrock.jobs import dispatch, log
from progrock.jobs.changes import Change, Unchanged
from progrock.polling import watched
from progrock.polling.claim import Claim, worker_name

GATHER_SECONDS = 0.02  # in which answers share a transaction
GATHER_STEPS = 10  # in which it is seen that all have come
Answered = tuple[Claim, Change]
Answers = queue.SimpleQueue[Answered]


def record(batch: Sequence[Answered], keep_until: datetime | None = None) -> list[log.Recorded]:
    """Write a batch of answers to the log, and return what became of them.

    With `keep_until` jobs may be kept that are to be looked at again by then; those of which there
    was nothing to write come first.
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
            None if claim.is_leased else log.Lease(worker_name(), claim.lease_ends),
        )
        for claim, change in batch
    ]
    recorded: list[log.Recorded] = []
    if keep_until is not None:
        entries, recorded = _unmoved(entries)
    recorded += log.record(entries, registry.policy_of)
    for each in recorded:
        if each.is_to_stop:
            dispatch.send_cancel(each.job.id)
    return recorded


def _unmoved(entries: Sequence[log.Entry]) -> tuple[list[log.Entry], list[log.Recorded]]:
    """Return what is to be written, and what became of the rest."""
    at = clock.now()
    rest: list[log.Entry] = []
    unmoved: list[log.Recorded] = []
    for entry in entries:
        outcome = None
        if entry.held is not None and type(entry.change) is Unchanged:
            policy = registry.policy_of(entry.held.job.backend)
            outcome = log.unmoved(entry, policy, at)
        if outcome is None:
            rest.append(entry)
        else:
            unmoved.append(outcome)
    return rest, unmoved


def next_batch(answers: Answers, expected: int, seconds: float) -> list[Answered]:
    """Wait some seconds for an answer, and a moment more for others with it; then take all."""
    try:
        batch = [answers.get(timeout=seconds)]
    except queue.Empty:
        return []
    for _ in range(GATHER_STEPS):
        if len(batch) + answers.qsize() >= expected:
            break
        time.sleep(GATHER_SECONDS / GATHER_STEPS)
    while True:
        try:
            batch.append(answers.get_nowait())
        except queue.Empty:
            return batch
