"""The worker's sign of life, kept in Redis, for `/readyz` and the doctor."""

import contextlib

import redis
from django.conf import settings

from progrock import clock

KEY = "progrock:pulse"
TTL_SECONDS = 30
CONNECT_SECONDS = 2.0


def client() -> redis.Redis:
    """Return a Redis client whose every wait has an end."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
    )


def beat() -> None:
    """Say that a worker does its work. Redis may be away: the next beat comes soon."""
    with contextlib.suppress(redis.RedisError), client() as connection:
        connection.set(KEY, repr(clock.now().timestamp()), ex=TTL_SECONDS)


def stop() -> None:
    """Take the sign of life back: this worker ends. Another one renews it within seconds."""
    with contextlib.suppress(redis.RedisError), client() as connection:
        connection.delete(KEY)


def age_seconds() -> float | None:
    """Return how long ago a worker last gave a sign, or None when there was none lately.

    Raises redis.RedisError when Redis does not answer.
    """
    with client() as connection:
        at = connection.get(KEY)
    return None if at is None else max(0.0, clock.now().timestamp() - float(at))
