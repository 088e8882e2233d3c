"""A day in real pods: it ends as the replay says, and the resource tells the story."""

from pathlib import Path

import pytest
from support.servers.cluster_client import (
    condition,
    events_of,
    is_pod_ready,
    pod_of,
    published,
    status_of,
    strategy_object,
    wait_execution,
    wait_until,
    write_ticks,
)
from support.factories.days import ticks_at
from local_cluster.kube import KubectlError, apply, kubectl

pytestmark = pytest.mark.e2e

DAY = ticks_at([9500, 9550, 9600, 9400, 9350, 9290, 9200])


def test_stopped_out(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-stopped-out", write_ticks(ticks_file, DAY), account=account):
        apply(strategy_object(namespace, "morning"))

        status = wait_execution(namespace, "morning", "SOLD", 90)

    assert status["reason"] == "stop_loss"
    assert status["averagePrice"] == 95.0
    assert status["realizedPnl"] == -21.0
    assert status["position"] == 0
    assert status["tradingDay"] == "2019-07-09"
    wait_until(lambda: pod_of(namespace, "morning") is None, 30, "the pod is gone when done")
    wait_until(
        lambda: {"Bought", "StopResting", "Sold"} <= set(events_of(namespace, "morning")),
        20,
        "the trade's story is told in Events",
    )
    assert status_of(namespace, "morning")["phase"] == "ACTIVE"


def test_deleted_in_position__sells_first(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-deleted", write_ticks(ticks_file, DAY[:3]), account=account, speed="1"):
        apply(strategy_object(namespace, "morning", sellTime="15:10:00"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
        wait_until(
            lambda: condition(namespace, "morning", "Protected").get("reason") == "RestingStop",
            10,
            "Protected tells of the resting stop",
        )

        kubectl("delete", "ts", "morning", "-n", namespace, "--timeout=60s")

        assert pod_of(namespace, "morning") is None


def test_stopped_by_its_owner__exits_and_runs_no_pod(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-stopped", write_ticks(ticks_file, DAY[:3]), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)

        apply(strategy_object(namespace, "morning", desiredState="Stopped"))

        status = wait_execution(namespace, "morning", "STOPPED", 30)
    assert status["reason"] == "stopped"
    wait_until(lambda: pod_of(namespace, "morning") is None, 30, "the pod is gone")
    assert status_of(namespace, "morning")["phase"] == "STOPPED"


def test_an_edited_stop__counts_in_position(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-edited", write_ticks(ticks_file, DAY[:3]), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)

        apply(strategy_object(namespace, "morning", stopLoss=94.5))

        wait_until(
            lambda: status_of(namespace, "morning").get("stopPrice") == 94.5,
            30,
            "the new stop is in force",
        )


def test_a_pod_deleted_by_hand__comes_back(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-drift", write_ticks(ticks_file, DAY[:3]), account=account, speed="1"):
        apply(strategy_object(namespace, "morning"))
        wait_execution(namespace, "morning", "BOUGHT", 90)
        before = pod_of(namespace, "morning")
        assert before is not None

        kubectl("delete", "pod", before["metadata"]["name"], "-n", namespace, "--wait=false")

        wait_until(
            lambda: (
                (now := pod_of(namespace, "morning")) is not None
                and now["metadata"]["uid"] != before["metadata"]["uid"]
                and is_pod_ready(now)
            ),
            30,
            "another pod is ready",
        )
        assert status_of(namespace, "morning")["execution"] == "BOUGHT"


def test_outside_a_tenant__is_said(ticks_file: Path) -> None:
    apply(strategy_object("default", "stray"))
    try:
        wait_until(
            lambda: condition("default", "stray", "Ready").get("reason") == "NotATenant",
            30,
            "Ready says NotATenant",
        )
        assert pod_of("default", "stray") is None
    finally:
        kubectl("delete", "ts", "stray", "-n", "default", "--timeout=30s")


def test_the_eleventh_strategy__is_refused_by_the_quota(namespace: str) -> None:
    for number in range(10):
        apply(strategy_object(namespace, f"s{number}"))

    with pytest.raises(KubectlError, match="exceeded quota"):
        apply(strategy_object(namespace, "s10"))


def test_a_missing_account__is_said(namespace: str) -> None:
    apply(strategy_object(namespace, "morning", brokerAccount="nobody"))

    wait_until(
        lambda: condition(namespace, "morning", "Ready").get("status") == "False",
        30,
        "Ready is False",
    )
    assert "nobody" in condition(namespace, "morning", "Ready")["message"]


def test_too_late_a_sell_time__is_said(namespace: str, ticks_file: Path) -> None:
    account = f"{namespace}/recorded"
    with published("e2e-late", write_ticks(ticks_file, DAY), account=account):
        apply(strategy_object(namespace, "morning", sellTime="15:25:00"))

        wait_until(
            lambda: "15:18:00" in condition(namespace, "morning", "Ready").get("message", ""),
            30,
            "Ready names the latest sell time",
        )
