"""The backend `push`: a program outside does the work and reports its own progress.

Nothing is polled. Its limits come with the job: after `stall_after` silent seconds it counts as
stalled, after `fail_after` it has failed.
"""

from collections.abc import Mapping
from typing import Any

from progrock.backends.backend import Offer
from progrock.jobs.policy import PollPolicy

NAME = "push"
STALL_AFTER = 60.0
FAIL_AFTER = 3600.0
OFFER = Offer(
    name=NAME,
    title="Reported job",
    description="A program reports its own progress by POST jobs/ID/report.",
    params_schema={
        "type": "object",
        "properties": {
            "stall_after": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 86_400,
                "description": f"seconds of silence after which it is stalled ({STALL_AFTER:g})",
            },
            "fail_after": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 864_000,
                "description": f"seconds of silence after which it has failed ({FAIL_AFTER:g})",
            },
        },
    },
)


def policy(params: Mapping[str, Any]) -> PollPolicy:
    """Return the limits of one reported job."""
    stall_after = float(params.get("stall_after") or STALL_AFTER)
    fail_after = float(params.get("fail_after") or FAIL_AFTER)
    return PollPolicy(
        stall_after=min(stall_after, fail_after),
        unreachable_for=fail_after,
        deadline=10 * 365 * 86_400.0,
        per_second=1_000.0,
    )
