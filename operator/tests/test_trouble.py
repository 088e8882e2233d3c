"""Troubled strategies on a real API server and a real Redis; kubelet and runner are played."""

import asyncio

import pytest
from algo_contract import redis_keys
from algo_contract.ids import strategy_id
from algo_operator.kube.resources import PODS, SECRETS, STRATEGIES

pytestmark = pytest.mark.api_server

DAY = "2026-07-10"


def condition(body: dict, kind: str = "Ready") -> dict:
    return next(row for row in body["status"]["conditions"] if row["type"] == kind)


def reason(body: dict, kind: str = "Ready") -> str:
    return condition(body, kind)["reason"]


@pytest.fixture
async def shared(world):
    """A platform's feed that shows a recorded day, a tenant, an operator and a kubelet."""
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", f"{DAY}T09:00:00")
    world.kubelet()
    await world.start()
    return await world.tenant()


async def running(world, namespace: str, name: str = "m1", **spec) -> dict:
    await world.strategy(namespace, name, **spec)
    return await world.until(STRATEGIES, namespace, name, lambda b: reason(b) == "Running")


async def holding(world, namespace: str, name: str = "m1", **spec) -> dict:
    body = await running(world, namespace, name, **spec)
    await world.says(body["metadata"]["uid"], execution="BOUGHT", position=10, protection="runner")
    return await world.until(STRATEGIES, namespace, name, lambda b: b["status"]["position"] == 10)


async def test_a_hostile_runner_stops_nobody_elses_mirror(world, shared):
    bad = strategy_id((await running(world, shared, "bad"))["metadata"]["uid"])
    good = await running(world, shared, "good")
    for part in ("events", "live", "state"):
        await world.redis.delete(redis_keys.strategy(bad, part))
        await world.redis.set(redis_keys.strategy(bad, part), "x")

    body = await world.until(STRATEGIES, shared, "bad", lambda b: reason(b) == "StateUnreadable")
    assert redis_keys.strategy(bad, "state") in condition(body)["message"]
    await asyncio.sleep(3.5)
    assert not world.operator.context.live.redis_down
    await world.says(good["metadata"]["uid"], execution="BUYING")
    body = await world.until(
        STRATEGIES, shared, "good", lambda b: b["status"]["execution"] == "BUYING"
    )
    assert reason(body) == "Running"
    assert await world.get(PODS, shared, "bad-runner") is not None
    await world.redis.delete(redis_keys.strategy(bad, "state"))
    await world.until(STRATEGIES, shared, "bad", lambda b: reason(b) == "RunnerKeysUnreadable")


async def test_abandoning_lets_go_while_redis_is_gone_for_good(world, shared):
    await holding(world, shared)
    world.redis_server.stop()
    await world.kube.delete(STRATEGIES, shared, "m1")
    await world.until(
        STRATEGIES, shared, "m1", lambda b: reason(b) == "RedisUnavailable", seconds=25
    )

    notes = {"algotrading.io/abandon-position": "ticket-7"}
    await world.kube.patch(STRATEGIES, shared, "m1", {"metadata": {"annotations": notes}})

    await world.until(STRATEGIES, shared, "m1", lambda b: b is None, seconds=25)
    assert await world.get(PODS, shared, "m1-runner") is None
    assert await world.get(SECRETS, shared, "m1-runner") is None
    told = [event for event in await world.events(shared) if event["reason"] == "PositionAbandoned"]
    assert "10 shares" in told[0]["message"]


async def test_a_foreign_pod_of_our_name_is_told_and_waited_for(world, shared):
    foreign = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "m1-runner"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    await world.kube.create(PODS, shared, foreign)
    await world.kube.create(PODS, shared, foreign | {"metadata": {"name": "m2-runner"}})
    for name in ("m1", "m2"):
        await world.strategy(shared, name)
        await world.until(STRATEGIES, shared, name, lambda b: reason(b) == "PodNameTaken")

    await world.kube.delete(STRATEGIES, shared, "m2")
    await world.until(STRATEGIES, shared, "m2", lambda b: b is None)
    assert await world.get(PODS, shared, "m2-runner") is not None
    await world.kube.delete(PODS, shared, "m1-runner", grace_seconds=0)
    await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "Running")
