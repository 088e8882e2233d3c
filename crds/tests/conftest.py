"""A real API server with our custom resources, one a session."""

import subprocess
import time
import urllib.error
from collections.abc import Iterator

import pytest

from support.factories.spec_cases import ACCOUNTS, STRATEGIES
from support.servers.kube_api import KUBECTL, ROOT, KubeApi, running


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
