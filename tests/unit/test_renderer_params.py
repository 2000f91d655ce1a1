"""Parameters are read whole or refused whole, with every reason named."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.renderer.errors import BadParams
from examples.renderer.params import Choice, Number, OrNull, Text, Whole, plain, read_params, show


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Params:
    size: Annotated[int, Whole(1, 10)] = 3
    share: Annotated[float | None, OrNull(Number(0, 0.5))] = None
    colour: Annotated[Colour, Choice(Colour)] = Colour.RED
    name: Annotated[str, Text(5)] = "x"


def refusal(given: dict[str, object]) -> str:
    with pytest.raises(BadParams) as caught:
        read_params(Params, given)
    return caught.value.message


def test_nothing_given_is_all_defaults() -> None:
    assert read_params(Params, {}) == Params()


def test_what_is_given_replaces_its_default() -> None:
    read = read_params(Params, {"size": 7.0, "share": 0, "colour": "blue"})
    assert read == Params(size=7, share=0.0, colour=Colour.BLUE)
    assert plain(read) == {"size": 7, "share": 0.0, "colour": "blue", "name": "x"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 11}, "size must be between 1 and 10, not 11"),
        ({"size": "5"}, 'size must be a whole number between 1 and 10, not "5"'),
        ({"size": 2.5}, "size must be a whole number between 1 and 10, not 2.5"),
        ({"size": True}, "size must be a whole number between 1 and 10, not true"),
        ({"size": None}, "size must be a whole number between 1 and 10, not null"),
        ({"size": float("inf")}, "size must be between 1 and 10, not Infinity"),
        ({"share": 0.6}, "share must be between 0 and 0.5, or null, not 0.6"),
        ({"colour": "green"}, 'colour must be one of red, blue, not "green"'),
        ({"colour": []}, "colour must be one of red, blue, not []"),
        ({"name": ""}, 'name must be a text of 1 to 5 characters, not ""'),
        ({"name": "a\0"}, 'name must be a text of 1 to 5 characters, not "a\\u0000"'),
        ({"colur": "red"}, 'unknown parameter "colur": did you mean colour?'),
        ({"q": 1}, 'unknown parameter "q": known are size, share, colour, name'),
        ({"size": 0, "q": 1}, "size must be between 1 and 10, not 0; "
                              'unknown parameter "q": known are size, share, colour, name'),
    ],
)  # fmt: skip
def test_a_refusal_names_the_parameter_and_what_would_be_right(
    given: dict[str, object], message: str
) -> None:
    assert refusal(given) == message


def test_a_refusal_of_very_many_parameters_stays_short() -> None:
    message = refusal({f"unknown-{number}" * 20: 1 for number in range(1000)})
    assert message.endswith("and 990 more")
    assert len(message) < 2000


TEXTS = st.text(alphabet="abré \n\0\ud800", max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["size", "share", "colour", "name", "q"]), JSON_VALUES))
def test_any_json_is_read_or_refused_with_a_text_that_can_be_sent(given: dict[str, object]) -> None:
    try:
        read = read_params(Params, given)
    except BadParams as error:
        error.message.encode()
    else:
        assert read_params(Params, plain(read)) == read


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_is_shown_on_one_line_that_can_be_sent(text: str) -> None:
    shown = show(text)
    assert shown.isprintable()
    assert shown.encode()
    assert len(shown) <= 40
