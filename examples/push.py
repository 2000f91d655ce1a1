"""A program that does its own work and reports its progress to ProgRock.

    python examples/push.py [URL [ROWS]]

Needs `requests` only. The job shows on the dashboard like any other; cancel it there, and the
program stops.
"""

import sys
import time
from typing import Any

import requests

REPORT_SECONDS = 0.5


def main() -> int:
    """Import rows that are not there, and report how far it is. 0 when done, 1 when cancelled."""
    url = (sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000") + "/api/v1/jobs"
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    started = requests.post(url, json={"backend": "push", "title": "Nightly import"}, timeout=10)
    started.raise_for_status()
    job = started.json()
    report_url = f"{url}/{job['job']}/report"
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {job['report_token']}"

    def report(**what: Any) -> dict[str, Any]:
        answer = session.post(report_url, json=what, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    reported_at = 0.0
    for row in range(rows):
        time.sleep(0.03)  # the work
        if time.monotonic() - reported_at < REPORT_SECONDS:
            continue
        reported_at = time.monotonic()
        now = report(current=row, total=rows, unit="rows", message=f"row {row} of {rows}")
        print(f"{now['progress']:5.1f} %  {now['message']}")
        if now["state"] == "cancelling":
            report(state="cancelled")
            print("cancelled")
            return 1
    report(state="succeeded", result={"rows": rows}, message=f"{rows} rows imported")
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
