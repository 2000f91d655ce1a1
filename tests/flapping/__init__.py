"""Many jobs on a backend that flaps, while worker and Redis are killed: none is lost or doubled.

`tests/acceptance/test_flapping.py` plays it small; `python -m tests.flapping` in full.
"""
