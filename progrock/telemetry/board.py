"""Where the counts of all processes meet: Redis, a few bounded keys for each backend.

For each backend there are the totals, the counts of each ten seconds of the last quarter of an
hour, and the last failing reply. All of it expires, and may be lost at any moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from progrock.polling import pulse

SLOT_SECONDS = 10
SLOTS = 60  # told
_SLOT_KEPT = (SLOTS + 5) * SLOT_SECONDS
_TOTAL_KEPT = 30 * 86400  # after the last count
_FAILURE_KEPT = 7 * 86400
# KEYS totals, slot, failure; ARGV the failure or '', then names and counts
WRITE = f"""
for i = 2, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], {_TOTAL_KEPT})
redis.call('EXPIRE', KEYS[2], {_SLOT_KEPT})
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[3], ARGV[1], 'EX', {_FAILURE_KEPT})
end
"""
Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What Redis holds of a backend: counts in all and by slots, the present slot last."""

    totals: Counts = field(default_factory=dict)
    slots: Sequence[Counts] = ()
    last_slot: int = 0  # its number: seconds of the epoch / SLOT_SECONDS
    failure: Mapping[str, Any] | None = None


def slot_of(at: datetime) -> int:
    """Return the number of the slot that a time lies in."""
    return int(at.timestamp()) // SLOT_SECONDS


def keys_of(backend: str, slot: int) -> list[str]:
    """Return the keys that a count goes to."""
    start = f"progrock:{{{backend}}}:counts"
    return [start, f"{start}:{slot}", f"{start}:failure"]


def arguments_of(counts: Counts, failure: Mapping[str, Any] | None) -> list[str | bytes | int]:
    """Return what WRITE takes beside its keys."""
    words: list[str | bytes | int] = [b"" if failure is None else orjson.dumps(failure)]
    for name, count in counts.items():
        words += (name, count)
    return words


def totals_of(backends: Iterable[str]) -> dict[str, Counts]:
    """Return what was counted in all of each backend. Raises redis.RedisError."""
    names = list(backends)
    with pulse.client() as connection, connection.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(keys_of(name, 0)[0])
        found = pipeline.execute()
    return {name: _counts(raw) for name, raw in zip(names, found, strict=True)}


def read(backends: Iterable[str], at: datetime) -> dict[str, Told]:
    """Return what is told of each backend at a time. Raises redis.RedisError."""
    names, last = list(backends), slot_of(at)
    with pulse.client() as connection, connection.pipeline(transaction=False) as pipeline:
        for name in names:
            totals, _, failure = keys_of(name, 0)
            pipeline.hgetall(totals)
            pipeline.get(failure)
            for slot in range(last - SLOTS, last + 1):
                pipeline.hgetall(keys_of(name, slot)[1])
        found = iter(pipeline.execute())
    return {
        name: Told(
            totals=_counts(next(found)),
            failure=_failure(next(found)),
            slots=[_counts(next(found)) for _ in range(SLOTS + 1)],
            last_slot=last,
        )
        for name in names
    }


def _counts(raw: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in raw.items()}


def _failure(raw: bytes | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    try:
        told = orjson.loads(raw)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
