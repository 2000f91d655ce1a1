"""The channel layers that a deployment may choose, each set up as `config.layers` does it.

PostgreSQL's needs its tables, so it is there where the tests' database is PostgreSQL.
"""

from typing import Any

from django.conf import settings
from django.db import connection

from config.layers import DATABASE, MEMORY, layer_of

REDIS_CORE = "redis core"  # the other one of channels_redis: no setting, but a layer like others
LAYERS = [MEMORY, "redis", REDIS_CORE]
if settings.TEST_DATABASE == "postgresql":
    LAYERS.append(DATABASE)


def layer_settings(name: str, redis_url: str) -> dict[str, Any]:
    """Return CHANNEL_LAYERS for one of LAYERS."""
    if name == REDIS_CORE:
        config = {"hosts": [redis_url], "prefix": "progrock"}
        return {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    address = redis_url if name == "redis" else name
    return {"default": layer_of(address, connection.settings_dict)}


def drop_connections(name: str) -> None:
    """Leave no connection of PostgreSQL's layer behind: it keeps them for the whole process.

    Its pool belongs to the event loop that opened it, and so cannot be closed from another one.
    """
    if name != DATABASE:
        return
    from channels_postgres import db  # noqa: PLC0415 - its models need their tables

    pool, db.connection_pool = db.connection_pool, None
    for connected in tuple(pool._pool) if pool is not None else ():
        connected.pgconn.finish()
