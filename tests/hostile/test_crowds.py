"""Starts keep to the backend's limits, and those that wait hold up nobody else."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conformance.connection import Connection
from tests.hostile.odd_replies import between
from tests.hostile.parts import begin, end_of
from tests.hostile.villain import Plot, Villain, say_nothing


@pytest.fixture
def crowd(api: httpx.Client) -> Iterator[Callable[[str, Plot, int], list[str]]]:
    """Give a function that starts many jobs of one plot; they are cancelled in the end."""
    jobs: list[str] = []

    def start(backend: str, plot: Plot, count: int) -> list[str]:
        jobs.extend(begin(api, backend, plot) for _ in range(count))
        return jobs

    yield start
    for job in jobs:
        api.post(f"jobs/{job}/cancel", json={})


def test_a_backend_gets_no_more_starts_at_once_than_it_allows(
    villain: Villain, crowd: Callable[[str, Plot, int], list[str]]
) -> None:
    plot = villain.plot(start=say_nothing)
    crowd("besieged", plot, 12)

    villain.wait_for(lambda: len(plot.of("start")) >= 8, "eight starts")

    assert plot.open_most == 4


def test_a_backend_gets_no_more_requests_a_second_than_it_allows(
    villain: Villain, crowd: Callable[[str, Plot, int], list[str]]
) -> None:
    """The bucket holds one second's worth, ten; all others come at the rate, polls among them.

    Half a second is for what the first request may take longer on its way than the last one.
    """
    plot = villain.plot()
    crowd("paced", plot, 25)

    villain.wait_for(lambda: len(plot.of("start")) >= 22, "most of the starts")

    times = sorted(asked.at for asked in plot.asked)
    assert times[-1] - times[0] >= (len(times) - 10) / 10 - 0.5


def test_jobs_of_others_go_on_while_a_backend_hangs(
    api: httpx.Client,
    watcher: Connection,
    villain: Villain,
    crowd: Callable[[str, Plot, int], list[str]],
) -> None:
    """Whatever waits for that backend does not stand in the way of all others."""
    plot = villain.plot(start=say_nothing)
    crowd("besieged", plot, 48)
    villain.wait_for(lambda: len(plot.of("start")) >= 4, "four starts")

    end_of(watcher, begin(api, "honest", villain.plot(*between({"progress": 5}))))

    assert len(plot.of("start")) < 48
