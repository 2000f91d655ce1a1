"""PROTOCOL 2.1: the ten seconds in which a visitor has to say who he is."""

from tests.conformance.conftest import Undecided
from tests.conformance.connection import DEADLINE_SECONDS


def test_who_says_nothing_of_himself_is_closed_with_4408(undecided: Undecided) -> None:
    undecided.join(DEADLINE_SECONDS)

    assert undecided.answer["code"] == "not_authenticated"
    assert undecided.code == 4408
