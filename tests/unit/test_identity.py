"""Whose page it is that speaks: PROTOCOL 2.1, the site's own origins and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from progrock import identity
from progrock.identity import ANONYMOUS, Who
from progrock.jobs import access


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "http"),
        ("http://localhost:8000", "localhost:8000", "http"),
        ("http://progress.example", "progress.example", "http"),
        ("https://progress.example", "progress.example", "https"),
        ("https://Progress.Example", "progress.example", "https"),
        ("http://[::1]:8000", "[::1]:8000", "http"),
    ],
)
def test_the_requests_own_host_is_own(origin: str, host: str, scheme: str) -> None:
    assert identity.is_own_origin(origin, host, scheme)


@pytest.mark.parametrize(
    "origin",
    [
        "http://progress.example",  # another scheme
        "https://progress.example:8443",  # another port
        "https://evil.example",
        "https://progress.example.evil.example",
        "https://evilprogress.example",
        "https://progress.example@evil.example",
        "https://sub.progress.example",
        "null",
        "",
        "file://",
        "progress.example",
        "//progress.example",
        "chrome-extension://abcdef",
        "https://",
        "https://[::1",
        "http://[bad]",
        "https://progress.example, https://evil.example",
    ],
)
def test_any_other_origin_is_foreign(origin: str) -> None:
    assert not identity.is_own_origin(origin, "progress.example", "https")


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("https://app.example", True),
        ("https://APP.example", True),
        ("http://app.example", False),
        ("https://app.example:444", False),
        ("https://one.team.example", True),
        ("https://a.b.team.example", True),
        ("https://team.example", False),
        ("https://evilteam.example", False),
        ("http://one.team.example", False),
        ("https://team.example.evil.example", False),
        ("http://10.0.0.5:3000", True),
        ("http://10.0.0.5:3001", False),
    ],
)
def test_trusted_origins_are_own(origin: str, is_own: bool, settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [
        "https://app.example",
        "https://*.team.example",
        "http://10.0.0.5:3000",
    ]
    assert identity.is_own_origin(origin, "progress.example", "https") is is_own


@given(st.text() | st.text().map(lambda text: "https://" + text))
def test_any_origin_is_own_or_foreign(origin: str) -> None:
    if identity.is_own_origin(origin, "progress.example", "https"):
        assert origin.lower() == "https://progress.example"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc ", "abc"),
        ("Bearer", ""),
        ("Basic abc", None),
        ("", None),
        ("abc", None),
    ],
)
def test_a_bearer_token_is_found_in_its_header(header: str, token: str | None) -> None:
    assert identity.bearer_of(header) == token


def test_a_job_without_an_owner_belongs_to_all_who_get_in() -> None:
    ada, bob, staff = Who(1, "ada"), Who(2, "bob"), Who(3, "eve", is_staff=True)
    for who in (ANONYMOUS, ada, bob, staff):
        assert access.may_see(who, None)
        assert access.may_control(who, None)
    assert [access.may_see(who, 1) for who in (ANONYMOUS, ada, bob, staff)] == [
        False,
        True,
        False,
        True,
    ]


def test_each_visitor_has_a_space_of_keys_of_their_own() -> None:
    assert len({ANONYMOUS.scope, Who(1, "a").scope, Who(2, "b").scope}) == 3
