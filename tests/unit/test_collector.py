"""The garbage collector of a worker: what was loaded is left alone, and cycles still go."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from progrock import collector

class Node: pass

collector.settle()
assert gc.get_freeze_count() > 1_000
node = Node()
node.itself, gone = node, weakref.ref(node)
del node
for _ in range(collector.YOUNGEST):
    keep = [[] for _ in range(2)]
    held = globals().setdefault("held", [])
    held.append(keep)
print("collected" if gone() is None else "left")
"""


def test_cycles_are_still_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "collected"
