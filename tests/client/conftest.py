"""Fixtures: the real server, clients of both kinds, a bad network before the server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.kinds import Clients
from tests.client.proxy import Proxy
from tests.conformance.stack import open_stack, open_target
from tests.conformance.target import Target


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The real processes, and work for them."""
    return open_target(open_stack(pytestconfig))


@pytest.fixture(params=["blocking", "asyncio"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Makes clients of each kind in turn; both are asked in the same words."""
    made = Clients(request.param)
    yield made
    made.close()


@pytest.fixture
def client(clients: Clients, target: Target) -> Any:
    """A client of the real server."""
    return clients(target.url)


@pytest.fixture
def proxy(target: Target) -> Iterator[Proxy]:
    """A network between the client and the server, good until it is told otherwise."""
    with Proxy(int(target.url.rsplit(":", 1)[1])) as proxy:
        yield proxy
