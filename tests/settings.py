"""The project's settings for tests: database and Redis of their own, in a folder that goes away.

The settings are read with an environment made here, whatever the shell has set, and the process's
environment is left as it was: a test that starts the real system hands on nothing of ours. What
they name is started by the fixtures of `tests/conftest.py`, when a test asks for it.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import quote

TEST_DATA = Path(tempfile.mkdtemp(prefix="progrock-"))
TEST_DATA.chmod(0o711)  # root's tests run PostgreSQL as another user, who has to get in
atexit.register(shutil.rmtree, TEST_DATA, ignore_errors=True)

TEST_DATABASE = os.environ.get("TEST_DATABASE") or "sqlite"
TEST_REDIS_SOCKET = TEST_DATA / "redis.sock"
TEST_POSTGRES_FOLDER = TEST_DATA / "postgres"  # its data and its socket
_DATABASE_URLS = {
    "sqlite": f"sqlite:///{TEST_DATA / 'progrock.sqlite3'}",
    "postgresql": f"postgres://postgres@{quote(str(TEST_POSTGRES_FOLDER), safe='')}/progrock",
}
if TEST_DATABASE not in _DATABASE_URLS:
    raise ValueError(f"TEST_DATABASE is {TEST_DATABASE!r}: set it to sqlite or postgresql.")

_ENVIRONMENT = {
    "SECRET_KEY": "only-for-tests",
    "PROGROCK_EMBEDDED": "on",
    "PROGROCK_DATA": str(TEST_DATA),
    "DATABASE_URL": _DATABASE_URLS[TEST_DATABASE],
    "REDIS_URL": f"unix://{TEST_REDIS_SOCKET}?db=0",
}
with mock.patch.dict(os.environ, _ENVIRONMENT, clear=True):
    from config.settings import *  # noqa: F403

if TEST_DATABASE == "postgresql":
    INSTALLED_APPS = [*INSTALLED_APPS, "channels_postgres"]  # noqa: F405
# In memory, SQLite would have neither WAL nor the waiting of one writer for another.
if TEST_DATABASE == "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": str(TEST_DATA / "test.sqlite3")}  # noqa: F405
