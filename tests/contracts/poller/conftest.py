"""Both event loops, a peer that listens, and a poller."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from progrock.backends.poller import Poller
from tests.contracts.poller.peer import Peer


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on each event loop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """A peer that listens."""
    async with Peer().on() as running:
        yield running


@pytest.fixture
async def poller() -> AsyncIterator[Poller]:
    """A poller that is closed at the end."""
    made = Poller()
    yield made
    await made.close()
