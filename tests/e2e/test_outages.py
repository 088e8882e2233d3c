"""What the trade rests on goes away, in position: the stop is honoured all the same."""

from pathlib import Path

import pytest
from algo_contract.ids import strategy_id
from support.servers.cluster_client import (
    account_object,
    is_pod_ready,
    pod_of,
    published,
    status_of,
    strategy_object,
    tenant,
    wait_execution,
    wait_job_done,
    wait_until,
    write_ticks,
)
from support.factories.days import ticks_at
from local_cluster.kube import PLATFORM, apply, kubectl, read, read_or_none

pytestmark = pytest.mark.e2e

QUIET = ticks_at([9500, 9550, 9600])
FALL = ticks_at([9500, 9550, 9600, 9400, 9290, 9200])


@pytest.mark.parametrize("gone", ["redis-state-0", "redis-ticks-0", "operator"])
def test_gone_in_position(gone: str, namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published(f"e2e-{gone}", write_ticks(ticks_file, QUIET), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
    pod = pod_of(namespace, "morning")

    remove(gone)

    fall = write_ticks(ticks_file, FALL)
    with published(f"e2e-{gone}-fall", fall, account=account, wait_ready=0):
        wait_job_done(f"e2e-{gone}-fall")
        status = wait_execution(namespace, "morning", "SOLD", 90)
    assert status["reason"] == "stop_loss"
    assert status["realizedPnl"] == -21.0
    assert pod is not None
    assert status["runnerEpoch"] == 1, "no runner was replaced"


def test_applied_while_the_operator_is_away(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-down", write_ticks(ticks_file, FALL), account=account, wait_ready=0):
        wait_job_done("e2e-down")
    remove("operator")
    apply(strategy_object(namespace, "morning"))

    status = wait_execution(namespace, "morning", "SOLD", 90)

    assert status["realizedPnl"] == -21.0


def test_the_same_name_in_two_namespaces__shares_nothing(namespace: str, ticks_file: Path) -> None:
    with tenant("tenant-other") as other:
        apply(account_object(other))
        for place, quantity in ((namespace, 10), (other, 20)):
            apply(strategy_object(place, "morning", quantity=quantity))
        job = "e2e-same-name"
        with published(job, write_ticks(ticks_file, FALL), account=f"{namespace}/recorded"):
            first = wait_execution(namespace, "morning", "SOLD", 90)
            second = status_of(other, "morning")

    assert first["position"] == 0
    assert first["realizedPnl"] == -21.0
    assert second.get("execution") == "WAITING"
    assert first["id"] != second["id"]


def test_a_secret_deleted_by_hand__comes_back(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-secret", write_ticks(ticks_file, QUIET), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
        pod = pod_of(namespace, "morning")
        assert pod is not None
        uid = read("ts", "morning", "-n", namespace)["metadata"]["uid"]
        assert status_of(namespace, "morning")["id"] == strategy_id(uid)

        name = pod["metadata"]["name"]
        kubectl("delete", "secret", name, "-n", namespace)
        kubectl("delete", "pod", name, "-n", namespace, "--wait=false")

        wait_until(
            lambda: (
                (now := pod_of(namespace, "morning")) is not None
                and now["metadata"]["uid"] != pod["metadata"]["uid"]
                and is_pod_ready(now)
            ),
            60,
            "another pod with another Secret is ready",
        )
        assert status_of(namespace, "morning")["execution"] == "BOUGHT"


def remove(what: str) -> None:
    """Deletes a platform pod and waits for the next one."""
    if what == "operator":
        selector = "app.kubernetes.io/component=operator"
        kubectl("delete", "pod", "-n", PLATFORM, "-l", selector, "--grace-period=0", "--force")
        return
    before = read("pod", what, "-n", PLATFORM)["metadata"]["uid"]
    kubectl("delete", "pod", what, "-n", PLATFORM, "--grace-period=0", "--force")
    wait_until(
        lambda: (
            (now := read_or_none("pod", what, "-n", PLATFORM)) is not None
            and now["metadata"]["uid"] != before
            and is_pod_ready(now)
        ),
        90,
        f"{what} is back",
    )
