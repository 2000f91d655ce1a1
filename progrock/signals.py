"""SIGHUP: take up the changed description of the backends, without a restart."""

import signal
import threading
from types import FrameType

from progrock.backends import registry


def reload_on_hangup() -> None:
    """Have SIGHUP reload the backends of this process; call it in the main thread."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _reload)


def _reload(number: int, frame: FrameType | None) -> None:
    # In a thread: a signal handler runs between any two steps of the program.
    threading.Thread(target=registry.reload, name="reload-backends", daemon=True).start()
