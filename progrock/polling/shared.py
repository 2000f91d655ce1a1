"""What the workers share of a backend in Redis: slots, turns, its wish for quiet, its circuit.

All of it may be lost at any moment: whoever knows more than Redis writes it there again, and while
Redis is away each worker keeps to the limits alone.
"""

import asyncio
import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from progrock.polling import circuit, pulse
from progrock.polling.circuit import Circuit

logger = structlog.get_logger(__name__)
ASK_SECONDS = 1.0  # for an answer of Redis
LEASE_SECONDS = 10.0  # then the slots of a worker that died are free
CIRCUIT_SECONDS = 600.0  # that it is kept without any news
MICRO = 1_000_000
_SHARE = Path(__file__).with_name("share.lua").read_text(encoding="utf-8")
_EXCHANGE = """
local present = redis.call('GET', KEYS[1]) or ''
if present == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return ARGV[2]
end
return present
"""


class Away(Exception):
    """Raised when Redis does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """What a worker asks for. `unused` are turns that it gives back."""

    in_use: int
    slots: int
    turns: int
    unused: int
    hold_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a worker may do: so many requests at once, and so many from a time on.

    `first_seconds` is the time of the first turn from now, negative when it has been there for a
    while; each later one is 1 / per_second after the one before.
    """

    slots: int
    is_contended: bool  # others wait for slots
    workers: int
    turns: int
    first_seconds: float
    hold_seconds: float
    circuit: str


class Shared:
    """One backend's part of Redis. Belongs to an event loop."""

    def __init__(self, backend: str) -> None:
        self._keys = _keys(backend)
        self._client = _client()
        self._share = self._client.register_script(_SHARE)
        self._exchange = self._client.register_script(_EXCHANGE)
        self._worker = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"

    async def ask(self, want: Want, per_second: float, in_flight: int) -> Share:
        """Take and give back turns and slots in one round trip. Raises Away."""
        step = MICRO / per_second
        args: list[str | int | float] = [
            self._worker,
            want.in_use,
            min(want.slots, in_flight),
            in_flight,
            int(LEASE_SECONDS * 1000),
            want.turns,
            want.unused,
            step,
            max(per_second - 1, 0.0) * step,  # the bucket holds one second's worth
            int(want.hold_seconds * 1000),
        ]
        with _answering():
            async with asyncio.timeout(ASK_SECONDS):
                given = await self._share(keys=self._keys, args=args)
        slots, is_contended, workers, turns, first, hold, text = given
        return Share(
            slots=slots,
            is_contended=bool(is_contended),
            workers=workers,
            turns=turns,
            first_seconds=first / MICRO,
            hold_seconds=hold / 1000,
            circuit=text.decode(),
        )

    async def exchange_circuit(self, old: str, new: Circuit) -> str:
        """Put a circuit in the place of an old one, by its text; return what stands there now.

        That is another when somebody else got there first. Raises Away.
        """
        args: list[str | int] = [old, circuit.as_text(new), int(CIRCUIT_SECONDS * 1000)]
        with _answering():
            async with asyncio.timeout(ASK_SECONDS):
                present: bytes = await self._exchange(keys=self._keys[3:], args=args)
        return present.decode()

    async def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(redis.RedisError, OSError):
            await self._client.aclose()


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How it stands with a backend, as all workers know."""

    circuit: Circuit = field(default_factory=Circuit)
    hold_seconds: float = 0.0


def standings(backends: Iterable[str]) -> dict[str, Standing]:
    """Return how it stands with each backend. Raises redis.RedisError."""
    names = list(backends)
    with pulse.client() as connection, connection.pipeline(transaction=False) as pipeline:
        for name in names:
            _, _, hold, present = _keys(name)
            pipeline.pttl(hold)
            pipeline.get(present)
        found = pipeline.execute()
    return {
        name: Standing(
            hold_seconds=max(found[2 * place], 0) / 1000,
            circuit=circuit.from_text((found[2 * place + 1] or b"").decode()),
        )
        for place, name in enumerate(names)
    }


def _keys(backend: str) -> list[str]:
    return [f"progrock:{{{backend}}}:{what}" for what in ("slots", "rate", "hold", "circuit")]


def _client() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=ASK_SECONDS,
        socket_connect_timeout=ASK_SECONDS,
        retry=Retry(NoBackoff(), 1),  # a connection of before Redis was started anew
    )


_is_away = False


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Turn what goes wrong with Redis into Away; say so once, and once that it is back."""
    global _is_away  # noqa: PLW0603
    try:
        yield
    except (redis.RedisError, OSError, TimeoutError) as exc:
        if not _is_away:
            _is_away = True
            logger.warning("Redis is away; this worker keeps to the limits alone", error=str(exc))
        raise Away from exc
    if _is_away:
        _is_away = False
        logger.info("Redis is back; the limits hold across all workers again")
