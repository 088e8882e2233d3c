"""A real API server with our custom resources, one a session."""

import subprocess
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
from support.servers.kube_api import KubeApi, running

KUBECTL = ROOT / ".tools/bin/kubectl"
STRATEGIES = "/apis/algotrading.io/v1alpha1/namespaces/default/tradingstrategies"
ACCOUNTS = "/apis/algotrading.io/v1alpha1/namespaces/default/brokeraccounts"


@pytest.fixture(scope="session")
def api() -> Iterator[KubeApi]:
    with running(controllers=()) as server:
        subprocess.run(
            [KUBECTL, "--kubeconfig", server.kubeconfig, "apply", "--server-side", "-f",
             ROOT / "crds/manifests"],
            check=True, capture_output=True,
        )  # fmt: skip
        _wait_until_served(server)
        yield server


def _wait_until_served(server: KubeApi) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            server.request("GET", STRATEGIES)
            server.request("GET", ACCOUNTS)
            return
        except urllib.error.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
