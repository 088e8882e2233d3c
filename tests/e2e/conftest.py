"""End-to-end tests run on the local cluster that `make up` made, with the product installed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.cluster_client import account_object, tenant, wait_until
from local_cluster.kube import PLATFORM, ROOT, KubectlError, apply, kubectl


@pytest.fixture(scope="session", autouse=True)
def product() -> None:
    """Fails, and says what to do, where the cluster or the product is missing."""
    if not (ROOT / ".local/kubeconfig").exists():
        pytest.fail("there is no local cluster: run `make up`", pytrace=False)
    try:
        kubectl("rollout", "status", "deploy/algo-operator", "-n", PLATFORM, "--timeout=120s")
    except (KubectlError, subprocess.SubprocessError) as error:
        pytest.fail(f"the product is not up ({error}): run `make up`", pytrace=False)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A tenant of the test's own, with a paper account that has its own feed and clock."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")[:40]
    with tenant(f"tenant-{name.strip('-')}") as made:
        apply(account_object(made))
        wait_until(lambda: _account_id(made) != "", 30, f"account in {made} has an id")
        yield made


def _account_id(namespace: str) -> str:
    return kubectl("get", "ba", "recorded", "-n", namespace, "-o", "jsonpath={.status.id}")


@pytest.fixture
def ticks_file(tmp_path: Path) -> Path:
    return tmp_path / "ticks.csv"
