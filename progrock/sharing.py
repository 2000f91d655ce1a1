"""Share tokens: who bears one may watch one job for a time, and do nothing.

Nothing of them is stored: a token says its job and its end, and is signed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.signing import BadSignature, Signer

PREFIX = "prs_"


@dataclass(frozen=True, slots=True)
class Share:
    """What a token says: which job, and until when."""

    job: str
    expires: datetime


def token_for(share: Share) -> str:
    """Return the token of a share; its end is told in whole seconds. Its characters suit a URL."""
    return PREFIX + _signer().sign(f"{share.job}.{int(share.expires.timestamp())}")


def read(token: str) -> Share | None:
    """Return what a token says, also when it has expired; None where we did not sign it."""
    try:
        job, _, expires = _signer().unsign(token.removeprefix(PREFIX)).rpartition(".")
    except BadSignature:
        return None
    return Share(job, datetime.fromtimestamp(int(expires), UTC))


def _signer() -> Signer:
    return Signer(salt="progrock.share", sep=".")
