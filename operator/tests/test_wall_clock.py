"""The wall clock's day, and a node that is lost, on a real API server."""

import asyncio

import pytest
from algo_operator.kube.resources import NODES, PODS, STRATEGIES, Resource

pytestmark = pytest.mark.api_server

BINDING = Resource("", "v1", "pods", "Binding")


def reason(body: dict) -> str:
    return next(row for row in body["status"]["conditions"] if row["type"] == "Ready")["reason"]


async def test_a_pod_is_made_when_its_lead_time_comes(world, set_clock):
    clock = set_clock("2026-11-23T08:00:00")
    world.kubelet()
    await world.start(clock, pod_lead_seconds=180)
    tenant = await world.tenant()
    clock.set("2026-11-23T09:16:55")
    await world.strategy(tenant, "m1", buyTime="09:20:00")
    body = await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "Scheduled")
    assert body["status"]["nextRun"] == "2026-11-23T03:47:00Z"
    assert body["status"]["phase"] == "ACTIVE"

    body = await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "Running", seconds=40)

    assert body["status"]["tradingDay"] == "2026-11-23"


async def test_an_entry_that_nobody_was_there_for_is_missed(world, set_clock):
    await world.start(set_clock("2026-11-23T11:00:00"))
    tenant = await world.tenant()
    await world.strategy(tenant, "m1")

    body = await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["reason"] == "missed")

    assert body["status"]["execution"] == "WAITING"
    assert body["status"]["nextRun"] == "2026-11-25T03:47:00Z", "the 24th is a holiday"
    assert await world.get(PODS, tenant, "m1-runner") is None


async def test_a_position_on_a_lost_node_gets_a_new_pod(world, set_clock):
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", "2026-07-10T09:00:00")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    await world.kube.create(NODES, None, node)
    await node_ready(world, "True")
    world.kubelet()
    await world.start(node_lost_seconds=1)
    tenant = await world.tenant()
    await world.strategy(tenant, "m1")
    body = await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "Running")
    await world.says(body["metadata"]["uid"], execution="BOUGHT", position=10, protection="runner")
    await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["position"] == 10)
    old = await world.get(PODS, tenant, "m1-runner")
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "m1-runner"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    }
    await world.kube._call("create", PODS, PODS.path(tenant, "m1-runner", "binding"), body=binding)
    await asyncio.sleep(0.5)

    await node_ready(world, "Unknown")

    await world.until(
        PODS, tenant, "m1-runner", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )
    await world.kube.delete(NODES, None, "n1")


async def test_a_node_lost_before_a_restart_is_lost_after_it(world):
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", "2026-07-10T09:00:00")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    await world.kube.create(NODES, None, node)
    world.kubelet()
    await world.start()
    tenant = await world.tenant()
    await world.strategy(tenant, "m1")
    body = await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "Running")
    await world.says(body["metadata"]["uid"], execution="BOUGHT", position=10, protection="runner")
    await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["position"] == 10)
    old = await world.get(PODS, tenant, "m1-runner")
    await world.stop()
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "m1-runner"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    }
    await world.kube._call("create", PODS, PODS.path(tenant, "m1-runner", "binding"), body=binding)
    await node_ready(world, "Unknown")

    await world.feed_day("shared", "2026-07-10T09:00:00")  # its silence would bring a pass, too
    await world.start(node_lost_seconds=4)

    await world.until(
        PODS,
        tenant,
        "m1-runner",
        lambda b: b["metadata"]["uid"] != old["metadata"]["uid"],
        seconds=12,
    )
    await world.kube.delete(NODES, None, "n1")


async def node_ready(world, status: str) -> None:
    row = {"type": "Ready", "status": status, "reason": "Test", "message": ""}
    await world.kube.patch(NODES, None, "n1", {"status": {"conditions": [row]}}, sub="status")
