"""The command line of the benches."""

import argparse
import os
import signal
import sys
import time

from bench import (
    asking,
    browser,
    client,
    eta,
    fanout,
    idle,
    latency,
    ledger,
    polling,
    reading,
    report,
    resume,
    scale,
)

BENCHES = {
    "polling": polling.run,
    "scale": scale.run,
    "fanout": fanout.run,
    "asking": asking.run,
    "idle": idle.run,
    "resume": resume.run,
    "latency": latency.run,
    "client": client.run,
    "reading": reading.run,
    "eta": eta.run,
    "ledger": ledger.run,
    "browser": browser.run,
}
BUSY = 1.0  # load before the benches begin


def main() -> None:
    """Run the benches that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="ProgRock beside the plain design, in one run."
    )
    parser.add_argument(
        "bench", nargs="*", metavar="BENCH", help=f"some of: {', '.join(BENCHES)}; without, all"
    )
    parser.add_argument("--quick", action="store_true", help="the main figures, one to two minutes")
    asked = parser.parse_args()
    if unknown := set(asked.bench) - BENCHES.keys():
        parser.error(f"there is no {', '.join(unknown)}; known: {', '.join(BENCHES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and so end all processes
    load, start = os.getloadavg()[0], time.monotonic()
    if load > BUSY:
        print(f"The machine is busy (load {load:.1f}): trust CPU per unit more than rates.")
    results: dict[str, object] = {"quick": asked.quick, "load before": load}
    for name in asked.bench or BENCHES:
        results |= BENCHES[name](quick=asked.quick)
    print(f"\n{time.monotonic() - start:.0f} s; kept in {report.keep(results)}")


if __name__ == "__main__":
    main()
