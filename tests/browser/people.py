"""A stack that wants to know who is there, and the people who have accounts on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.launcher_process import ROOT, Launcher

PASSWORD = "correct horse battery staple"
NAMES = ("ada", "ben", "eve")
"""Ben is staff."""
MAKE_USERS = f"""
from django.contrib.auth import get_user_model
from django.core.management import call_command
for name in {NAMES!r}:
    get_user_model().objects.create_user(name, password={PASSWORD!r}, is_staff=name == "ben")
    call_command("tokens", "create", name)
"""
NewVisitor = Callable[..., Page]


@dataclass(frozen=True, kw_only=True)
class ClosedStack:
    """The running stack, and a token of each user."""

    launcher: Launcher
    tokens: dict[str, str]

    def programs_of(self, name: str) -> httpx.Client:
        """Return a client of the API that is a user's."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        base = f"{self.launcher.base_url}api/v1/"
        return httpx.Client(base_url=base, headers=headers, timeout=30)


@contextmanager
def closed_stack(data: Path) -> Iterator[ClosedStack]:
    """Run a stack that lets in nobody without an account or a link."""
    with Launcher(data, environ={"PROGROCK_ANONYMOUS": "off"}) as launcher:
        launcher.start()
        printed = subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", MAKE_USERS],
            cwd=ROOT,
            env={**os.environ, "PROGROCK_DATA": str(data), "PROGROCK_BACKENDS": ""}
            | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert printed.returncode == 0, printed.stderr
        tokens = printed.stdout.split()[-len(NAMES) :]
        yield ClosedStack(launcher=launcher, tokens=dict(zip(NAMES, tokens, strict=True)))


def log_in(page: Page, name: str) -> None:
    """Sign in on the login page that is open."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
