"""Contracts hold on real parts: the database of TEST_DATABASE, emptied each time, and Redis.

A module asks for them by `pytestmark = pytest.mark.usefixtures("real_parts")`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings

from progrock.backends import registry
from progrock.live import publishing
from progrock.live.publishing import Published
from progrock.polling import limits, watched
from tests.contracts.layers import LAYERS, drop_connections, layer_settings
from tests.contracts.parts import Tasks

BACKENDS = """
default = "plain"

[backends.plain]
title = "Plain"
base_url = "http://127.0.0.1:9"
start.path = "/jobs"
status.path = "/jobs/{operation}"
cancel = { method = "POST", path = "/jobs/{operation}/cancel" }
map.operation = ".body.id"
map.state = ".body.state"
map.progress = ".body.progress"
map.message = ".body.message"
map.steps = ".body.steps"
map.result = ".body.result"
poll = { min = 1, max = 8, per_second = 10, timeout = 5, deadline = 3600 }
params.properties.width = { type = "integer", default = 640, maximum = 5000 }
params.properties.name = { type = "string" }

[backends.safe]
base_url = "http://127.0.0.1:9"
start = { path = "/jobs", idempotent = true }
status.path = "/jobs/{operation}"
map.operation = ".body.id"
poll.deadline = 3600
"""


@pytest.fixture
def real_parts(
    redis_client: redis.Redis, transactional_db: None, settings: Settings, tmp_path: Path
) -> Iterator[None]:
    """An empty database and Redis, and the backends above."""
    settings.PROGROCK_BACKENDS = tmp_path / "backends.toml"
    settings.PROGROCK_BACKENDS.write_text(BACKENDS)
    registry.replace_all(None)
    watched.forget()
    yield
    registry.replace_all(None)
    limits.close()


@pytest.fixture
def tasks(redis_client: redis.Redis) -> Tasks:
    """The Celery tasks that wait in Redis."""
    return Tasks(redis_client)


@pytest.fixture(params=LAYERS)
def layer(
    request: pytest.FixtureRequest, settings: Settings, redis_server: str, transactional_db: None
) -> Iterator[str]:
    """Each channel layer in turn."""
    settings.CHANNEL_LAYERS = layer_settings(request.param, redis_server)
    yield request.param
    drop_connections(request.param)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[list[Published]]:
    """The batches that the log publishes, in place of the channel layer."""
    batches: list[list[Published]] = []
    monkeypatch.setattr(publishing, "publish", lambda batch: batches.append(list(batch)))
    return batches
