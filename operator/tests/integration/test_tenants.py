"""Tenant namespaces on a real API server; the quota controller is played."""

import pytest
from algo_kube.resources import LIMIT_RANGES, NAMESPACES, NETWORK_POLICIES, QUOTAS, STRATEGIES

pytestmark = pytest.mark.api_server

COUNT = "count/tradingstrategies.algotrading.io"


async def counted(world, namespace: str, limit: str = "10") -> None:
    status = {"hard": {COUNT: limit, "pods": "15"}, "used": {COUNT: "0", "pods": "0"}}
    await world.kube.patch(QUOTAS, namespace, "algo-tenant", {"status": status}, sub="status")


async def ready(world, namespace: str) -> dict:
    return await world.until(
        NAMESPACES,
        None,
        namespace,
        lambda b: b["metadata"]["annotations"]["algotrading.io/ready"] == "true",
    )


async def test_a_tenant_gets_all_it_must_have_and_is_ready_once_counted(world):
    await world.start()
    namespace = await world.tenant()

    await world.until(NETWORK_POLICIES, namespace, "algo-runner", lambda b: b)
    assert await world.get(NETWORK_POLICIES, namespace, "algo-default-deny")
    assert await world.get(LIMIT_RANGES, namespace, "algo-tenant")
    body = await world.get(NAMESPACES, None, namespace)
    assert "algotrading.io/ready" not in body["metadata"].get("annotations", {})
    await counted(world, namespace)

    body = await ready(world, namespace)
    assert body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


async def test_drift_is_corrected(world):
    await world.start(resync_seconds=0.5)
    namespace = await world.tenant()
    await world.until(QUOTAS, namespace, "algo-tenant", lambda b: b)
    await counted(world, namespace)
    await ready(world, namespace)

    await world.kube.patch(QUOTAS, namespace, "algo-tenant", {"spec": {"hard": {COUNT: "999"}}})
    await world.kube.delete(NETWORK_POLICIES, namespace, "algo-default-deny")

    await world.until(QUOTAS, namespace, "algo-tenant", lambda b: b["spec"]["hard"][COUNT] == "10")
    await world.until(NETWORK_POLICIES, namespace, "algo-default-deny", lambda b: b)


async def test_an_annotation_raises_the_limit(world):
    await world.start()
    namespace = await world.tenant()
    await world.until(QUOTAS, namespace, "algo-tenant", lambda b: b)

    notes = {"algotrading.io/strategy-limit": "25"}
    await world.kube.patch(NAMESPACES, None, namespace, {"metadata": {"annotations": notes}})

    await world.until(QUOTAS, namespace, "algo-tenant", lambda b: b["spec"]["hard"][COUNT] == "25")


async def test_the_namespace_is_marked_while_a_position_is_open(world):
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", "2026-07-10T09:00:00")
    world.kubelet()
    await world.start()
    namespace = await world.tenant()
    await world.strategy(namespace, "m1")
    body = await world.until(
        STRATEGIES, namespace, "m1", lambda b: b["status"]["phase"] == "RUNNING"
    )
    uid = body["metadata"]["uid"]

    await world.says(uid, execution="BOUGHT", position=10, protection="runner")
    await world.until(
        NAMESPACES,
        None,
        namespace,
        lambda b: b["metadata"]["annotations"]["algotrading.io/in-position"] == "true",
    )
    await world.says(uid, execution="SOLD", reason="target", done=True)

    await world.until(
        NAMESPACES,
        None,
        namespace,
        lambda b: "algotrading.io/in-position" not in b["metadata"].get("annotations", {}),
    )


async def test_a_namespace_labelled_later_lets_its_strategies_go_on(world):
    await world.start()
    await world.namespace("labelled-later")
    await world.strategy("labelled-later", "m1")
    await world.until(
        STRATEGIES,
        "labelled-later",
        "m1",
        lambda b: b["status"]["conditions"][0]["reason"] == "NotATenant",
    )

    await world.kube.patch(
        NAMESPACES, None, "labelled-later", {"metadata": {"labels": {"algotrading.io/tenant": "x"}}}
    )

    await world.until(
        STRATEGIES,
        "labelled-later",
        "m1",
        lambda b: b["status"]["conditions"][0]["reason"] == "Scheduled",
    )
