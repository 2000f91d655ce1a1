"""What HTTP answers about a job, for tests."""

from typing import Any

import httpx


def end_of(api: httpx.Client, job: str) -> dict[str, Any]:
    """Wait for a job's end by long polling, and return its snapshot."""
    seq = 0
    while True:
        snapshot = api.get(f"jobs/{job}", params={"after": seq, "wait": 10}).json()
        if snapshot["complete"]:
            return dict(snapshot)
        assert snapshot["seq"] > seq, f"nothing more comes of {job}"
        seq = snapshot["seq"]
