"""Rights that are taken away end what they let in, within seconds (PROTOCOL 2.6)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, logout
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest
from django.test.utils import CaptureQueriesContext

from progrock import identity
from progrock.api.waiting import wait_for_change
from progrock.errors import RequestError
from progrock.identity import ANONYMOUS, Who
from progrock.live import hub as hub_module
from progrock.live import publishing, rights
from progrock.live.hub import Hub
from progrock.models import Token
from progrock.protocol.codes import ErrorCode
from tests.contracts.parts import DEADLINE_SECONDS, new_job

pytestmark = pytest.mark.usefixtures("real_parts")


class Guest:
    """A watcher that keeps what becomes of it."""

    def __init__(self, who: Who | None) -> None:
        self.who = who
        self.has_failed = False

    def deliver(self, event: object) -> None:
        """Take an event."""

    def on_beat(self, now: float) -> None:
        """Be told the time."""

    def fail(self) -> None:
        """Be told that it may not be here any longer."""
        self.has_failed = True


def user(name: str = "ada", **fields: Any) -> User:
    return User.objects.create_user(name, **fields)  # hashing a password takes its time


def by_token(account: User) -> Who:
    return identity.by_token(identity.create_token(account))


def session_of(account: User) -> SessionStore:
    """Return a session as a login makes it."""
    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    return session


def by_session(account: User) -> Who:
    return identity.of_session(account, session_of(account).session_key)


def now(who: Who) -> Who | None:
    return rights.present([who])[who]


WAYS = {"token": by_token, "session": by_session}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[User], Who]:
    """Each way to get in with an account."""
    return WAYS[request.param]


def test_as_long_as_nothing_changes_everybody_stays(way: Callable[[User], Who]) -> None:
    who = way(user())
    assert now(who) == who


def test_who_was_deactivated_or_deleted_is_out(way: Callable[[User], Who]) -> None:
    account = user()
    who = way(account)
    User.objects.update(is_active=False)
    assert now(who) is None
    User.objects.update(is_active=True)
    assert now(who) == who
    account.delete()
    assert now(who) is None


def test_who_is_staff_no_longer_stays_as_somebody_else(way: Callable[[User], Who]) -> None:
    account = user(is_staff=True)
    who = way(account)
    User.objects.update(is_staff=False, username="lovelace")
    assert now(who) == replace(who, is_staff=False, name="lovelace")


def test_a_deleted_token_is_out_and_another_of_the_same_user_is_not() -> None:
    account = user()
    one, other = by_token(account), by_token(account)
    Token.objects.get(id=one.proof.token if one.proof else None).delete()
    assert rights.present([one, other]) == {one: None, other: other}


def test_a_session_that_was_logged_out_is_out_and_another_is_not() -> None:
    account = user()
    session = session_of(account)
    one, other = identity.of_session(account, session.session_key), by_session(account)
    session.flush()
    assert rights.present([one, other]) == {one: None, other: other}


def test_a_session_that_has_expired_is_out() -> None:
    who = by_session(user())
    Session.objects.update(expire_date=datetime.now(UTC) - timedelta(seconds=1))
    assert now(who) is None


def test_another_password_ends_the_sessions_and_not_the_tokens() -> None:
    account = user()
    session, token = by_session(account), by_token(account)
    account.set_password("second")
    account.save()
    assert rights.present([session, token]) == {session: None, token: token}


def test_a_share_whose_time_is_over_is_out() -> None:
    expires = datetime.now(UTC) + timedelta(seconds=60)
    who = Who(None, None, only_job="x", is_reader=True, expires=expires)
    late = replace(who, expires=datetime.now(UTC))
    assert rights.present([who, late]) == {who: who, late: None}
    account = by_token(user())
    assert rights.present([who, late, account]) == {who: who, late: None, account: account}


def test_many_visitors_are_a_few_queries() -> None:
    users = [User(username=f"user {number}") for number in range(600)]
    accounts = User.objects.bulk_create(users)
    visitors = [by_session(account) for account in accounts[:300]]
    visitors += [by_token(account) for account in accounts[300:]]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert rights.present(visitors) == {who: who for who in visitors}
    assert len(queries) == 4  # tokens, sessions, and users 500 at a time


async def test_guests_without_an_account_cost_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "present", None)
    guests = [Guest(None), Guest(ANONYMOUS), Guest(Who(None, None, only_job="x"))]
    await rights.recheck(guests)
    assert [guest.has_failed for guest in guests] == [False] * 3


async def test_only_who_lost_its_rights_fails() -> None:
    account = await database_sync_to_async(user)()
    ways = [by_token, by_token, by_session]
    whos = [await database_sync_to_async(way)(account) for way in ways]
    guests = [Guest(who) for who in [*whos, whos[0], ANONYMOUS]]
    token = whos[0].proof.token if whos[0].proof else None
    await database_sync_to_async(Token.objects.filter(id=token).delete)()
    await rights.recheck(guests)
    assert [guest.has_failed for guest in guests] == [True, False, False, True, False]
    assert [guest.who for guest in guests] == [None, whos[1], whos[2], None, ANONYMOUS]


async def test_who_said_meanwhile_that_it_is_somebody_else_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = await database_sync_to_async(user)()
    who = await database_sync_to_async(by_token)(account)
    guest = Guest(who)

    def change(visitors: Any) -> dict[Who, Who | None]:
        guest.who = ANONYMOUS
        return dict.fromkeys(visitors)

    monkeypatch.setattr(rights, "present", change)
    await rights.recheck([guest])
    assert (guest.who, guest.has_failed) == (ANONYMOUS, False)


# --- the hub -------------------------------------------------------------------------------------


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """The hub of the test's event loop."""
    made = Hub()
    monkeypatch.setitem(hub_module._hubs, asyncio.get_running_loop(), made)
    yield made
    for task in list(made._tasks):
        task.cancel()


