"""The words of the command line. Imports argparse alone: `--help` shall answer at once."""

import argparse
from typing import TypeAlias

from progrock import __version__
from progrock.command.outcome import MEANINGS
from progrock.command.params import parse_param

EXIT_CODES = "\n".join(f"  {code.value:<4} {meaning}" for code, meaning in MEANINGS.items())
EPILOG = f"""\
exit codes:
{EXIT_CODES}
  Of several jobs, that of the first that did not succeed.

environment:
  PROGROCK_URL    the server (http://127.0.0.1:8000)
  PROGROCK_TOKEN  a token for it; for `report`, the job's report token is enough

examples:
  progrock start fractal -p width=4000 -p palette=ember --watch
  progrock list --state running --state queued
  JOB=$(progrock start push --title "Nightly import")
  progrock report $JOB --current 30 --total 100 --unit rows
  progrock report $JOB --state succeeded
"""
STATES = "pending queued running cancelling succeeded failed cancelled timed_out".split()
ENDS = ("queued", "running", "succeeded", "failed", "cancelled")


def new_parser() -> argparse.ArgumentParser:
    """Return the parser of `progrock`."""
    parser = argparse.ArgumentParser(
        prog="progrock",
        description="Start long-running jobs on a ProgRock server and watch them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"progrock {__version__}")
    parser.set_defaults(url=None, token=None, json=False)
    _add_common(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_start(commands)
    _add_watch(commands)
    _add_list(commands)
    _add_cancel(commands)
    _add_retry(commands)
    _add_report(commands)
    _add_backends(commands)
    return parser


# argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add what may stand before and after the command's name."""
    unset = argparse.SUPPRESS  # so that the one after does not undo the one before
    parser.add_argument("--url", default=unset, help="the server; else PROGROCK_URL")
    parser.add_argument("--token", default=unset, help="who you are; else PROGROCK_TOKEN")
    parser.add_argument(
        "--json", action="store_true", default=unset, help="print JSON, one object a line"
    )


def _command(commands: Commands, name: str, does: str, more: str = "") -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.{' ' if more else ''}{more}",
        epilog=f"exit codes:\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(parser)
    return parser


def _add_params(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--param",
        dest="params",
        action="append",
        default=[],
        type=parse_param,
        metavar="NAME=VALUE",
        help="a parameter; VALUE is JSON where it parses, else text; @FILE is what FILE holds",
    )


def _add_watch_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-w", "--watch", action="store_true", help="watch it up to its end")


def _add_start(commands: Commands) -> None:
    parser = _command(
        commands, "start", "start a job", "Prints the job's id, or with --watch its bar."
    )
    parser.add_argument("backend", nargs="?", help="see `progrock backends`; else the default one")
    _add_params(parser)
    parser.add_argument("--title", help="what people shall call it")
    parser.add_argument("--label", dest="labels", action="append", default=[], help="repeatable")
    parser.add_argument("--key", help="the same key gives the same job again, for 24 h")
    _add_watch_option(parser)


def _add_watch(commands: Commands) -> None:
    parser = _command(
        commands, "watch", "watch jobs up to their end", "Ctrl-C asks: detach, or cancel."
    )
    parser.add_argument("jobs", nargs="+", metavar="JOB")


def _add_list(commands: Commands) -> None:
    parser = _command(commands, "list", "list jobs, the newest first")
    parser.add_argument(
        "--state", dest="states", action="append", choices=STATES, metavar="STATE",
        help="repeatable: " + ", ".join(STATES),
    )  # fmt: skip
    parser.add_argument("--backend")
    parser.add_argument("--label")
    parser.add_argument("--search", metavar="TEXT", help="in titles and messages")
    parser.add_argument("--mine", action="store_true", help="only jobs of your own")
    parser.add_argument("-n", "--limit", type=_positive, default=20, help="at most so many (20)")


def _add_cancel(commands: Commands) -> None:
    parser = _command(commands, "cancel", "ask for jobs to be stopped")
    parser.add_argument("jobs", nargs="+", metavar="JOB")


def _add_retry(commands: Commands) -> None:
    parser = _command(commands, "retry", "start an ended job once more, as a new one")
    parser.add_argument("job", metavar="JOB")
    _add_params(parser)
    _add_watch_option(parser)


def _add_report(commands: Commands) -> None:
    parser = _command(
        commands,
        "report",
        "report the progress of a job of the backend push",
        "Ends with 3 where somebody has cancelled the job.",
    )
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--progress", type=float, metavar="PERCENT", help="0 to 100")
    parser.add_argument("--current", type=float, help="how much is done")
    parser.add_argument("--total", type=float, help="of how much")
    parser.add_argument("--unit", help="of what, such as rows")
    parser.add_argument("-m", "--message")
    parser.add_argument("--log", action="append", metavar="LINE", help="repeatable")
    parser.add_argument("--state", choices=ENDS, metavar="STATE", help=", ".join(ENDS))
    parser.add_argument("--result", metavar="JSON", help="with --state succeeded; JSON, else text")
    parser.add_argument("--error", metavar="TEXT", help="with --state failed: why")


def _add_backends(commands: Commands) -> None:
    parser = _command(commands, "backends", "say what jobs can be started on")
    parser.add_argument("name", nargs="?", help="one of them, with its parameters")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
