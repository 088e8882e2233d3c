"""The working set of a live runner: the image of the pods, its TLS client and all, in position.

The runner runs in a container of its own, so that the kernel counts its memory as it does a pod's;
the simulated broker serves TLS, with a certificate that the runner verifies.
"""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from support.servers.cluster_client import docker_env
from support.servers.live_strategy import live_strategy
from local_cluster.kube import image_of
from support.servers.redis_server import RedisProcess, running_redis
from support.servers.runner_process import RunnerProcess

from tests.bench.results import Figure

NAME = "algo-bench-live"
GOAL_MIB = 45.0
SAMPLES = 8


@dataclass
class ContainerRunner(RunnerProcess):
    """The runner in its image, on the host's network."""

    def start(self) -> None:
        """Starts the container; its Secret is mounted where a pod has it."""
        for path in (self.folder, *self.folder.iterdir()):
            path.chmod(0o755)
        (self.folder / "ca.pem").write_bytes((self.folder.parent / "ca.pem").read_bytes())
        options = ["--rm", "--name", NAME, "--network", "host", "--read-only"]
        options += ["--volume", f"{self.folder}:/etc/algo:ro"]
        options += ["--env", "SSL_CERT_FILE=/etc/algo/ca.pem"]
        command = ["docker", "run", *options, image_of("RUNNER"), "run", "--port", str(self.port)]
        with (self.folder / "runner.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=docker_env())


def measure() -> list[Figure]:
    """Ready, then in position with the stop at the broker; the most of some samples."""
    with running_redis(append_only=True) as redis, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        idle, held = asyncio.run(_measure(Path(folder), redis))
    how = "container memory less inactive file pages, TLS verified, Zerodha's adapter"
    return [
        Figure("live runner, waiting", f"{idle:.1f} MiB", "45 MiB", idle <= GOAL_MIB, how),
        Figure("live runner, in position", f"{held:.1f} MiB", "45 MiB", held <= GOAL_MIB, how),
    ]


async def _measure(folder: Path, redis: RedisProcess) -> tuple[float, float]:
    ca = trustme.CA()
    cert = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    cert.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in cert.cert_chain_pems:
        blob.write_to_path(str(folder / "cert.pem"), append=True)
    words = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
    os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
    options: dict[str, Any] = {"sim": words, "process": ContainerRunner, "stop_loss": 8900}
    async with live_strategy(folder, redis, "zerodha", **options) as rig:
        idle = await asyncio.to_thread(_most)
        await rig.buy()
        await rig.sim.advance("10:30:00")
        held = await asyncio.to_thread(_most)
        await asyncio.to_thread(_stop)
    return idle, held


def _stop() -> None:
    subprocess.run(["docker", "stop", NAME], capture_output=True, check=True, env=docker_env())


def _most() -> float:
    """The largest working set of some samples, in MiB."""
    return max(_working_set() for _ in range(SAMPLES))


def _working_set() -> float:
    time.sleep(0.5)
    command = ["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", NAME]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=docker_env())
    found = re.match(r"([\d.]+)(KiB|MiB|GiB)", said.stdout)
    assert found, said.stdout
    scale = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}[found[2]]
    return float(found[1]) * scale
