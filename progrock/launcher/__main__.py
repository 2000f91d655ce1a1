"""`python -m progrock.launcher`: start everything in the foreground, end everything on Ctrl-C."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping

from progrock.launcher import data_folder
from progrock.launcher.address import read_address, require_free
from progrock.launcher.disk_watch import DiskWatch
from progrock.launcher.environment import data_folder as data_folder_path
from progrock.launcher.errors import LaunchRefused
from progrock.launcher.launch import bring_up
from progrock.launcher.output import Log, printable, wants_colour
from progrock.launcher.plan import Plan, make_plan
from progrock.launcher.supervisor import Supervisor
from progrock.launcher.tether import follow_parent

LOG_SECONDS = 0.3
STDOUT = 1


def main() -> int:
    """Launch ProgRock and return the exit code: 0 when it was ended, 2 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m progrock.launcher", description=__doc__)
    parser.add_argument(
        "--end-with-parent",
        action="store_true",
        help="end when the process that started this one dies, as under make",
    )
    if parser.parse_args().end_with_parent:
        follow_parent(signal.SIGTERM, os.getppid())
    try:
        _launch(os.environ)
    except LaunchRefused as refusal:
        sys.stderr.write(f"{printable_lines(str(refusal))}\n")
        return refusal.exit_code
    except KeyboardInterrupt:  # before the first child
        return 0
    return 0


def _launch(environ: Mapping[str, str]) -> None:
    """Hold the data folder, launch, and wait until somebody ends it. Raises LaunchRefused."""
    os.umask(0o077)  # all that is written from here on is for this user alone
    address = read_address(environ)
    data = data_folder_path(environ)
    data_folder.prepare(data)
    held = data_folder.HeldFolder(data, address.url)
    try:
        require_free(address)
        plan = make_plan(environ, address, data)
        log = Log(STDOUT, colour=wants_colour(environ, STDOUT))
        try:
            asyncio.run(_supervise(plan, log))
        finally:
            log.close(LOG_SECONDS)
    finally:
        held.release()


async def _supervise(plan: Plan, log: Log) -> None:
    supervisor = Supervisor(log.say, DiskWatch(log, plan.data).take)
    told_to_end = asyncio.Event()
    _heed_signals(told_to_end, supervisor, log)
    starting = asyncio.create_task(bring_up(plan, supervisor, log))
    waiting = asyncio.create_task(told_to_end.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()  # raises what made the start fail
            await waiting
    finally:
        starting.cancel()
        waiting.cancel()
        # Redis outlives those that talk to it while they end.
        await supervisor.end_all(last=["redis"])
        log.say("Everything has ended.")


def _heed_signals(told_to_end: asyncio.Event, supervisor: Supervisor, log: Log) -> None:
    loop = asyncio.get_running_loop()

    def end(why: str) -> None:
        if not told_to_end.is_set():
            log.say(f"{why}: ending all children; Ctrl-C again kills them")
            told_to_end.set()

    def interrupt() -> None:
        if told_to_end.is_set():
            supervisor.hurry()
        end("Ctrl-C")

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, end, "SIGTERM")
    # Under nohup a closed terminal is none of our business.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, end, "The terminal was closed")


def printable_lines(text: str) -> str:
    """Return a sentence with its lines, safe for a terminal."""
    return "\n".join(printable(line) for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
