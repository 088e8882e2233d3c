"""The wall clock's day, and a node that is lost, on a real API server."""

import pytest
from algo_contract.calendar import ist_datetime, next_trading_day
from algo_kube.times import from_timestamp
from algo_kube.resources import NODES, PODS, STRATEGIES
from support.factories.strategy_days import DAY, holding, reason

pytestmark = pytest.mark.api_server


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
    tenant = await world.tenant()
    body = await world.strategy(tenant, "m1")
    created = ist_datetime(from_timestamp(body["metadata"]["creationTimestamp"])).date()
    day = next_trading_day(created)  # the API server's clock cannot be played
    await world.start(set_clock(f"{day}T11:00:00"))

    body = await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["reason"] == "missed")

    assert body["status"]["execution"] == "WAITING"
    assert body["status"]["nextRun"] == f"{next_trading_day(day)}T03:47:00Z"
    assert await world.get(PODS, tenant, "m1-runner") is None


async def test_a_position_on_a_lost_node_gets_a_new_pod(world, shared_feed, node):
    world.kubelet()
    await world.start(node_lost_seconds=1)
    tenant = await world.tenant()
    await holding(world, tenant)
    old = await world.get(PODS, tenant, "m1-runner")
    await bind(world, tenant, "m1-runner", node)
    await world.until(PODS, tenant, "m1-runner", lambda b: b["spec"]["nodeName"] == node)
    await world.idle()

    await node_ready(world, node, "Unknown")

    await world.until(
        PODS, tenant, "m1-runner", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )


async def test_a_node_lost_before_a_restart_is_lost_after_it(world, shared_feed, node):
    world.kubelet()
    await world.start()
    tenant = await world.tenant()
    await holding(world, tenant)
    old = await world.get(PODS, tenant, "m1-runner")
    await world.stop()
    await bind(world, tenant, "m1-runner", node)
    await node_ready(world, node, "Unknown")

    await world.feed_day("shared", f"{DAY}T09:00:00")  # its silence would bring a pass, too
    await world.start(node_lost_seconds=4)

    await world.until(
        PODS,
        tenant,
        "m1-runner",
        lambda b: b["metadata"]["uid"] != old["metadata"]["uid"],
        seconds=12,
    )


@pytest.fixture
async def shared_feed(world):
    """The platform's feed, which shows a recorded day."""
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", f"{DAY}T09:00:00")


@pytest.fixture
async def node(world):
    """A node that is ready."""
    await world.kube.create(
        NODES, None, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    )
    await node_ready(world, "n1", "True")
    yield "n1"
    await world.kube.delete(NODES, None, "n1")


async def bind(world, namespace: str, pod: str, node: str) -> None:
    """Place a pod, as a scheduler does."""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    await world.kube._call("create", PODS, PODS.path(namespace, pod, "binding"), body=binding)


async def node_ready(world, node: str, status: str) -> None:
    row = {"type": "Ready", "status": status, "reason": "Test", "message": ""}
    await world.kube.patch(NODES, None, node, {"status": {"conditions": [row]}}, sub="status")
