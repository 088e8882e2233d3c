"""The replay engine on a million ticks: ticks a second, peak memory."""

import datetime as dt
import json
import random
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from algo_contract.calendar import IST
from local_cluster.kube import ROOT

from tests.bench.results import Figure

TICKS, RUNS = 1_000_000, 5


def measure() -> list[Figure]:
    """Five runs; the median."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_day(Path(folder) / "ticks.csv")
        speeds, peaks = zip(*(run(path) for _ in range(RUNS)), strict=True)
    speed, peak = statistics.median(speeds), max(peaks)
    how = f"{TICKS:,} ticks, median of {RUNS} runs of `algo-runner replay`"
    return [
        Figure("replay, ticks/s on one core", f"{speed:,.0f}", "300,000", speed >= 300_000, how),
        Figure("replay, peak memory", f"{peak:.0f} MiB", "60 MB", peak * 1.048576 <= 60, how),
    ]


def run(path: Path) -> tuple[float, float]:
    """Ticks a second, and peak memory in MiB."""
    done = subprocess.run(
        [
            *("time", "-f", "peak %M", str(ROOT / ".venv/bin/algo-runner"), "replay", "--json"),
            *("--strategy", str(ROOT / "crds/samples/stopped-out.yaml"), "--ticks", str(path)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    day = json.loads(done.stdout)
    found = re.search(r"peak (\d+)", done.stderr)
    assert found is not None
    return day["ticks"] / day["elapsed_s"], int(found[1]) / 1024


def write_day(path: Path) -> Path:
    """A day of ticks at millisecond times, a random walk that stays above the stop."""
    walk = random.Random(9)
    start = dt.datetime(2019, 7, 9, 9, 15, tzinfo=IST)
    price = 9500
    with path.open("w", encoding="utf-8") as file:
        file.write("time,exchange,symbol,price,quantity,volume\n")
        for n in range(TICKS):
            at = start + dt.timedelta(microseconds=n * 22_400_000_000 // TICKS)
            price = max(9350, price + walk.choice((-5, 0, 5)))
            stamp = at.isoformat(timespec="milliseconds")
            file.write(f"{stamp},NSE,YESBANK,{price // 100}.{price % 100:02d},7,{7 * n}\n")
    return path
