"""When to look at a job again. Pure: times, a policy and a random number in; a time out."""

from datetime import datetime, timedelta
from uuid import UUID

from progrock.jobs import eta
from progrock.jobs.policy import PollPolicy
from progrock.jobs.transitions import deadline_of
from progrock.jobs.values import JobValue

GROWTH = 1.5  # each unchanged reply makes the interval half as long again
MAX_RETRY_AFTER = 3600.0  # a backend that asks for more is asked again after this
SPREAD = 0.1  # by so much at most, jobs that began together draw apart at each look
PHASE = 0.25  # the same, once, where the interval never grows


def next_interval(policy: PollPolicy, interval: float, *, changed: bool) -> float:
    """Return the seconds from one poll to the next, before jobs are spread."""
    if changed or interval <= 0:
        return policy.min
    return min(max(interval * GROWTH, policy.min), policy.max)


def backoff(policy: PollPolicy, failures: int, chance: float) -> float:
    """Return the seconds to wait after `failures` failed polls in a row; chance is 0 to 1.

    Full jitter (Brooker 2015, "Exponential Backoff And Jitter"), but never sooner than `min`.
    """
    ceiling = min(policy.max, policy.min * 2.0 ** min(failures, 30))
    return policy.min + (max(ceiling, policy.min) - policy.min) * chance


def place_of(id_: UUID) -> float:
    """Return a job's place among those that began with it, 0 to 1: random bits of its id."""
    return (id_.int >> 8 & 0xFFFF) / 0x10000


def next_look(  # noqa: PLR0913 - each is a fact of its own
    policy: PollPolicy,
    job: JobValue,
    *,
    due: datetime,
    at: datetime,
    changed: bool,
    retry_after: float | None,
    chance: float,
    is_begun: bool = False,
    place: float = 0.0,
    is_watched: bool = True,
) -> tuple[datetime | None, float]:
    """Return when the job falls due again (None: never) and the interval in seconds.

    A job that has just begun is due at once. Then it is counted from when this look was due, so
    that an interval of 1 gives one look a second however long the answers take; a look that is
    late by more than that is not made up for. With nobody watching the interval grows at a change
    too. Where the job is expected to end before, the look is for then, though not within `min`.
    `place` is the job's among those that began with it (`place_of`), and spreads them.
    """
    if job.state.is_terminal:
        return None, 0.0
    if job.failures:
        interval = job.interval
        following = at + timedelta(seconds=backoff(policy, job.failures, chance))
    elif is_begun:
        interval, following = 0.0, at
    else:
        interval = next_interval(policy, job.interval, changed=changed and is_watched)
        wait = _spread(policy, job, interval, place)
        following = due + timedelta(seconds=wait)
        if wait > policy.min:
            ahead = _seconds_to_end(job, at, is_watched=is_watched)
            if ahead is not None:
                soonest = due + timedelta(seconds=policy.min)
                following = min(following, max(at + timedelta(seconds=ahead), soonest))
        following = max(following, at)
    if retry_after is not None:
        following = max(following, held_until(retry_after * (1 + SPREAD * place), at))
    return min(following, max(deadline_of(policy, job), at)), interval


def _seconds_to_end(job: JobValue, at: datetime, *, is_watched: bool) -> float | None:
    """Return in how many seconds to look for the job's end; None where nothing says when.

    After the expected end a job that nobody watches is looked for as long again as it is late.
    """
    end = eta.end_of(job.pace)
    if end is None:
        return None
    ahead = end - at.timestamp()
    if ahead > 0:
        return ahead
    return None if is_watched else -ahead


def held_until(retry_after: float, at: datetime) -> datetime:
    """Return until when a backend wants to be left alone; more than an hour counts as that."""
    return at + timedelta(seconds=min(max(retry_after, 0.0), MAX_RETRY_AFTER))


def next_look_for_a_watcher(
    policy: PollPolicy, *, looked_at: datetime | None, held: datetime | None, now: datetime
) -> datetime:
    """Return when to look for someone who comes now: at once, unless it was looked at just now.

    `held` is until when the backend wants to be left alone.
    """
    soonest = [now]
    if looked_at is not None:
        soonest.append(looked_at + timedelta(seconds=policy.min))
    if held is not None:
        soonest.append(held)
    return max(soonest)


def _spread(policy: PollPolicy, job: JobValue, interval: float, place: float) -> float:
    """Return the interval as this job takes it: never below `min`, nor `min` itself longer.

    Jobs that began together would else fall due together for ever; by their places they draw
    apart, by the same amount at each look.
    """
    if interval > policy.min:
        return max(interval * (1 - SPREAD * place), policy.min)
    if job.interval > 0:
        return interval
    once = SPREAD if policy.min < policy.max else PHASE
    return interval * (1 + once * place)


def put_off(policy: PollPolicy, job: JobValue, until: datetime, at: datetime) -> datetime | None:
    """Return when a job that was not looked at is looked at instead: at its deadline, at last."""
    if job.state.is_terminal:
        return None
    return max(at, min(until, deadline_of(policy, job)))


def next_silence(policy: PollPolicy, job: JobValue, at: datetime) -> datetime | None:
    """Return when a reported job is to be looked at for its silence: stalled, then failed."""
    if job.state.is_terminal:
        return None
    limits = (policy.stall_after, policy.unreachable_for)
    ahead = [job.moved_at + timedelta(seconds=limit) for limit in limits]
    return next((time for time in ahead if time > at), at)
