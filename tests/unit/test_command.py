"""The words of the command: parameters, figures, exit codes, and what the page says of them."""

import argparse
import math
from pathlib import Path
from typing import Any

import pytest

from progrock.command.outcome import MEANINGS, Outcome, of_states
from progrock.command.params import parse_param, value_of
from progrock.command.parser import new_parser
from progrock.command.words import duration, number, percent, shown

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4000", 4000),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ('["a", 1]', ["a", 1]),
        ('"4000"', "4000"),
        ("ember", "ember"),
        ("", ""),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("{broken", "{broken"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_json_where_it_parses(text: str, value: Any) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "value.json").write_text('{"deep": [1, 2]}\n')
    assert parse_param(f"tree=@{tmp_path}/value.json") == ("tree", {"deep": [1, 2]})
    assert parse_param("a=b=c") == ("a", "b=c")
    assert parse_param('at="@home"') == ("at", "@home")


@pytest.mark.parametrize("text", ["width", "=3", "", f"file=@{'/no/such'}"])
def test_what_is_no_parameter_is_said(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_param(text)


def test_options_may_stand_before_and_behind_the_command() -> None:
    parse = new_parser().parse_args
    for words in (["--json", "--url", "http://x", "list"], ["list", "--url", "http://x", "--json"]):
        given = parse(words)
        assert (given.json, given.url, given.token) == (True, "http://x", None)


def test_of_several_ends_the_first_that_was_no_success_counts() -> None:
    assert of_states(["succeeded", "succeeded"]) is Outcome.SUCCEEDED
    assert of_states(["succeeded", "timed_out", "failed"]) is Outcome.TIMED_OUT
    assert of_states(["cancelled"]) is Outcome.CANCELLED


def test_each_exit_code_has_its_row() -> None:
    for code in Outcome:
        assert MEANINGS[code]
        assert f"\n| {code.value} | " in PAGE


def test_figures_are_short() -> None:
    assert [duration(each) for each in (-3, 0, 7.4, 750, 10_800)] == [
        *("0:00", "0:00", "0:07", "12:30", "3:00:00")
    ]
    assert [percent(each) for each in (None, 0, 42.97, 99.9, 100)] == [
        *("", "0 %", "42 %", "99 %", "100 %")
    ]
    assert [number(each) for each in (3, 2.25, 1234.5, 1e6)] == ["3", "2.2", "1,234", "1,000,000"]
    assert not math.isnan(float(number(0)))


def test_text_cannot_steer_the_terminal() -> None:
    assert (
        shown("a\x1b[2Jb\x9bc\u202ed\ud800e\nf\t\x07")
        == "a\ufffd[2Jb\ufffdc\ufffdd\ufffde f \ufffd"
    )
    assert shown(None) == ""
    assert shown(" Zürich 東京 🎉 ") == "Zürich 東京 🎉"
