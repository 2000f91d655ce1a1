"""A description is read as a whole: every fault is told with its key, and what would be right."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from progrock.backends.errors import DescriptionError
from progrock.backends.loading import load, preset_names
from progrock.jobs.states import State
from tests.unit.descriptions import BASE, MINIMAL, backend_of, load_text, problems_of

OWN = f'[backends.own]\npreset = "progrock"\nbase_url = "{BASE}"\n'


def problems_in(table: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """Return the problems of one backend `b`, by their key below it."""
    found = problems_of("[backends.b]\n" + MINIMAL + table, env)
    return {key.removeprefix("backends.b."): message for key, message in found.items()}


# --- what is right -------------------------------------------------------------------------------


def test_the_bundled_file_loads_and_can_be_started_without_parameters() -> None:
    loaded = load(Path(settings.BASE_DIR) / "examples" / "backends.toml", {})
    assert loaded.default is not None
    backend = loaded.by_name[loaded.default]
    assert backend.params_problems(backend.filled_params({})) == []
    assert backend.cancel is not None


def test_a_few_keys_are_enough() -> None:
    backend = backend_of(MINIMAL)
    assert (backend.name, backend.title) == ("b", "b")
    assert (backend.start.method, backend.status and backend.status.method) == ("POST", "GET")
    assert backend.params_problems({"anything": 1}) == []
    assert not backend.is_idempotent


def test_a_file_without_backends_is_an_empty_one() -> None:
    assert load_text("").by_name == {}


def test_the_example_of_the_page_loads() -> None:
    backend = load_text(
        """
        default = "downloads"
        [backends.downloads]
        title    = "Downloads"
        base_url = "http://127.0.0.1:6800"
        origins  = ["http://files.internal:80"]
        auth     = { bearer = "${TOKEN}" }
        headers  = { Accept = "application/json" }
        not_found_grace = 10
        [backends.downloads.params]
        type = "object"
        required = ["url"]
        properties.url = { type = "string", format = "uri", title = "Address" }
        [backends.downloads.start]
        method = "POST"
        path   = "/jsonrpc"
        json   = { id = "{job}", params = ["token:${SECRET}", ["{params.url}"]] }
        [backends.downloads.status]
        method = "POST"
        path   = "/jsonrpc"
        json   = { id = "{job}", params = ["token:${SECRET}", "{operation}"] }
        [backends.downloads.map]
        operation = ".body.result"
        state     = ".body.result.status"
        current   = ".body.result.completedLength | tonumber"
        total     = ".body.result.totalLength | tonumber | if . == 0 then null else . end"
        error     = ".body.result.errorMessage // .body.error.message"
        gone      = ".status == 400"
        [backends.downloads.states]
        waiting = "queued"
        active  = "running"
        complete = "succeeded"
        [backends.downloads.poll]
        min = 0.5
        max = 30
        deadline = 86400
        stall_after = 600
        failures = 20
        unreachable_for = 300
        per_second = 200
        in_flight = 32
        timeout = 10
        """,
        {"TOKEN": "t0ken", "SECRET": "s3cret"},
    ).by_name["downloads"]
    assert backend.policy.min == 0.5
    assert backend.policy.in_flight == 32
    assert backend.states["active"] is State.RUNNING
    assert backend.headers["Authorization"] == "Bearer t0ken"
    assert backend.headers["Accept"] == "application/json"


def test_basic_auth_is_encoded() -> None:
    backend = backend_of(MINIMAL + 'auth.basic = "ada:${PASSWORD}"', {"PASSWORD": "hi"})
    assert backend.headers["Authorization"] == "Basic YWRhOmhp"


@pytest.mark.parametrize(
    "start", ["start.idempotent = true", 'start.headers = { idempotency-key = "{job}" }']
)
def test_a_start_is_idempotent_when_it_says_so_or_has_the_header(start: str) -> None:
    assert backend_of(MINIMAL + start).is_idempotent


def test_the_environment_is_read_anywhere_in_a_text() -> None:
    env = {"HOST": "127.0.0.1:6800", "SITE": "Graz", "FIELD": "state"}
    backend = backend_of(
        """
        base_url = "http://${HOST}"
        headers.X-Site = "${SITE}"
        start.path = "/${SITE}/jobs"
        status.path = "/jobs/{operation}"
        map.state = ".body.${FIELD}"
        """,
        env,
    )
    assert backend.base_url == "http://127.0.0.1:6800"
    assert backend.headers["X-Site"] == "Graz"
    assert backend.start.path is not None
    assert backend.start.path.render({}) == "/Graz/jobs"
    assert backend.poll_fields.read({"body": {"state": 7}}) == {"state": 7}


def test_the_environment_is_read_in_what_people_see_too() -> None:
    names = 'title = "Renderer in ${SITE}"\ndescription = "It stands in ${SITE}."'
    backend = backend_of(MINIMAL + names, {"SITE": "Graz"})
    assert (backend.title, backend.description) == ("Renderer in Graz", "It stands in Graz.")


def test_defaults_of_the_schema_are_filled_in_first() -> None:
    backend = backend_of(MINIMAL + "params.properties.width = { type = 'integer', default = 640 }")
    assert backend.filled_params({}) == {"width": 640}
    assert backend.filled_params({"width": 5, "x": 1}) == {"width": 5, "x": 1}


def test_params_are_checked_against_the_schema_and_all_faults_are_told() -> None:
    backend = backend_of(
        MINIMAL
        + """
        params.required = ["url"]
        params.additionalProperties = false
        params.properties.url = { type = "string" }
        params.properties.size = { type = "integer", maximum = 10 }
        params.properties.tags = { type = "array", items = { type = "string" } }
        """
    )
    assert backend.params_problems({"url": "x", "size": 10}) == []
    problems = backend.params_problems({"size": 11, "tags": ["a", 1], "odd": True})
    assert {problem["field"] for problem in problems} == {"", "size", "tags.1"}
    assert {problem["pointer"] for problem in problems} == {"", "/url", "/size", "/tags/1"}
    assert len(problems) == 4


# --- presets -------------------------------------------------------------------------------------


def test_a_preset_brings_all_that_a_backend_needs() -> None:
    backend = load_text(OWN).by_name["own"]
    assert backend.is_idempotent
    assert backend.cancel is not None
    assert "operation" in backend.start_fields.names


def test_keys_beside_a_preset_override_it_and_leave_the_rest() -> None:
    plain = load_text(OWN).by_name["own"]
    backend = load_text(
        OWN
        + """
        start.path = "/v2/jobs"
        map.state = ".body.phase"
        states.going = "running"
        poll.max = 60
        """
    ).by_name["own"]
    assert backend.start.path is not None
    assert backend.start.path.render({}) == "/v2/jobs"
    assert backend.start.headers == plain.start.headers
    assert (
        backend.poll_fields.read({"body": {"phase": "x", "progress": 7}}).items()
        >= {
            "state": "x",
            "progress": 7,
        }.items()
    )
    assert (backend.policy.min, backend.policy.max) == (plain.policy.min, 60)


@pytest.mark.parametrize(
    "over",
    [
        'start.url = "http://127.0.0.1:6800/start"',
        'start.form = { a = "{job}" }',
        'start.body = "{job}"',
        'start.json = { a = "{job}" }',
        "params = { type = 'object', required = ['a'] }",
    ],
)
def test_one_of_a_kind_takes_the_place_of_the_presets(over: str) -> None:
    assert problems_of(OWN + over) == {}


def test_json_beside_a_preset_replaces_its_json_whole() -> None:
    backend = load_text(OWN + 'start.json = { only = "{job}" }').by_name["own"]
    assert set(backend.start.json) == {"only"}


def test_an_unknown_preset_is_told_with_those_that_there_are() -> None:
    found = problems_of(f'[backends.own]\npreset = "progrok"\nbase_url = "{BASE}"')
    assert "progrock" in found["backends.own.preset"]
    assert "progrock" in preset_names()


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "key", "hint"),
    [
        ("titel = 'x'", "titel", "title"),
        ("poll.minn = 1", "poll.minn", "min"),
        ("start.methode = 'GET'", "start.methode", "method"),
        ("start.method = 'FETCH'", "start.method", "POST"),
        ("start.json = {}\nstart.form = {}", "start", "one of"),
        ("start.url = '/x'", "start", "one of"),
        ("auth = {}", "auth", "bearer"),
        ("auth = { bearer = 'a', basic = 'b:c' }", "auth", "one of"),
        ("poll.min = 0", "poll.min", "greater"),
        ("poll.min = -1", "poll.min", "greater"),
        ("poll.min = 'fast'", "poll.min", "number"),
        ("poll.failures = 0", "poll.failures", "greater"),
        ("poll.per_second = 0", "poll.per_second", "greater"),
        ("poll = { min = 9, max = 3 }", "poll", "larger"),
        ("map.state = '.a |'", "map.state", "jq"),
        ("map.state = '.a) | (.b'", "map.state", "jq"),
        ("map.state = 'nosuch(1)'", "map.state", "nosuch"),
        ("map.stat = '.a'", "map.stat", "state"),
        ("states.done = 'finished'", "states.done", "succeeded"),
        ("states.done = 'succeded'", "states.done", "succeeded"),
        ("params = { type = 'objekt' }", "params", "Schema"),
        ("params.properties.a.pattern = '['", "params", "Schema"),
        ("cancel.path = '/x/{operatoin}'", "cancel.path", "operation"),
        ("cancel.path = 'x'", "cancel.path", "/"),
        ("cancel.url = '{cancel_url}'", "cancel.url", "cancel_url"),
        ("cancel.path = '/${ABSENT}'", "cancel.path", "ABSENT"),
        ("auth.bearer = '${ABSENT}'", "auth.bearer", "ABSENT"),
        ("headers.X = '${ABSENT}'", "headers.X", "ABSENT"),
        ("map.state = '${ABSENT}'", "map.state", "ABSENT"),
        ("origins = ['${ABSENT}']", "origins.0", "ABSENT"),
        ("origins = ['files.internal']", "origins.0", "http"),
        ("origins = ['ftp://files.internal']", "origins.0", "http"),
        ("cancel.url = 'http://elsewhere.example/x'", "cancel.url", "origins"),
        ("cancel.url = 'http://127.0.0.1:6801/x'", "cancel.url", "origins"),
        ("cancel.url = 'https://127.0.0.1:6800/x'", "cancel.url", "origins"),
    ],
)
def test_a_fault_is_told_with_its_key_and_what_would_be_right(
    table: str, key: str, hint: str
) -> None:
    found = problems_in(table)
    assert set(found) == {key}
    assert hint.lower() in found[key].lower()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:6800",
        "/jobs",
        "ftp://127.0.0.1",
        "http://",
        "http://user:secret@127.0.0.1:6800",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://169.254.169.254",
        "http://169.254.1.1:80",
        "http://[fe80::1]:80",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0:80",
    ],
)
def test_an_unsafe_or_unusable_address_stops_the_start(url: str) -> None:
    found = problems_of(
        f'[backends.b]\nbase_url = "{url}"\nstart.path = "/"\nstatus.path = "/{{operation}}"'
    )
    assert list(found) == ["backends.b.base_url"]
    assert problems_in(f"origins = ['{url}']").keys() == {"origins.0"}


@pytest.mark.parametrize("key", ["base_url", "origins.0"])
def test_an_address_whose_variable_is_not_set_is_told_once(key: str) -> None:
    value = '["${ABSENT}"]' if key == "origins.0" else '"${ABSENT}"'
    base = "" if key == "base_url" else f'base_url = "{BASE}"\n'
    asked = "start.path = '/'\nstatus.path = '/'"
    with pytest.raises(DescriptionError) as raised:
        load_text(f"[backends.b]\n{base}{key.partition('.')[0]} = {value}\n{asked}")
    assert [problem.key for problem in raised.value.problems] == [f"backends.b.{key}"]


@pytest.mark.parametrize("expression", ["def f: .a;", "# nothing", " ", 'import "a" as a; .b'])
def test_an_expression_that_gives_nothing_is_refused(expression: str) -> None:
    assert "jq" in problems_in(f"map.state = '{expression}'")["map.state"]


@pytest.mark.parametrize("expression", ["def f: .a; f", ".a # the state", '"#"', ".b.def"])
def test_an_expression_with_the_words_of_a_module_is_one_all_the_same(expression: str) -> None:
    assert problems_in(f"map.state = '{expression}'") == {}


@pytest.mark.parametrize(
    ("table", "key", "hint"),
    [
        ("url = 'http://x'", "url", 'did you mean "base_url"?'),
        ("token = 'x'", "token", 'did you mean "auth.bearer"?'),
        ("timeout = 5", "timeout", 'did you mean "poll.timeout"?'),
        ("interval = 5", "interval", 'did you mean "poll.min"?'),
        ("poll.interval = 5", "poll.interval", 'did you mean "min"?'),
        ("method = 'PUT'", "method", 'did you mean "start.method"?'),
        ("map.poll = { min = 1 }", "map.poll", "write it above [backends.b.map]"),
        ("map.title = 'X'", "map.title", "it is a key of backends.b"),
        ("poll.states = {}", "poll.states", "write it above [backends.b.poll]"),
        ("cancel = '/stop'", "cancel", "should be a table"),
        ("states.running = 'active'", "states.running", 'active = "running"'),
        ("map.state = 'body.state'", "map.state", "begin with a dot: .body.state"),
        ("map.state = '$.body.state'", "map.state", "not JSONPath: .body.state"),
        ("map.state = '{body.state}'", "map.state", "not a template: .body.state"),
        ("cancel.path = '/{id}'", "cancel.path", "{operation}, a parameter {params.id}"),
    ],
)
def test_what_newcomers_stumble_over_is_told_with_what_is_meant(
    table: str, key: str, hint: str
) -> None:
    found = problems_in(table)
    assert set(found) == {key}
    assert hint in found[key]


@pytest.mark.parametrize(("key", "form"), [("start", "/jobs"), ("status", 'or "code"')])
def test_a_request_that_is_no_table_is_told_once_with_its_form(key: str, form: str) -> None:
    table = {"start": "start.path = '/'", "status": "status.path = '/'"} | {key: f"{key} = '/x'"}
    found = problems_of(f"[backends.b]\nbase_url = '{BASE}'\n" + "\n".join(table.values()))
    assert list(found) == [f"backends.b.{key}"]
    assert form in found[f"backends.b.{key}"]


def test_a_backend_outside_of_backends_is_told_where_it_belongs() -> None:
    assert "[backends.mill]" in problems_of("[mill]\nbase_url = 'http://x'")["mill"]


def test_bad_jq_is_told_with_the_place_where_it_is_bad() -> None:
    told = problems_in('map.state = """\n.body\n  | nosuch(1)\n"""')["map.state"]
    assert told.splitlines() == [
        "is not a jq expression: nosuch/1 is not defined at <top-level>, line 2, column 5:",
        "      | nosuch(1)",
        "        ^^^^^^",
    ]


def test_an_address_with_a_password_is_not_shown() -> None:
    found = problems_in("origins = ['http://ada:hunter2@files.internal']")
    assert "hunter2" not in str(found)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    found = problems_of(
        """
        default = "c"
        colour = "red"
        [backends.a]
        base_url = "http://127.0.0.1:1"
        titel = "A"
        start.path = "jobs/${ABSENT}"
        status.path = "/{oops}"
        map = { state = ".a |", stat = ".b" }
        states.done = "finished"
        poll.min = "fast"
        params.type = "objekt"
        [backends.b]
        preset = "nosuch"
        start.path = "/"
        """
    )
    expected = set(
        "default colour backends.a.titel backends.a.start.path backends.a.status.path "
        "backends.a.map.state backends.a.map.stat backends.a.states.done backends.a.poll.min "
        "backends.a.params backends.b.preset backends.b.base_url".split()
    )
    assert expected <= set(found)


@pytest.mark.parametrize("key", ["base_url", "start"])
def test_what_is_missing_is_told(key: str) -> None:
    table = {"base_url": f"base_url = '{BASE}'", "start": "start.path = '/'"}
    del table[key]
    found = problems_of("[backends.b]\nstatus.path = '/'\n" + "\n".join(table.values()))
    assert "missing" in found[f"backends.b.{key}"]


def test_a_backend_that_cannot_be_asked_for_its_state_is_refused() -> None:
    assert problems_of(f"[backends.b]\nbase_url = '{BASE}'\nstart.path = '/'")


@pytest.mark.parametrize(
    "text", ["[backends", "a = ", "default = 7", "backends = 3", "[backends]\nb = 3", "\ufeffa=1"]
)
def test_a_file_that_is_not_of_the_form_is_told_so(text: str) -> None:
    assert problems_of(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nosuch.toml"
    with pytest.raises(DescriptionError, match=r"nosuch\.toml"):
        load(missing, {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DescriptionError, match=r"binary\.toml"):
        load(binary, {})
    with pytest.raises(DescriptionError):
        load(tmp_path, {})


def test_the_default_names_a_backend_of_the_file() -> None:
    assert load_text('default = "own"\n' + OWN).default == "own"
    assert "own" in problems_of('default = "onw"\n' + OWN)["default"]


@pytest.mark.parametrize("table", ["title = 'x'\nmap.state = '.a.b'", "states = { a = 'queued' }"])
def test_what_is_right_has_no_problems(table: str) -> None:
    assert problems_in(table) == {}


def test_a_secret_with_a_line_break_is_refused_when_the_file_is_read() -> None:
    # A file's last line break is the usual way in which it comes into the variable.
    env = {"TOKEN": "t0ken\n"}
    found = problems_in("auth.bearer = '${TOKEN}'", env)
    assert set(found) == {"auth.bearer"}
    assert "t0ken" not in str(found)


def read_fields(expressions: dict[str, str], document: str) -> dict[str, Any]:
    lines = "\n".join(f"map.{name} = '{text}'" for name, text in expressions.items())
    return backend_of(MINIMAL + lines).poll_fields.read(json.loads(document))


FAILING = """
.absent; .body.a.b; error("x"); error(null); empty; .body[0]; 1 / 0; "x" | tonumber;
.body.state | keys; first(inputs); input; $__loc__.x; "%" | @base64d; .body.state | fromjson
"""


@pytest.mark.parametrize("expression", [text.strip() for text in FAILING.split(";")])
def test_an_expression_that_fails_gives_null_and_spoils_no_other(expression: str) -> None:
    found = read_fields(
        {"message": expression, "state": ".body.state", "unit": ".body.unit"},
        '{"body": {"state": "x", "unit": "y"}}',
    )
    assert found == {"message": None, "state": "x", "unit": "y"}


@pytest.mark.parametrize("expression", ["halt", "halt_error"])
def test_an_expression_that_halts_gives_null_as_well(expression: str) -> None:
    assert read_fields({"message": expression}, '{"body": {}}') == {"message": None}


def test_an_expression_with_several_values_gives_the_first() -> None:
    assert read_fields({"state": ".body[]"}, '{"body": [1, 2]}') == {"state": 1}


def test_an_expression_may_end_in_a_comment() -> None:
    assert read_fields({"state": ".body # the state"}, '{"body": 7}') == {"state": 7}
