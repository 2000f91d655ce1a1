"""Each rule of BACKENDS "Templates"."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends.errors import TemplateError
from progrock.backends.templates import (
    MISSING,
    EnvironmentProblem,
    Template,
    UnknownReference,
    expand,
    parse_tree,
    render_tree,
)

CONTEXT: dict[str, Any] = {
    "job": "j-1",
    "operation": "op-1",
    "lookup": {"id": 9},
    "params": {
        "n": 5,
        "rate": 2.5,
        "flag": False,
        "none": None,
        "text": "a b",
        "empty": "",
        "list": [1, {"two": 2}],
        "deep": {"er": {"est": "gold"}},
        "brace": "{operation}",
        "env": "${SECRET}",
    },
    "start": {"status": 202, "headers": {"location": "/x"}, "body": {"id": 7}},
}
ENV = {"TOKEN": "t0ken", "TRICK": "{operation}", "EMPTY": ""}


def rendered(value: Any) -> Any:
    return render_tree(parse_tree(value, ENV), CONTEXT)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{params.n}", 5),
        ("{params.rate}", 2.5),
        ("{params.flag}", False),
        ("{params.list}", [1, {"two": 2}]),
        ("{params.deep}", {"er": {"est": "gold"}}),
        ("{params.empty}", ""),
        ("{params}", CONTEXT["params"]),
        ("{lookup}", {"id": 9}),
    ],
)
def test_a_lone_template_keeps_the_type_of_its_value(text: str, value: Any) -> None:
    assert rendered(text) == value
    assert type(rendered(text)) is type(value)


def test_types_are_kept_inside_tables_and_arrays() -> None:
    assert rendered({"a": ["{params.n}", ["{params.flag}"]], "b": {"c": "{params.rate}"}}) == {
        "a": [5, [False]],
        "b": {"c": 2.5},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n={params.n}", "n=5"),
        ("{params.n} ", "5 "),
        ("{params.n}{params.n}", "55"),
        ("{params.rate}!", "2.5!"),
        ("{params.flag}!", "false!"),
        ("{params.text}!", "a b!"),
        ("{params.empty}!", "!"),
        ("{job}/{operation}", "j-1/op-1"),
        ("{start.body.id}!", "7!"),
        ("{start.headers.location}!", "/x!"),
        ("{params.deep.er.est}!", "gold!"),
    ],
)
def test_within_a_longer_text_a_value_becomes_text(text: str, value: str) -> None:
    assert rendered(text) == value


@pytest.mark.parametrize("name", ["absent", "none", "deep.absent", "n.deeper", "deep.er.est.x"])
def test_a_lone_template_without_a_value_takes_its_key_or_item_away(name: str) -> None:
    tree = {"a": f"{{params.{name}}}", "b": [1, f"{{params.{name}}}", 2], "c": "{params.n}"}
    assert rendered(tree) == {"b": [1, 2], "c": 5}
    assert rendered(f"{{params.{name}}}") is MISSING


@pytest.mark.parametrize("name", ["absent", "none", "deep.absent"])
def test_within_a_longer_text_a_missing_value_is_an_error(name: str) -> None:
    with pytest.raises(TemplateError, match=rf"\{{params\.{name}\}}"):
        rendered(f"x{{params.{name}}}")


def test_the_text_none_is_never_made() -> None:
    assert "None" not in str(rendered({"a": "{params.none}", "b": "{params.flag}x"}))


def test_what_params_bring_is_never_taken_for_a_template() -> None:
    assert rendered("{params.brace}") == "{operation}"
    assert rendered("<{params.brace}>") == "<{operation}>"
    assert rendered("<{params.env}>") == "<${SECRET}>"


def test_the_environment_is_read_anywhere_in_a_text() -> None:
    assert rendered("Bearer ${TOKEN}!") == "Bearer t0ken!"
    assert rendered({"a": ["token:${TOKEN}", "{operation}"]}) == {"a": ["token:t0ken", "op-1"]}
    assert rendered("${TOKEN}/{operation}") == "t0ken/op-1"
    assert expand("${TOKEN}{operation}", ENV) == "t0ken{operation}"


def test_what_the_environment_brings_is_never_taken_for_a_template() -> None:
    assert rendered("${TRICK}") == "{operation}"
    assert rendered("a${TRICK}b{job}") == "a{operation}bj-1"
    assert rendered("{${TOKEN}}") == "{t0ken}"
    assert rendered("${NONE:-${TOKEN}}") not in {"t0ken", "op-1"}


def test_an_unset_variable_is_told_by_name_unless_it_has_a_default() -> None:
    with pytest.raises(EnvironmentProblem, match="ABSENT"):
        rendered({"a": ["x${ABSENT}"]})
    with pytest.raises(EnvironmentProblem, match="ABSENT"):
        expand("${ABSENT}", ENV)
    assert rendered("${ABSENT:-here}") == "here"
    assert rendered("${ABSENT:-}!") == "!"
    assert rendered("${TOKEN:-other}") == "t0ken"
    assert rendered("${EMPTY:-other}") == "other"


@pytest.mark.parametrize("text", ["{oops}", "x{param.n}", "{env.HOME}", "{None}"])
def test_a_template_that_names_nothing_is_told_when_the_file_is_read(text: str) -> None:
    with pytest.raises(UnknownReference):
        Template.parse(text, ENV)


@pytest.mark.parametrize("text", ["{}", "{ }", "{1}", '{"a": 1}', "{a b}", "a}b{", "${", "{job"])
def test_braces_that_are_no_template_stay_as_they_are(text: str) -> None:
    assert rendered(text) == text


@pytest.mark.parametrize("value", [5, 2.5, True, None, [1, {"a": 2}], {}])
def test_what_is_no_text_stays_as_it_is(value: Any) -> None:
    assert rendered(value) == value


PIECES = st.lists(
    st.text()
    | st.sampled_from(["{params.n}", "{job}", "${TOKEN}", "{params.deep.er}", "{", "}", "$"]),
    max_size=6,
).map("".join)


@given(PIECES)
def test_any_text_is_parsed_and_rendered_or_told_to_be_wrong(text: str) -> None:
    try:
        template = Template.parse(text, ENV)
    except (EnvironmentProblem, UnknownReference):
        return
    try:
        template.render(CONTEXT)
    except TemplateError:
        return


@given(st.text(), st.text())
def test_values_stand_in_the_text_exactly_as_they_are(before: str, value: str) -> None:
    text = before.replace("{", "").replace("}", "").replace("$", "")
    template = Template.parse(text + "|{operation}", {})
    assert template.render({"operation": value}) == f"{text}|{value}"


def test_a_list_is_reached_by_its_index() -> None:
    assert rendered("{params.list.0}") == 1
    assert rendered("{params.list.1.two}") == 2
    assert rendered({"a": "{params.list.7}"}) == {}
