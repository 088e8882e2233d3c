"""The runner is killed, its pod deleted, in position, over and over: nothing lost or doubled."""

from pathlib import Path

import pytest
from support.servers.cluster_client import (
    How,
    guard_of,
    murder,
    pod_of,
    published,
    status_of,
    strategy_object,
    wait_execution,
    wait_job_done,
    write_ticks,
)
from support.factories.days import ticks_at
from local_cluster.kube import apply, kubectl

pytestmark = pytest.mark.e2e

TIMES = 10
QUIET = ticks_at([9500, 9550, 9600])
FALL = ticks_at([9500, 9550, 9600, 9400, 9290, 9200])


@pytest.mark.parametrize("how", ["runner", "first", "delete"])
def test_ten_times_in_a_row(how: How, namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published(f"e2e-{how}", write_ticks(ticks_file, QUIET), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
        with guard_of(namespace, "morning") as guard:
            for _ in range(TIMES):
                murder(namespace, "morning", how, guard)
    status = status_of(namespace, "morning")
    assert status["execution"] == "BOUGHT"
    assert status["position"] == 10

    with published(f"e2e-{how}-fall", write_ticks(ticks_file, FALL), account=account):
        wait_job_done(f"e2e-{how}-fall")
        status = wait_execution(namespace, "morning", "SOLD", 60)
    assert status["reason"] == "stop_loss"
    assert status["realizedPnl"] == -21.0


def test_a_stop_touched_while_the_pod_is_away(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-away", write_ticks(ticks_file, QUIET), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
    pod = pod_of(namespace, "morning")
    assert pod is not None
    kubectl("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--wait=false")
    with published("e2e-away-fall", write_ticks(ticks_file, FALL), account=account, wait_ready=0):
        status = wait_execution(namespace, "morning", "SOLD", 60)
    assert status["reason"] == "stop_loss"
    assert status["realizedPnl"] == -21.0
