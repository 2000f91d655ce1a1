"""When to look at a job again. Pure: times, a policy and a random number in; a time out."""

from datetime import datetime, timedelta

from progrock.jobs.policy import PollPolicy
from progrock.jobs.transitions import deadline_of
from progrock.jobs.values import JobValue

deadline = deadline_of  # when a job is out of time
GROWTH = 1.5  # each unchanged reply makes the interval half as long again
MAX_RETRY_AFTER = 3600.0  # a backend that asks for more is asked again after this


def next_interval(policy: PollPolicy, interval: float, *, changed: bool) -> float:
    """Return the seconds from one poll to the next."""
    if changed or interval <= 0:
        return policy.min
    return min(max(interval * GROWTH, policy.min), policy.max)


def backoff(policy: PollPolicy, failures: int, chance: float) -> float:
    """Return the seconds to wait after `failures` failed polls in a row; chance is 0 to 1.

    Full jitter (Brooker 2015, "Exponential Backoff And Jitter"), but never sooner than `min`.
    """
    ceiling = min(policy.max, policy.min * 2.0 ** min(failures, 30))
    return policy.min + (max(ceiling, policy.min) - policy.min) * chance


def next_look(
    policy: PollPolicy,
    job: JobValue,
    *,
    due: datetime,
    at: datetime,
    changed: bool,
    retry_after: float | None,
    chance: float,
) -> tuple[datetime | None, float]:
    """Return when the job falls due again (None: never) and the interval in seconds.

    Counted from when this look was due, so that an interval of 1 gives one look a second however
    long the answers take; a look that is late by more than that is not made up for.
    """
    if job.state.is_terminal:
        return None, 0.0
    if job.failures:
        interval = job.interval
        following = at + timedelta(seconds=backoff(policy, job.failures, chance))
    else:
        interval = next_interval(policy, job.interval, changed=changed)
        following = max(due + timedelta(seconds=interval), at)
    if retry_after is not None:
        wait = min(max(retry_after, 0.0), MAX_RETRY_AFTER)
        following = max(following, at + timedelta(seconds=wait))
    return min(following, max(deadline_of(policy, job), at)), interval


def next_silence(policy: PollPolicy, job: JobValue, at: datetime) -> datetime | None:
    """Return when a reported job is to be looked at for its silence: stalled, then failed."""
    if job.state.is_terminal:
        return None
    limits = (policy.stall_after, policy.unreachable_for)
    ahead = [job.moved_at + timedelta(seconds=limit) for limit in limits]
    return next((time for time in ahead if time > at), at)
