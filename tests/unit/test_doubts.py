"""What is allowed in a description, and most likely not meant, is told by the checker."""

import pytest

from progrock.backends.doubts import doubts
from progrock.backends.loading import preset_names
from tests.contracts.presets.exchanges import backend_of as preset_backend_of
from tests.contracts.presets.exchanges import example_of
from tests.unit.descriptions import backend_of

PLAIN = """
    base_url = "http://127.0.0.1:9"
    start.path = "/jobs"
    status.path = "/jobs/{operation}"
    map.operation = ".body.id"
    map.state = ".body.state"
"""


def doubts_of(text: str) -> dict[str, str]:
    """Return what is told, by the key behind the backend's name."""
    found = doubts(backend_of(text, {"KEY": "sesame"}))
    return {problem.key.split(".", 2)[2]: problem.message for problem in found}


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_leaves_no_doubt(preset: str) -> None:
    assert doubts(preset_backend_of(example_of(preset))) == []


def test_a_plain_description_leaves_no_doubt() -> None:
    assert doubts_of(PLAIN) == {}


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('cancel.path = "/x/{lookup}"', "cancel", "there is no lookup"),
        ('log.url = "{status_url}/log"', "log", "map has no status_url"),
        ('lookup.path = "/x"', "map", "has no lookup"),
        ('map.cancel_url = ".body.stop"', "map.cancel_url", "for nothing"),
        ('headers.X-Key = "$KEY"', "headers.X-Key", "${KEY} reads the environment"),
        ('auth.bearer = "$KEY"', "headers.Authorization", "${KEY} reads the environment"),
        ('start.headers.X = "a {job} $KEY"', "start.headers.X", "${KEY}"),
    ],
)
def test_a_doubt_is_told_with_its_key(line: str, key: str, words: str) -> None:
    found = doubts_of(PLAIN + line)
    assert list(found) == [key]
    assert words in found[key]


@pytest.mark.parametrize(
    ("field", "key", "words"),
    [("operation", "status", "map has no operation"), ("state", "map", "has no state")],
)
def test_a_field_that_is_left_out_is_a_doubt_where_it_is_needed(
    field: str, key: str, words: str
) -> None:
    text = "\n".join(line for line in PLAIN.splitlines() if f"map.{field}" not in line)
    found = doubts_of(text)
    assert list(found) == [key]
    assert words in found[key]


@pytest.mark.parametrize(
    "line",
    [
        'lookup.path = "/x"\nmap.lookup = ".body"\ncancel.path = "/{lookup}"',
        'cancel.url = "{cancel_url}"\nmap.cancel_url = ".body.stop"',
        'log.url = "{status_url}/log"\nmap.status_url = ".headers.location"',
        'headers.X-Key = "${KEY}"\nheaders.X-Price = "$5 or $a"',
        'start.headers.X = "${KEY}"',
    ],
)
def test_what_has_its_value_is_no_doubt(line: str) -> None:
    assert doubts_of(PLAIN + line) == {}


def test_where_the_code_is_the_state_none_is_mapped() -> None:
    text = """
        base_url = "http://127.0.0.1:9"
        start.path = "/jobs"
        status = "code"
        map.status_url = ".headers.location"
    """
    assert doubts_of(text) == {}
