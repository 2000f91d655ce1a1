"""Complete the environment inside a container, then become the command that follows.

Two settings cannot stand in docker-compose.yml: the secret, which `init` makes on the first start,
and whether strangers are let in, which depends on who can reach the published address.
"""

import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from progrock.launcher.address import Address
from progrock.launcher.environment import given


def completed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with SECRET_KEY and PROGROCK_ANONYMOUS filled in where they lack."""
    full = dict(environ)
    if not given(environ, "SECRET_KEY") and (file := given(environ, "SECRET_KEY_FILE")):
        full["SECRET_KEY"] = Path(file).read_text("ascii").strip()
    if not given(environ, "PROGROCK_ANONYMOUS"):
        full["PROGROCK_ANONYMOUS"] = "on" if _is_private(environ) else "off"
    return full


def _is_private(environ: Mapping[str, str]) -> bool:
    """Whether only this machine gets in: by the published address, and by the site's names.

    A proxy on the same machine reaches a loopback address too, but asks for a public name.
    """
    names = [given(environ, "PUBLISHED_HOST"), *given(environ, "ALLOWED_HOSTS").split(",")]
    bare = [name.strip().removeprefix("[").removesuffix("]") for name in names]
    return all(Address(host=name, port=0).is_loopback for name in bare)


def allow_many_connections() -> None:
    """Raise the limit of open files, often 1024, to what is allowed: each watcher holds one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    allow_many_connections()
    os.environ.update(completed(os.environ))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command is the container's own
