"""A runner process outside a cluster: from its start to /readyz."""

import tempfile
import time
from pathlib import Path

from support.factories.days import a_day
from support.servers.redis_server import running_redis
from support.servers.runner_process import RunnerProcess

from tests.bench.results import Figure, percentile

RUNS = 20


def measure() -> list[Figure]:
    """Twenty starts; the median."""
    with running_redis(append_only=True) as redis, tempfile.TemporaryDirectory() as folder:
        runner = RunnerProcess(Path(folder), redis, a_day())
        runner.assign(runner.day)
        seconds = [start(runner) for _ in range(RUNS)]
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    measured = f"p50 {p50:.2f} s, p95 {p95:.2f} s"
    return [Figure("process start to Ready", measured, "0.5 s", p95 <= 0.5, f"{RUNS} starts")]


def start(runner: RunnerProcess) -> float:
    """Seconds from exec to the first good answer of /readyz."""
    began = time.monotonic()
    runner.start()
    while not runner.is_ready():
        time.sleep(0.005)
    seconds = time.monotonic() - began
    runner.kill()
    return seconds
