"""Requests are built as BACKENDS says, and stay on the origins that the file names."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progrock.backends import building
from progrock.backends.backend import Backend
from progrock.backends.errors import Refused, TemplateError
from progrock.backends.http import HttpRequest
from tests.unit.descriptions import BASE, JOB, MINIMAL, a_job, backend_of

OTHER = "http://files.internal:81"


def a_backend(table: str = "", env: dict[str, str] | None = None) -> Backend:
    return backend_of(MINIMAL + f'origins = ["{OTHER}"]\n' + table, env)


def started(table: str, params: dict[str, Any] | None = None, **values: Any) -> HttpRequest:
    """Return the start request of a backend whose start is a table of its own."""
    text = f'base_url = "{BASE}"\norigins = ["{OTHER}"]\nstatus.path = "/x"\n' + table
    backend = backend_of(text)
    context = building.context_of(a_job(**values), params or {})
    return building.build(backend, backend.start, context)


def polled(operation: str | None = "op-1", status_url: str | None = None, table: str = "") -> str:
    backend = a_backend(table)
    context = building.context_of(a_job(operation=operation), {})
    return building.status_request(backend, context, status_url).url


def query_of(request: HttpRequest) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.url).query, keep_blank_values=True)


# --- the path ------------------------------------------------------------------------------------

DOTS = {".", ".."}  # steps in the path (RFC 3986, 5.2.4)
STEPS = [".", "..", "../../x", "a/../b", "a/..", "./a", "..\\a", "a\\..\\b", "/..", "../admin?x"]
AWKWARD = [
    "...",
    "a/b",
    "a?b",
    "a#b",
    "a%2Fb",
    "a b",
    "ü",
    "日本",
    "a\\b",
    "a;b",
    "@",
    ":",
    "a&b=c",
]
AWKWARD += ["http://evil.example/", "//evil.example", "\n", "\0", "/", "%2e%2e", "a..b", "..a"]


@pytest.mark.parametrize("operation", AWKWARD)
def test_a_value_in_a_path_is_one_segment(operation: str) -> None:
    parts = urlsplit(polled(operation))
    assert f"{parts.scheme}://{parts.netloc}" == BASE
    _, jobs, segment = parts.path.split("/")
    assert (jobs, unquote(segment)) == ("jobs", operation)
    assert (parts.query, parts.fragment) == ("", "")
    assert segment.isascii()


@pytest.mark.parametrize("operation", STEPS)
def test_a_value_with_a_step_in_it_is_refused(operation: str) -> None:
    """Encoded it would be one segment; but many servers decode it before they follow it."""
    with pytest.raises(Refused, match="another path") as caught:
        polled(operation)
    assert len(str(caught.value)) < 300


def test_the_refusal_of_a_long_or_odd_value_can_be_stored_and_shown() -> None:
    with pytest.raises(Refused) as caught:
        polled("../\0\x1b[2J" + "x" * 10_000)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@given(st.text(min_size=1).filter(lambda text: DOTS.isdisjoint(re.split(r"[/\\]", text))))
def test_any_value_in_a_path_is_one_segment(operation: str) -> None:
    parts = urlsplit(polled(operation))
    assert f"{parts.scheme}://{parts.netloc}" == BASE
    assert parts.path.count("/") == 2
    assert unquote(parts.path.rpartition("/")[2]) == operation


def test_a_path_is_added_to_the_base_url() -> None:
    text = f'base_url = "{BASE}/api/v1/"\nstart.path = "/jobs"\nstatus.path = "/jobs/{{operation}}"'
    backend = backend_of(text)
    request = building.build(backend, backend.start, building.context_of(a_job(), {}))
    assert request.url == f"{BASE}/api/v1/jobs"


def test_a_path_without_its_value_is_an_error() -> None:
    with pytest.raises(TemplateError, match="operation"):
        polled(None)


# --- the url -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "built"),
    [
        (f"{BASE}/s?a=1", f"{BASE}/s?a=1"),
        ("/s?a=1", f"{BASE}/s?a=1"),
        ("s", f"{BASE}/s"),
        ("?page=2", f"{BASE}/?page=2"),
        (f"{OTHER}/s", f"{OTHER}/s"),
        ("HTTP://127.0.0.1:6800/s", None),
        ("http://FILES.internal:81/s", None),
    ],
)
def test_a_lone_template_in_url_is_taken_as_it_is(url: str, built: str | None) -> None:
    request = started('start.url = "{params.u}"', {"u": url})
    assert request.url == (built or request.url)
    backend = a_backend('cancel.url = "{start.body.u}"')
    assert backend.cancel is not None
    context = building.context_of(a_job(start={"body": {"u": url}}), {})
    assert building.build(backend, backend.cancel, context).url == request.url


FOREIGN = [
    "http://evil.example/",
    "//evil.example/x",
    "https://127.0.0.1:6800/x",
    "http://127.0.0.1:6801/x",
    "http://127.0.0.1/x",
    "http://localhost:6800/x",
    "http://127.0.0.1:6800@evil.example/",
    "http://evil.example#@127.0.0.1:6800/",
    "http://evil.example?@127.0.0.1:6800/",
    "http://ada:secret@127.0.0.1:6800/x",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]:6800/",
    "ftp://127.0.0.1:6800/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6800/",
    "javascript:alert(1)",
    "http://[::1",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:6800evil.example/",
    " http://evil.example/",
    "\thttp://evil.example/",
    "ht\ntp://evil.example/",
    "HTTP://EVIL.example/",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_a_foreign_address_is_refused_wherever_it_comes_from(url: str) -> None:
    with pytest.raises(Refused):
        started('start.url = "{params.u}"', {"u": url})
    with pytest.raises(Refused):
        polled(status_url=url)


@given(st.text())
def test_any_address_is_on_an_origin_of_the_file_or_refused(url: str) -> None:
    for text in (url, "http://" + url, "//" + url, BASE + url):
        try:
            found = polled(status_url=text)
        except Refused as exc:
            str(exc)
        else:
            assert found.lower().startswith((BASE, OTHER))
            assert urlsplit(found).hostname in {"127.0.0.1", "files.internal"}


@pytest.mark.parametrize("value", ["/admin", "a/b", "a?b=c", "a#b", "a b", "..."])
def test_a_value_within_a_longer_url_does_not_change_where_it_leads(value: str) -> None:
    # BACKENDS takes only a lone template as it is; and "ids are encoded" (Safety).
    url = started(f'start.url = "{BASE}/jobs/{{params.name}}/run"', {"name": value}).url
    path = urlsplit(url).path.split("/")
    assert (len(path), path[1], path[3], unquote(path[2])) == (4, "jobs", "run", value)
    with pytest.raises(Refused):
        started(f'start.url = "{BASE}/jobs/{{params.name}}/run"', {"name": f"../{value}"})


def test_the_refusal_of_a_hostile_address_can_be_stored_and_shown() -> None:
    for url in ("http://evil\0.example/", "http://evil\x1b[2J.example/", "http://[\0]/"):
        with pytest.raises(Refused) as caught:
            polled(status_url=url)
        assert "\0" not in str(caught.value)


# --- the query -----------------------------------------------------------------------------------


def test_a_query_is_encoded_and_a_list_repeats_its_name() -> None:
    request = started(
        'start = { path = "/s", query.a = "{params.a}", query.n = 5, query.l = "{params.l}", '
        'query.no = "{params.no}" }',
        {"a": "x&y=z ü", "l": ["1", 2]},
    )
    assert query_of(request) == [("a", "x&y=z ü"), ("n", "5"), ("l", "1"), ("l", "2")]


def test_a_status_url_is_resolved_and_its_query_merged() -> None:
    table = "status.query = { verbose = 'yes', page = '{operation}' }"
    url = polled(status_url="/s?token=a%26b&verbose=no&empty=", table=table)
    assert urlsplit(url).path == "/s"
    assert sorted(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == [
        ("empty", ""),
        ("page", "op-1"),
        ("token", "a&b"),
        ("verbose", "yes"),
    ]


def test_a_status_url_without_a_query_to_merge_stays_as_it_was_told() -> None:
    assert polled(status_url="/s?sig=a%2Fb+c&x") == f"{BASE}/s?sig=a%2Fb+c&x"


def test_of_a_signed_status_url_nothing_is_written_anew() -> None:
    table = "status.query = { verbose = 'yes', 'a b' = 1 }"
    told = "/s?sig=a%2Fb+c%20~&x&&verbose=no&e=%c3%a9&a+b=2&sig=2&v%65rbose=0"
    built = f"{BASE}/s?sig=a%2Fb+c%20~&x&e=%c3%a9&sig=2&verbose=yes&a+b=1"
    assert polled(status_url=told, table=table) == built


# --- headers and body ----------------------------------------------------------------------------


def test_headers_are_those_of_the_backend_and_of_the_request() -> None:
    request = started(
        'headers = { Accept = "a", X-B = "b" }\nstart.path = "/s"\n'
        'start.headers = { Accept = "own", X-Job = "{job}", X-No = "{params.no}" }'
    )
    assert request.headers == {"Accept": "own", "X-B": "b", "X-Job": str(JOB)}


def names_of(request: HttpRequest) -> list[str]:
    return [name.lower() for name in request.headers]


def test_a_header_is_the_same_whatever_the_case_of_its_name() -> None:
    request = started(
        'headers = { Accept = "a" }\nstart.path = "/s"\nstart.json = {}\n'
        'start.headers = { accept = "own", content-type = "application/ld+json" }'
    )
    assert sorted(names_of(request)) == ["accept", "content-type"]
    assert set(request.headers.values()) == {"own", "application/ld+json"}


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7fb", "\x1b"])
def test_a_control_character_in_a_header_is_refused(text: str) -> None:
    table = 'start.path = "/s"\nstart.headers = { X-Title = "{params.title}" }'
    with pytest.raises(Refused):
        started(table, {"title": text})


@pytest.mark.parametrize("text", ["Größe", "日本", "€"])
def test_a_header_beyond_ascii_can_be_sent_or_is_refused(text: str) -> None:
    table = 'start.path = "/s"\nstart.headers = { X-Title = "{params.title}" }'
    try:
        request = started(table, {"title": text})
    except Refused:
        return
    request.headers["X-Title"].encode("latin-1")  # what HTTP/1.1 clients can send at most


def test_json_keeps_types_and_leaves_out_what_is_missing() -> None:
    request = started(
        """
        start.path = "/s"
        start.json = { n = "{params.n}", list = ["{params.n}", "{params.no}"], job = "{job}!" }
        """,
        {"n": 5},
    )
    assert json.loads(request.body or b"") == {"n": 5, "list": [5], "job": f"{JOB}!"}
    assert request.headers["Content-Type"] == "application/json"
    assert request.method == "POST"


def test_a_lone_template_may_be_the_whole_json() -> None:
    request = started('start.path = "/s"\nstart.json = "{params}"', {"n": 5})
    assert json.loads(request.body or b"") == {"n": 5}


def test_a_form_is_urlencoded() -> None:
    request = started(
        'start.path = "/s"\nstart.form = { a = "{params.a}", n = 5, no = "{params.no}" }',
        {"a": "x&y ü"},
    )
    assert parse_qsl((request.body or b"").decode()) == [("a", "x&y ü"), ("n", "5")]
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_body_is_text() -> None:
    request = started('start.path = "/s"\nstart.body = "job={job} ü {params.n}"', {"n": 5})
    assert (request.body or b"").decode() == f"job={JOB} ü 5"
    with pytest.raises(TemplateError):
        started('start.path = "/s"\nstart.body = "{params.no}!"')


def test_without_a_body_there_is_no_content_type() -> None:
    request = started('start.path = "/s"')
    assert (request.body, names_of(request)) == (None, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
EVERYWHERE = """
    start.path = "/s/{params.a}"
    start.query = { q = "{params.a}", r = "x{params.a}" }
    start.headers = { X-Lone = "{params.a}", X-Long = "x{params.a}" }
    start.json = { a = "{params.a}", b = "x{params.a}", c = "{params.b}" }
"""


@given(JSON, JSON)
def test_any_params_give_a_request_or_a_reason(a: Any, b: Any) -> None:
    try:
        request = started(EVERYWHERE, {"a": a, "b": b})
    except (TemplateError, Refused):
        return
    assert request.url.startswith(BASE + "/s/")
    assert isinstance(json.loads(request.body or b""), dict)
