"""Run a command that dies with its parent: `python -I -S tether.py PARENT_PID COMMAND ...`.

A parent that is killed by SIGKILL can end nobody. Linux can do it for the parent: a process that
asked for it gets a signal when its parent dies (man 2 prctl, PR_SET_PDEATHSIG), and the request
outlives exec. So each child is started through this file, which asks and then becomes the command.
It runs by its path, alone, in 10 ms; code between fork and exec in the launcher would not be safe.
The signal comes when the *thread* that started the child ends: the launcher starts all of its
children from its main thread. Elsewhere than on Linux nothing is asked for.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def follow_parent(signal_number: int, parent: int) -> bool:
    """Ask for the signal when our parent dies; return whether `parent` still is our parent.

    The second half closes the gap in which it died before we could ask.
    """
    if sys.platform == "linux":
        try:
            import ctypes  # noqa: PLC0415 - a Python built without libffi goes untethered
        except ImportError:
            return os.getppid() == parent
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    return os.getppid() == parent


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command. Exits 127 when there is none."""
    parent, *command = arguments
    if not follow_parent(signal.SIGKILL, int(parent)):
        sys.exit(1)
    # Python ignores SIGPIPE, and what is ignored stays so after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be run: {error.strerror}.\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
