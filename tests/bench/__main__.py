"""`make bench [ONLY=replay,decode,...]`: measures PARTS, prints, and writes docs/benchmarks.md.

The local cluster is started for the parts that need it, after those that it would disturb.
"""

import os
import subprocess
import sys
import time

from local_cluster.kube import ROOT

from tests.bench import (
    decode_speed,
    feed_speed,
    live_memory,
    order_speed,
    pods,
    replay_speed,
    start_up,
)
from tests.bench.results import Figure, table, write_page

PARTS = {
    "replay": replay_speed.measure,
    "start": start_up.measure,
    "decode": decode_speed.measure,
    "feed": feed_speed.measure,
    "order": order_speed.measure,
    "live": live_memory.measure,
    "pods": pods.measure,
}
ON_THE_CLUSTER = {"live", "pods"}


def main() -> int:
    """Always 0: a benchmark does not fail."""
    chosen = [part for part in os.environ.get("ONLY", "").split(",") if part] or list(PARTS)
    results: list[Figure] = []
    is_up = False
    for part in chosen:
        if part in ON_THE_CLUSTER and not is_up:
            subprocess.run(["make", "up"], cwd=ROOT, check=True)
            is_up = True
        print(f"measuring {part} ...", flush=True)
        for figure in PARTS[part]():
            print(f"  {figure.what}: {figure.measured} (goal {figure.goal})", flush=True)
            results.append(figure)
    print(table(results))
    if set(chosen) == set(PARTS):
        write_page(results, time.strftime("%d %B %Y"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