async def eventually(look: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"never came: {what}"
        await asyncio.sleep(0.01)


async def test_the_hub_looks_at_the_rights_without_any_hint(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 0.05)
    monkeypatch.setattr(publishing, "hint_rights", lambda: None)
    account = await database_sync_to_async(user)()
    guest = Guest(await database_sync_to_async(by_token)(account))
    hub.join(guest)
    await asyncio.sleep(0.2)
    assert not guest.has_failed
    await database_sync_to_async(Token.objects.all().delete)()
    await eventually(lambda: guest.has_failed, "the end")


@pytest.mark.parametrize("event", ["logout", "token", "account"])
async def test_a_hint_makes_it_quicker(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    monkeypatch.setattr(hub_module, "RECONCILE_SECONDS", 3_600.0)
    account = await database_sync_to_async(user)()
    session = await database_sync_to_async(session_of)(account)
    whos = {
        "token": await database_sync_to_async(by_token)(account),
        "logout": identity.of_session(account, session.session_key),
    }
    whos["account"] = whos["token"]
    guest = Guest(whos[event])
    hub.join(guest)
    request = HttpRequest()
    request.session, request.user = session, account

    def deactivate() -> None:
        account.is_active = False
        account.save()

    acts: dict[str, Callable[[], object]] = {
        "logout": lambda: logout(request),
        "token": lambda: Token.objects.get().delete(),
        "account": deactivate,
    }

    await database_sync_to_async(acts[event])()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not guest.has_failed:
            publishing.hint_rights()  # the hub may not have been listening yet
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("event", ["logout", "token", "account"])
def test_hints_are_sent_on_commit(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    sent: list[str] = []
    account = user()
    by_token(account)
    monkeypatch.setattr(publishing, "hint_rights", lambda: sent.append(event))
    request = HttpRequest()
    request.session, request.user = session_of(account), account
    account.save(update_fields=["last_login"])
    assert sent == []
    match event:
        case "logout":
            logout(request)
        case "token":
            Token.objects.all().delete()
        case _:
            account.save()
    assert sent == [event]


async def test_a_long_poll_of_who_lost_its_rights_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await database_sync_to_async(user)()
    who = await database_sync_to_async(by_token)(account)
    job = await database_sync_to_async(new_job)()
    waiting = asyncio.ensure_future(wait_for_change(who, job, job.seq, 60))
    await eventually(lambda: hub.watchers_of(str(job.id)), "the wait")
    await database_sync_to_async(Token.objects.all().delete)()
    await hub.recheck()
    with pytest.raises(RequestError) as caught:
        await waiting
    assert caught.value.code is ErrorCode.NOT_AUTHENTICATED
    assert not hub._watchers
