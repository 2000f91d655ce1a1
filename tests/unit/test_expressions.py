"""An expression gives what jq gives, whichever way it is read (BACKENDS, "The document")."""

import json
from typing import Any

import jq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends.errors import BackendError
from progrock.backends.expressions import BadExpression, Fields, Stream, check

DOCUMENT: dict[str, Any] = {
    "status": 200,
    "headers": {"x-a": "h", "content-type": "text/plain"},
    "body": {
        "id": 7,
        "no": None,
        "off": False,
        "list": [1, {"two": 2}, [3]],
        "text": "words",
        "[a]": "brackets",
        "a.": "dot behind",
        ".a": "dot before",
        ".": "dot",
        "": "empty",
        "]": "bracket",
        "a[0]": "index",
        "0": "zero",
        "x y": "blank",
        "ü": "umlaut",
    },
}


def by_jq(expression: str, document: Any = DOCUMENT) -> Any:
    """Return what jq itself gives: the first value, or null."""
    try:
        return jq.compile(expression).input_text(json.dumps(document)).first()
    except (ValueError, StopIteration):
        return None


def read(expression: str, document: Any = DOCUMENT) -> Any:
    return Fields({"field": expression}).read(document)["field"]


PATHS = """
.status; .body; .body.id; .body.no; .body.off; .body.absent; .body.absent.deeper; .body.id.deeper
.body.list; .body.list[0]; .body.list[1].two; .body.list[2][0]; .body.list[9]; .body.list.two
.body[0]; .body.text[0]; .body.no[0]; .headers["x-a"]; .headers["content-type"]; ."body"."id"
.["body"]["id"]; .body.["id"]; .body["[a]"]; .body["a."]; .body[".a"]; .body["."]; .body[""]
.body["]"]; .body["a[0]"]; .body["0"]; .body["x y"]; .body["ü"]; ."body"; .body ; .body."a."
.body.list["1"]; .body["list"][1]["two"]; .headers.x-a; .body.list[-1]; .body.list[0:2]; .body?
.body.id?; .body["i"+"d"]; .body["\\(1)"]; .body.list[]; .body | .id; .body.id // 9; .; ..; .body..
"""


@pytest.mark.parametrize("expression", PATHS.replace("\n", ";").split(";"))
def test_a_path_gives_what_jq_gives(expression: str) -> None:
    try:
        check(expression)
    except BadExpression:
        return
    assert read(expression) == by_jq(expression)


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_any_key_in_brackets_is_taken_whole(keys: list[str]) -> None:
    document: Any = {"found": True}
    for key in reversed(keys):
        document = {key: document, key.strip(): 1, key.strip('."[]'): 2} | {key: document}
    expression = ".body" + "".join(f"[{json.dumps(key)}]" for key in keys)
    assert read(expression, {"body": document}) == {"found": True}


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 0, 1.5, 1e300])
def test_a_plain_path_keeps_every_digit(number: float) -> None:
    assert read(".body.id", {"body": {"id": number}}) == number


@pytest.mark.parametrize("id_", [2**53 + 1, 1541815603606036481, 2**63 - 1])
@pytest.mark.parametrize("expression", [".body.id | tostring", '"\\(.body.id)"', ".body.id // 0"])
def test_an_id_keeps_every_digit_in_longer_expressions_too(id_: int, expression: str) -> None:
    assert str(read(expression, {"body": {"id": id_}})) == str(id_)


def test_a_number_that_is_counted_with_stays_a_number() -> None:
    assert read(".body.n / 2", {"body": {"n": 10}}) == 5
    assert read(".body.n | tonumber / 2", {"body": {"n": 10}}) == 5
    assert read(".body.a + .body.b", {"body": {"a": 2**40, "b": 1}}) == 2**40 + 1


@pytest.mark.parametrize("depth", [50, 200, 300, 900])
def test_a_deep_document_is_read_or_refused(depth: int) -> None:
    document = {"body": json.loads("[" * depth + "]" * depth)}
    for expression in (".body", ".body | .", ".body.a // 1"):
        try:
            read(expression, document)
        except BackendError as exc:
            str(exc)


def test_a_stream_gives_all_its_values_in_order() -> None:
    stream = Stream(".body[] | {id}")
    assert stream.read({"body": [{"id": 1}, {"id": 2, "x": 1}]}) == [{"id": 1}, {"id": 2}]
    assert stream.read({"body": []}) == []


@pytest.mark.parametrize("document", [{"body": 7}, {"body": None}, {"body": "x"}])
def test_a_stream_that_cannot_be_read_is_refused_or_empty(document: Any) -> None:
    try:
        assert Stream(".body[] | .id").read(document) == []
    except BackendError as exc:
        str(exc)


@pytest.mark.parametrize(
    "expression", ["", ".a |", ".a) | (.b", "nosuch(1)", "{", '"', "1 2", ".a] , [.b", "; .a"]
)
def test_what_is_no_jq_is_refused(expression: str) -> None:
    with pytest.raises(BadExpression):
        check(expression)
