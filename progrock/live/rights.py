"""Rights of open connections, looked at again: who was let in may have lost them since.

A session that was logged out or has expired, a token that was deleted, an account that was
deactivated, a share link whose time is over: its connections end. The hub asks for this when a
hint says that something changed, and every few seconds in any case, in a few queries for all of
its connections.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db.models import QuerySet

from progrock.identity import Who
from progrock.models import Token

CHUNK = 500  # values in one query
Key = TypeVar("Key")


class Guest(Protocol):
    """A watcher. Its `who` is what rights it has; when they are lost it is None, and it fails."""

    who: Who | None

    def fail(self) -> None:
        """Called when it may not be here any longer."""


async def recheck(guests: Iterable[Guest]) -> None:
    """Look at the rights of all guests again. Raises what the database raises."""
    by_who: dict[Who, list[Guest]] = defaultdict(list)
    for guest in guests:
        who = guest.who
        if who is not None and (who.proof is not None or who.expires is not None):
            by_who[who].append(guest)
    if not by_who:
        return
    for who, now in (await database_sync_to_async(present)(by_who)).items():
        for guest in by_who[who] if now != who else ():
            if guest.who != who:
                continue  # it has said meanwhile that it is somebody else
            guest.who = now
            if now is None:
                guest.fail()


def present(visitors: Collection[Who]) -> dict[Who, Who | None]:
    """Return who each visitor is by now, None where its proof is no longer good.

    Sessions are looked up where they are in the database, which is the default of Django.
    """
    proofs = [who.proof for who in visitors if who.proof is not None]
    if not proofs:
        return {who: None if who.is_expired else who for who in visitors}
    tokens = _found(_tokens, {proof.token for proof in proofs if proof.token is not None})
    sessions = _found(_sessions, {proof.session for proof in proofs if proof.session is not None})
    users = {user.pk: user for user in _found(_users, {who.user for who in visitors if who.proof})}
    return {who: _as_of_now(who, tokens, sessions, users.get(who.user)) for who in visitors}


def _as_of_now(who: Who, tokens: set[int], sessions: set[str], user: Any) -> Who | None:
    proof = who.proof
    if proof is None:
        return None if who.is_expired else who
    if user is None or not user.is_active:
        return None
    if proof.token is not None and proof.token not in tokens:
        return None
    if proof.session is not None and (
        proof.session not in sessions or user.get_session_auth_hash() != proof.password
    ):
        return None
    return replace(who, name=user.get_username(), is_staff=bool(user.is_staff))


def _found(look_up: Callable[[list[Any]], Iterable[Key]], keys: Collection[Any]) -> set[Key]:
    listed = list(keys)
    return {
        each
        for start in range(0, len(listed), CHUNK)
        for each in look_up(listed[start : start + CHUNK])
    }


def _tokens(ids: list[int]) -> Iterable[int]:
    return Token.objects.filter(id__in=ids).values_list("id", flat=True)


def _users(ids: list[int]) -> Iterable[Any]:
    return get_user_model().objects.filter(pk__in=ids)


def _sessions(keys: list[str]) -> Iterable[str]:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, DatabaseSessions):
        return keys
    kept: QuerySet[Any] = store.get_model_class().objects.filter(
        session_key__in=keys, expire_date__gt=datetime.now(UTC)
    )
    return kept.values_list("session_key", flat=True)
