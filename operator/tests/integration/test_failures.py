"""Troubled strategies on a real API server and a real Redis; kubelet and runner are played."""

import asyncio

import pytest
from algo_contract import redis_keys
from algo_contract.ids import account_id, strategy_id
from algo_operator.context import strategy_key
from algo_kube.resources import ACCOUNTS, NAMESPACES, PODS, SECRETS, STRATEGIES
from algo_kube.cache import name_of
from support.factories.strategy_days import DAY, condition, holding, reason, running

pytestmark = pytest.mark.api_server


async def test_a_hostile_runner_stops_nobody_elses_mirror(world, shared):
    bad = strategy_id((await running(world, shared, "bad"))["metadata"]["uid"])
    good = await running(world, shared, "good")
    for part in ("events", "live", "state"):
        await world.redis.delete(redis_keys.strategy(bad, part))
        await world.redis.set(redis_keys.strategy(bad, part), "x")

    body = await world.until(STRATEGIES, shared, "bad", lambda b: reason(b) == "StateUnreadable")
    assert redis_keys.strategy(bad, "state") in condition(body)["message"]
    await asyncio.sleep(3.5)
    assert not world.operator.context.runtime.redis_down
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


async def test_a_users_secret_of_our_name_is_left_alone(world, shared):
    mine = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "m1-runner"},
        "stringData": {"a": "b"},
    }
    before = await world.kube.create(SECRETS, shared, mine)
    await world.strategy(shared, "m1")

    await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "SecretNameTaken")
    await world.idle()
    assert await world.get(SECRETS, shared, "m1-runner") == before
    assert await world.get(PODS, shared, "m1-runner") is None
    await world.kube.delete(SECRETS, shared, "m1-runner")
    await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "Running")

    await world.kube.delete(SECRETS, shared, "m1-runner")
    before = await world.kube.create(SECRETS, shared, mine)
    await world.kube.delete(STRATEGIES, shared, "m1")
    await world.until(STRATEGIES, shared, "m1", lambda b: b is None)
    assert await world.get(SECRETS, shared, "m1-runner") == before


async def test_a_secret_that_came_between_is_not_deleted(world, shared):
    body = await running(world, shared)
    old = await world.get(SECRETS, shared, "m1-runner")
    kube = world.operator.context.kube

    await kube.delete(SECRETS, shared, "m1-runner", uid="another")
    assert await world.get(SECRETS, shared, "m1-runner") == old
    await world.says(body["metadata"]["uid"], execution="SOLD", done=True)
    await world.until(SECRETS, shared, "m1-runner", lambda b: b is None)


async def test_an_epoch_is_never_given_twice_even_when_the_status_was_lost(world, shared):
    body = await running(world, shared)
    await world.says(body["metadata"]["uid"], epoch=5)
    assert await world.stop() == 0
    await world.kube.delete(PODS, shared, "m1-runner", grace_seconds=0)
    await world.kube.delete(SECRETS, shared, "m1-runner")
    lost = {"status": {"runnerEpoch": None, "conditions": None}}
    await world.kube.patch(STRATEGIES, shared, "m1", lost, sub="status")

    await world.start()

    body = await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "Running")
    assert body["status"]["runnerEpoch"] == 6


async def test_a_lost_state_keeps_pod_and_position(world, shared):
    body = await holding(world, shared)
    pod = await world.get(PODS, shared, "m1-runner")
    await world.redis.delete(redis_keys.strategy(strategy_id(body["metadata"]["uid"]), "state"))
    world.operator.context.queue.add(strategy_key(name_of(body)))

    body = await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "StateLost")
    await world.idle()

    assert body["status"]["position"] == 10
    after = await world.get(PODS, shared, "m1-runner")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


async def test_a_restart_lets_nothing_go_that_is_held(world):
    world.kubelet()
    await world.start()
    tenant = await world.tenant()
    account = await world.account(tenant, "mine", clock="Feed")
    await world.feed_day(account_id(account["metadata"]["uid"]), f"{DAY}T09:00:00")
    await holding(world, tenant, brokerAccount="mine")
    await running(world, tenant, "m2", brokerAccount="mine")
    await world.until(
        ACCOUNTS, tenant, "mine", lambda b: b["metadata"]["finalizers"] == ["algotrading.io/in-use"]
    )
    await world.idle()
    waiting = await world.get(PODS, tenant, "m2-runner")
    space = await world.kube.get(NAMESPACES, None, tenant)
    assert space["metadata"]["annotations"]["algotrading.io/in-position"] == "true"
    await world.stop()
    await world.kube.delete(ACCOUNTS, tenant, "mine")
    await world.kube.delete(PODS, tenant, "m1-runner", grace_seconds=0)  # or its pass comes first

    await world.start(concurrency=1)
    await world.idle()

    assert await world.get(ACCOUNTS, tenant, "mine") is not None
    assert await world.kube.get(NAMESPACES, None, tenant) == space, "not unmarked for a moment"
    assert await world.get(PODS, tenant, "m1-runner") is not None
    after = await world.get(PODS, tenant, "m2-runner")
    assert after["metadata"]["uid"] == waiting["metadata"]["uid"]
