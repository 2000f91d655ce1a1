"""Which channel layer carries the hints from the workers to the web processes."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

MEMORY = "memory://"
DATABASE = "database"  # the PostgreSQL of DATABASE_URL
TABLES = "channels_postgres"  # the app that brings this layer's tables
PREFIX = "progrock"
MEMBERSHIP_SECONDS = 86_400  # the hub renews its own long before


def layer_of(address: str, database: Mapping[str, Any]) -> dict[str, Any]:
    """Return what CHANNEL_LAYERS says of a layer. Raises ImproperlyConfigured."""
    if address == MEMORY:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    if address != DATABASE:
        # RESP3's reader in redis-py makes a text of each message for a log that nobody keeps.
        hosts = [{"address": address, "protocol": 2}]
        return {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": hosts, "prefix": PREFIX},
        }
    if database["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            f"CHANNEL_LAYER_URL={DATABASE} needs PostgreSQL: set DATABASE_URL to postgres://…"
        )
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {
        "BACKEND": "channels_postgres.core.PostgresChannelLayer",
        "CONFIG": {
            **{name: database.get(name, "") for name in names},
            "TIME_ZONE": None,
            "OPTIONS": {
                name: value
                for name, value in database.get("OPTIONS", {}).items()
                if name != "pool"  # the layer has one of its own
            },
            "PSYCOPG_OPTIONS": {"min_size": 1, "max_size": 4},
            "prefix": PREFIX,
            "group_expiry": MEMBERSHIP_SECONDS,
        },
    }
