"""Python's garbage collector, set for processes that live long and make many short-lived values."""

import gc

YOUNGEST = 100_000  # new containers before a collection; Python's default is 700


def settle() -> None:
    """Leave out of all later collections what was loaded so far, and collect less often.

    A poll makes about sixty containers, nearly all freed by their reference counts. With the
    default the collector walked through all of Django's again and again: 4 to 8 % of a worker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, 20, 20)
