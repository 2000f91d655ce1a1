"""Hints that somebody's rights may have changed, from what Django tells of accounts.

A hint only makes it quicker: without it the hubs find the change within seconds.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from progrock.live import publishing
from progrock.models import Token


def connect() -> None:
    """Send a hint on each logout, deleted token and changed or deleted account."""
    user = get_user_model()
    user_logged_out.connect(_hint, dispatch_uid="progrock.rights")
    post_delete.connect(_hint, sender=Token, dispatch_uid="progrock.rights")
    post_delete.connect(_hint, sender=user, dispatch_uid="progrock.rights")
    post_save.connect(_hint_of_saved, sender=user, dispatch_uid="progrock.rights")


def _hint(**_: Any) -> None:
    transaction.on_commit(publishing.hint_rights)


def _hint_of_saved(*, created: bool, update_fields: frozenset[str] | None = None, **_: Any) -> None:
    if not created and update_fields != frozenset({"last_login"}):  # a login takes no rights
        _hint()
