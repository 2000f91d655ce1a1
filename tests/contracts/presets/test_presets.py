"""Each preset reads what its service says: kept exchanges, played without a network."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from progrock.backends.expressions import Fields
from progrock.backends.loading import preset_names
from tests.contracts.presets.exchanges import (
    Exchange,
    Player,
    all_exchanges,
    backend_of,
    example_of,
)

# of "Presets" in the description language
PRESETS = """progrock azure aip-151 http-202 ogc-processes flower prefect scrapyd aria2 transmission
    ray airflow jenkins replicate openai-batch github-actions""".split()
EXCHANGES = all_exchanges()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_an_exchange_is_read_as_it_went(exchange: Exchange) -> None:
    player = Player(exchange.load_backend(), exchange.params)
    for step in exchange.steps:
        player.play(step)
    outcome = player.outcome()
    assert {name: outcome[name] for name in exchange.outcome} == dict(exchange.outcome)


def test_every_promised_preset_is_there() -> None:
    assert preset_names() == sorted(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_needs_no_more_than_its_comment_shows(preset: str) -> None:
    example = example_of(preset)
    assert f'"{preset}"' in example
    assert len(example.splitlines()) <= 5
    assert backend_of(example).name


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_its_ends_and_an_unknown_job(preset: str) -> None:
    names = [each.name for each in EXCHANGES if each.preset == preset]
    for what in ("success", "failure", "cancel", "unknown"):
        assert any(name.startswith(what) for name in names), f"{preset} lacks {what}"


def test_every_exchange_says_where_it_comes_from() -> None:
    assert {
        each.name for each in EXCHANGES if not each.source.startswith(("recorded", "made"))
    } == set()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_field_of_a_map_gives_a_value_somewhere(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: defaultdict[str, list[Any]] = defaultdict(list)
    read = Fields.read

    def remembering(fields: Fields, document: str) -> Mapping[str, Any]:
        found = read(fields, document)
        for name, value in found.items():
            given[name] += [] if value is None else [value]
        return found

    monkeypatch.setattr(Fields, "read", remembering)
    for exchange in EXCHANGES:
        if exchange.preset == preset:
            player = Player(exchange.load_backend(), exchange.params)
            for step in exchange.steps:
                player.play(step)
    assert [name for name, values in given.items() if not values] == []
