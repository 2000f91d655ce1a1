"""The codes are those of PROTOCOL 2.7."""

import pytest

from progrock.protocol.codes import CloseCode, ErrorCode

STATUS = {
    "bad_json": 400,
    "bad_message": 422,
    "unknown_action": 404,
    "unknown_backend": 422,
    "bad_params": 422,
    "unknown_job": 404,
    "not_authenticated": 401,
    "not_permitted": 403,
    "not_cancellable": 409,
    "not_finished": 409,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "too_many_watches": 429,
    "unavailable": 503,
}


@pytest.mark.parametrize(("code", "status"), STATUS.items())
def test_each_error_code_has_its_http_status(code: str, status: int) -> None:
    assert ErrorCode(code).status == status


def test_every_error_code_has_a_status() -> None:
    assert all(400 <= code.status < 600 for code in ErrorCode)


def test_an_error_is_retryable_when_the_same_request_may_do_later() -> None:
    assert ErrorCode.RATE_LIMITED.is_retryable
    assert ErrorCode.UNAVAILABLE.is_retryable
    assert not ErrorCode.BAD_PARAMS.is_retryable
    assert not ErrorCode.UNKNOWN_JOB.is_retryable


@pytest.mark.parametrize(
    ("number", "may"),
    [
        (1001, True),
        (1012, True),
        (1013, True),
        (4400, False),
        (4401, False),
        (4403, False),
        (4408, True),
        (4429, True),
    ],
)
def test_close_codes_say_whether_to_reconnect(number: int, may: bool) -> None:
    assert CloseCode(number).may_reconnect is may
