"""Who is there: by token, by session, or nobody in particular (PROTOCOL section 2.1)."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

from progrock import conf, sharing
from progrock.errors import RequestError
from progrock.models import Token
from progrock.protocol.codes import ErrorCode

REPORT_PREFIX = "prr_"
TOKEN_PREFIX = "prk_"  # noqa: S105 - names a token in leaks and logs; not one itself


@dataclass(frozen=True, slots=True)
class Proof:
    """By what somebody with an account got in: a token or a session. It may be taken away later.

    `password` changes with the user's password, and is never that itself.
    """

    token: int | None = None
    session: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Who:
    """A visitor. `user` is the account's id, or None for an anonymous one who may come in."""

    user: int | None
    name: str | None
    is_staff: bool = False
    only_job: str | None = None  # the bearer of a report or share token: this job and no other
    is_reader: bool = False  # of a share token: may watch, and do nothing
    expires: datetime | None = None
    proof: Proof | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody in particular."""
        return self.user is None

    @property
    def is_expired(self) -> bool:
        """Whether the time of a share token is over."""
        return self.expires is not None and datetime.now(UTC) >= self.expires

    @property
    def scope(self) -> str:
        """The space of this visitor's idempotency keys."""
        if self.only_job is not None:
            return f"job:{self.only_job}"
        return "anonymous" if self.user is None else f"user:{self.user}"


ANONYMOUS = Who(None, None)


def create_token(user: Any, name: str = "") -> str:
    """Return a new Bearer token of a user; it is shown once, and only its digest is kept."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    Token.objects.create(user=user, digest=_digest(token), name=name)
    return token


def report_token(job: object) -> str:
    """Return the token by which a program reports this job, and can do nothing else."""
    return REPORT_PREFIX + _report_signer().sign(str(job))


def by_token(token: str) -> Who:
    """Return whose token it is. Raises RequestError(not_authenticated)."""
    if token.startswith(REPORT_PREFIX):
        return _by_report_token(token.removeprefix(REPORT_PREFIX))
    if token.startswith(sharing.PREFIX):
        return _by_share_token(token)
    found = (
        Token.objects.select_related("user")
        .filter(digest=_digest(token), user__is_active=True)
        .first()
    )
    if found is None:
        raise RequestError(ErrorCode.NOT_AUTHENTICATED, "This token is not valid (any longer).")
    return of_user(found.user, Proof(token=found.pk))


def _by_report_token(signed: str) -> Who:
    try:
        job = _report_signer().unsign(signed)
    except BadSignature as exc:
        raise RequestError(ErrorCode.NOT_AUTHENTICATED, "This report token is not valid.") from exc
    return Who(None, None, only_job=job)


def _by_share_token(token: str) -> Who:
    share = sharing.read(token)
    if share is None:
        raise RequestError(ErrorCode.NOT_AUTHENTICATED, "This share link is not valid.")
    who = Who(None, None, only_job=share.job, is_reader=True, expires=share.expires)
    if who.is_expired:
        raise expired()
    return who


def expired() -> RequestError:
    """Return the error for a share token whose time is over."""
    return RequestError(
        ErrorCode.NOT_AUTHENTICATED, "This share link has expired; ask for another one."
    )


def _report_signer() -> Signer:
    return Signer(salt="progrock.report")


def of_user(user: Any, proof: Proof | None = None) -> Who:
    """Return the visitor that a Django user is."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return ANONYMOUS
    return Who(user.pk, user.get_username(), bool(user.is_staff), proof=proof)


def of_session(user: Any, session: str | None) -> Who:
    """Return the visitor that a user is who is logged in by the session of this key."""
    if isinstance(user, AnonymousUser):
        return ANONYMOUS
    return of_user(user, Proof(session=session, password=user.get_session_auth_hash()))


def of_request(request: HttpRequest) -> Who:
    """Return who sends an HTTP request. Raises RequestError(not_authenticated).

    A Bearer header comes first and must be right; then, of those who ask for events, a share token
    in the address; then the session; then, where the deployment allows it, nobody in particular.
    """
    token = bearer_of(request.headers.get("Authorization", ""))
    if token is None and request.path.endswith("/events"):
        token = share_token_in(request.META.get("QUERY_STRING", ""))
    if token is not None:
        return by_token(token)
    who = of_session(request.user, request.session.session_key)
    if who.is_anonymous and not conf.anonymous_allowed():
        raise nobody()
    return who


def nobody() -> RequestError:
    """Return the error for a visitor in no name where one is needed."""
    return RequestError(
        ErrorCode.NOT_AUTHENTICATED,
        "Log in, or send a token as 'Authorization: Bearer TOKEN' "
        "(manage.py tokens create USER makes one).",
    )


def bearer_of(authorization: str) -> str | None:
    """Return the token of an Authorization header; None where it holds no Bearer token."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def share_token_in(query: str) -> str | None:
    """Return the share token that stands as `token` in the query part of an address, or None.

    An EventSource of a browser can send no header. Other tokens are good for more than to watch
    one job, and must not stand in the logs of servers.
    """
    token = parse_qs(query).get("token", [""])[-1]
    return token if token.startswith(sharing.PREFIX) else None


def is_own_origin(origin: str, host: str, scheme: str) -> bool:
    """Whether an Origin header is the site's own, for a request to `scheme`://`host`.

    The site's own are the request's own host and CSRF_TRUSTED_ORIGINS.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as a half-written IPv6 address
        return False
    if not parts.scheme or not parts.netloc:
        return False
    if origin.lower() == f"{scheme}://{host}".lower():
        return True
    return any(_matches(parts.scheme, parts.netloc, own) for own in _trusted())


def _trusted() -> Iterable[str]:
    return settings.CSRF_TRUSTED_ORIGINS


def _matches(scheme: str, netloc: str, own: str) -> bool:
    trusted = urlsplit(own)
    if trusted.scheme != scheme:
        return False
    if trusted.netloc.startswith("*."):
        return netloc.lower().endswith(trusted.netloc[1:].lower())
    return netloc.lower() == trusted.netloc.lower()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
