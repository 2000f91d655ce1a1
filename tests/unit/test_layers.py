"""Which channel layer an address stands for."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from config.layers import DATABASE, MEMORY, layer_of

SQLITE: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}
POSTGRESQL: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "progrock",
    "USER": "ada",
    "PASSWORD": "secret",
    "HOST": "db.example",
    "PORT": 5433,
    "OPTIONS": {"sslmode": "require", "pool": {"min_size": 1}},
}


@pytest.mark.parametrize("address", [MEMORY, "redis://a.example/1", "unix:///a/redis.sock?db=0"])
def test_an_address_stands_for_a_layer_whatever_the_database(address: str) -> None:
    layer = layer_of(address, SQLITE)

    assert layer == layer_of(address, POSTGRESQL)
    made = import_string(layer["BACKEND"])(**layer.get("CONFIG", {}))
    assert callable(made.group_send)


def test_the_databases_layer_connects_to_the_same_database() -> None:
    config = layer_of(DATABASE, POSTGRESQL)["CONFIG"]

    told = {name: config[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    assert told == {name: POSTGRESQL[name] for name in told}
    assert config["OPTIONS"] == {"sslmode": "require"}  # the pool is Django's alone


def test_the_databases_layer_needs_postgresql() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        layer_of(DATABASE, SQLITE)
