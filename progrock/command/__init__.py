"""The command `progrock`: start jobs, watch their bars, report your own from a shell script.

`main` loads no more than it needs: `--help` answers before httpx or rich are imported.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see `outcome`."""
    from progrock.command.parser import new_parser  # noqa: PLC0415 - see above

    given = new_parser().parse_args(arguments)
    from progrock.command.running import run  # noqa: PLC0415 - see above

    return run(given)
