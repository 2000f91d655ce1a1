"""Share tokens: what was signed is read, and nothing else (PROTOCOL section 3)."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from django.core.signing import Signer
from pytest_django.fixtures import Settings

from progrock import identity, sharing
from progrock.errors import RequestError
from progrock.protocol.codes import ErrorCode
from progrock.sharing import Share

JOB = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11"
OTHER = "0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a12"


def share(seconds: float = 60) -> Share:
    return Share(JOB, datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds))


def test_what_was_signed_is_read() -> None:
    made = share()
    assert sharing.read(sharing.token_for(made)) == made


def test_a_token_needs_no_quoting_in_a_url() -> None:
    token = sharing.token_for(share())
    assert token.startswith("prs_")
    assert set(token) <= set(string.ascii_letters + string.digits + "-._~")


def test_a_token_that_was_changed_anywhere_is_none_of_ours() -> None:
    token = sharing.token_for(share())
    for place in range(len("prs_"), len(token)):
        other = "A" if token[place] != "A" else "B"
        assert sharing.read(token[:place] + other + token[place + 1 :]) is None, place
    assert sharing.read(token.replace(JOB, OTHER)) is None
    assert sharing.read(token[:-1]) is None


@pytest.mark.parametrize("token", ["", "prs_", "prs_.", "prs_..", "prs_x.y.z", "prs_" + "." * 99])
def test_nonsense_is_none_of_ours(token: str) -> None:
    assert sharing.read(token) is None


def test_what_is_signed_for_something_else_is_none_of_ours() -> None:
    signed = Signer(salt="progrock.report", sep=".").sign(f"{JOB}.9999999999")
    assert sharing.read("prs_" + signed) is None
    report = identity.report_token(JOB)
    with pytest.raises(RequestError):
        identity.by_token(report.replace("prr_", "prs_"))


def test_with_another_key_a_token_is_none_of_ours(settings: Settings) -> None:
    token = sharing.token_for(share())
    settings.SECRET_KEY = "another"
    assert sharing.read(token) is None
    settings.SECRET_KEY_FALLBACKS = ["only-for-tests"]
    assert sharing.read(token) is not None


def test_the_bearer_watches_one_job_for_a_time() -> None:
    made = share()
    who = identity.by_token(sharing.token_for(made))
    assert (who.user, who.name, who.is_staff) == (None, None, False)
    assert (who.only_job, who.is_reader, who.expires) == (JOB, True, made.expires)
    assert not who.is_expired


@pytest.mark.parametrize("seconds", [0, -1, -1_000_000])
def test_after_its_time_a_token_is_good_for_nothing(seconds: float) -> None:
    with pytest.raises(RequestError, match="expired") as caught:
        identity.by_token(sharing.token_for(share(seconds)))
    assert caught.value.code is ErrorCode.NOT_AUTHENTICATED


@pytest.mark.parametrize(
    ("query", "is_taken"),
    [
        ("token=prs_x", True),
        ("after=3&token=prs_x", True),
        ("token=prk_x", False),
        ("token=prr_x", False),
        ("token=x", False),
        ("token=", False),
        ("Token=prs_x", False),
        ("", False),
        ("token=prs_x&token=prk_x", False),
    ],
)
def test_only_share_tokens_may_stand_in_an_address(query: str, is_taken: bool) -> None:
    assert identity.share_token_in(query) == ("prs_x" if is_taken else None)
