"""One launch in its order: Redis and the tables, then everything else, then the ready line."""

import asyncio
import json
import time

from progrock.launcher import children, migration, probes, redis_server
from progrock.launcher.child import Ending
from progrock.launcher.environment import write_running
from progrock.launcher.errors import LaunchRefused
from progrock.launcher.output import Log
from progrock.launcher.plan import RENDERER_HOST, Plan
from progrock.launcher.supervisor import Supervisor

REDIS_SECONDS = 60.0
READY_SECONDS = 60.0
PING_INTERVAL_SECONDS = 0.02
PROBE_INTERVAL_SECONDS = 0.1
PATIENCE_SECONDS = 10.0


async def bring_up(plan: Plan, supervisor: Supervisor, log: Log) -> None:
    """Start all children and say when the page can be used. Raises LaunchRefused."""
    for note in plan.notes:
        log.say(note)
    write_running(plan.data, plan.environ)
    if (renderer := children.renderer(plan)) is not None:
        supervisor.keep(renderer)
    await asyncio.gather(_bring_up_redis(plan, supervisor), _migrate(plan, supervisor))
    supervisor.keep(children.web(plan))
    supervisor.keep(children.worker(plan))
    supervisor.keep(children.beat(plan))
    await _tell_ready(plan, log)


async def _bring_up_redis(plan: Plan, supervisor: Supervisor) -> None:
    spec = children.redis(plan)
    if spec is None or plan.redis is None:
        return
    redis_server.prepare_folders(plan.redis, plan.environ, plan.data)
    came_up = asyncio.Event()
    run = supervisor.keep(spec, came_up=came_up)
    deadline = time.monotonic() + REDIS_SECONDS
    while not await redis_server.answers(plan.redis_socket):
        if run.done():
            raise LaunchRefused(_redis_failed(plan, run.result()))
        if time.monotonic() > deadline:
            raise LaunchRefused(
                f"Redis did not answer within {REDIS_SECONDS:.0f} s on {plan.redis_socket}.\n"
                "See its lines above; or use another one: make run REDIS_URL=redis://HOST:6379/0"
            )
        await asyncio.sleep(PING_INTERVAL_SECONDS)
    came_up.set()


def _redis_failed(plan: Plan, ending: Ending) -> str:
    folder = plan.data / plan.redis.folder_name if plan.redis else plan.data
    said = "\n".join(f"    {line}" for line in ending.last_lines) or "    (it said nothing)"
    return (
        f"Redis does not start: it {ending.reason}. It said:\n{said}\n"
        f"If its files are damaged, move {folder} away and start again: jobs are kept in the "
        "database, nothing is lost."
    )


async def _migrate(plan: Plan, supervisor: Supervisor) -> None:
    if plan.uses_own_database and migration.is_current(plan.data):
        return
    ending = await supervisor.run_once(children.migrate(plan))
    if ending.returncode != 0:
        said = ending.last_lines[-1] if ending.last_lines else "it said nothing"
        where = "the database in " + str(plan.data) if plan.uses_own_database else "DATABASE_URL"
        raise LaunchRefused(
            f"The database could not be prepared: migrate {ending.reason}: {said}\n"
            f"See its lines above, and check {where}."
        )
    if plan.uses_own_database:
        migration.note_current(plan.data)


async def _tell_ready(plan: Plan, log: Log) -> None:
    deadline = time.monotonic() + READY_SECONDS
    complain_at = time.monotonic() + PATIENCE_SECONDS
    while (missing := await _missing(plan)) is not None:
        now = time.monotonic()
        if now > deadline:
            log.say(
                f"Not ready after {READY_SECONDS:.0f} s: {missing}. See the lines above; "
                f"what died is started again, and the page is at {plan.address.url}"
            )
            return
        if now > complain_at:
            complain_at = now + PATIENCE_SECONDS
            log.say(f"Still waiting: {missing}")
        await asyncio.sleep(PROBE_INTERVAL_SECONDS)
    log.say(f"ProgRock is ready: {plan.address.url}  (Ctrl-C ends it)")


async def _missing(plan: Plan) -> str | None:
    """Return what is not ready yet, or None."""
    host, port = plan.address.reachable_host, plan.address.port
    if await probes.get(host, port, "/healthz", named=plan.probe_name) is None:
        return f"the web server does not answer on port {port}"
    answer = await probes.get(host, port, "/readyz", named=plan.probe_name)
    if answer is None:
        return f"the web server does not answer on port {port}"
    if answer.status != 200:
        return f"/readyz answers {answer.status}: {_reasons(answer.body)}"
    if plan.renderer_port is not None:
        answer = await probes.get(RENDERER_HOST, plan.renderer_port, "/healthz")
        if answer is None or answer.status != 200:
            return f"the example backend does not answer on port {plan.renderer_port}"
    return None


def _reasons(body: str) -> str:
    """Return the sentences in what /readyz says, or its beginning when it says something else."""
    try:
        checks = json.loads(body)["checks"].values()
        return " ".join(check["reason"] for check in checks if not check["ok"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return " ".join(body.split())[:200]
