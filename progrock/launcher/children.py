"""The command line of each child of a launch."""

import re
import sys
from dataclasses import replace

from progrock.launcher import redis_server
from progrock.launcher.child import ChildSpec
from progrock.launcher.plan import RENDERER_HOST, Plan

GRACEFUL_SECONDS = 3
WORKER_THREADS = 16
LARGEST_FRAME_BYTES = 65536
EMPTY_LINE = re.compile("^$")
WEB_NOISE = re.compile("Service Unavailable: /readyz")  # the launcher itself asks until it is


def redis(plan: Plan) -> ChildSpec | None:
    """Return the Redis of this launch, or None when another one is used."""
    if plan.redis is None:
        return None
    return ChildSpec(
        name="redis",
        command=redis_server.command(plan.redis, plan.redis_socket, plan.data),
        # It refuses to start with a locale that this machine does not have.
        environ={**plan.environ, "LC_ALL": "C"},
        noise=redis_server.NOISE,
    )


def migrate(plan: Plan) -> ChildSpec:
    """Return the one that brings the database's tables up to date."""
    return _python(plan, "migrate", "manage.py", "migrate", "--noinput", "--verbosity", "1")


def worker(plan: Plan) -> ChildSpec:
    """Return the Celery worker."""
    # Gossip, mingle and heartbeats are for several workers that know each other; here is one.
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    pool = ["--pool", "threads", "--concurrency", str(WORKER_THREADS)]
    spec = _celery(plan, "worker", *pool, *options)
    # To run as root is the machine's owner's business, for example in a container.
    spec = _without_warning(spec, "You're running the worker with superuser privileges")
    return replace(spec, noise=EMPTY_LINE)


def beat(plan: Plan) -> ChildSpec:
    """Return beat, a process of its own: inside the worker it would outlive the worker's kill."""
    return _celery(plan, "beat", "--schedule", str(plan.data / "beat-schedule"))


def web(plan: Plan) -> ChildSpec:
    """Return the web server."""
    options = {
        "host": plan.address.host,
        "port": str(plan.address.port),
        "workers": "1",
        "ws": "websockets-sansio",
        "ws-max-size": str(LARGEST_FRAME_BYTES),
        "ws-per-message-deflate": "false",
        # A peer that is gone without a word is noticed after 20 seconds.
        "ws-ping-interval": "10",
        "ws-ping-timeout": "10",
        "timeout-graceful-shutdown": str(GRACEFUL_SECONDS),
        "log-level": "warning",  # its errors; that it runs, the launcher says
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    application = ["config.asgi:application", "--no-access-log", "--no-server-header"]
    spec = _python(plan, "web", "-m", "uvicorn", *application, *words)
    spec = _without_warning(spec, "No directory at")  # the embedded default collects no files
    return replace(spec, noise=WEB_NOISE)


def renderer(plan: Plan) -> ChildSpec | None:
    """Return the example backend, or None when it is not needed."""
    if plan.renderer_port is None:
        return None
    own = {
        "RENDERER_HOST": RENDERER_HOST,
        "RENDERER_PORT": str(plan.renderer_port),
        "RENDERER_DATA": str(plan.data / "renderer"),
    }
    return _python(plan, "renderer", "-m", "examples.renderer", **own)


def _celery(plan: Plan, kind: str, *options: str) -> ChildSpec:
    quiet = ["-m", "celery", "-A", "config", "--quiet"]
    return _python(plan, kind, *quiet, kind, "--loglevel", "INFO", *options)


def _without_warning(spec: ChildSpec, beginning: str) -> ChildSpec:
    """Return the child with warnings that begin so left out, and the user's own filters kept."""
    filters = [f"ignore:{beginning}", spec.environ.get("PYTHONWARNINGS", "")]
    more = {"PYTHONWARNINGS": ",".join(filter(None, filters))}
    return replace(spec, environ={**spec.environ, **more})


def _python(plan: Plan, name: str, *arguments: str, **more_environ: str) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=(sys.executable, *arguments),
        environ={**plan.environ, **more_environ},
    )
