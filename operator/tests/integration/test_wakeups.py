"""What the operator remembers between passes: who wakes whom, and what is let go when."""

import asyncio
import time

import pytest
from algo_contract import redis_keys
from algo_contract.ids import account_id
from algo_operator.reconcile.resync import check_nodes
from algo_service.clock import SystemClock
from algo_operator.context import Context, account_key, strategy_key, tenant_key
from algo_kube.errors import Conflict, KubeUnavailable
from algo_operator.errors import RedisUnavailable
from algo_kube.lease import Leadership, LeaseKeeper
from algo_operator.runtime.feeds import sync_names, sync_wants
from algo_operator.reconcile.warmup import is_deletion_safe, note_planned, warm_up
from algo_operator.kopf_adapter.handlers import EventHandlers
from algo_operator.model.node_health import NodeHealth
from algo_kube.cache import ObjectName


def strategy(name: str, namespace: str = "tenant-a", **spec) -> dict:
    meta = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1"}
    return {"metadata": meta, "spec": spec}


def account(name: str, namespace: str = "tenant-a", generation: int = 1, **spec) -> dict:
    meta = {
        "namespace": namespace,
        "name": name,
        "uid": f"{namespace}/{name}",
        "generation": generation,
        "resourceVersion": str(generation),
        "creationTimestamp": "2026-07-06T00:00:00Z",
    }
    return {"metadata": meta, "spec": {"broker": "paper", **spec}}


def namespace(name: str) -> dict:
    meta = {"name": name, "uid": name, "labels": {"algotrading.io/tenant": "a"}}
    return {"metadata": meta | {"resourceVersion": "1"}}


def pod(name: str, node: str) -> dict:
    labels = {"algotrading.io/strategy": name, "algotrading.io/strategy-uid": name}
    meta = {"namespace": "tenant-a", "name": f"{name}-runner", "uid": f"pod-{name}"}
    return {
        "metadata": meta | {"labels": labels, "resourceVersion": "1"},
        "spec": {"nodeName": node},
    }


def node(name: str, ready: str) -> dict:
    return {
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.fixture
def context(bare_context) -> Context:
    for name in ("tenant-a", "tenant-b"):
        bare_context.namespaces.put(namespace(name))
    return bare_context


async def taken(context: Context) -> set[tuple]:
    found = set()
    while context.queue.depth():
        key = await context.queue.take()
        context.queue.done(key)
        found.add(key)
    return found


async def test_a_tenants_account_wakes_only_its_own_strategies(context):
    for body in (
        strategy("asks", brokerAccount="mine"),
        strategy("asks-not"),
        strategy("elsewhere", "tenant-b"),
    ):
        context.strategies.put(body)
    wakers = EventHandlers(context)

    wakers.account(account("mine", feed={"shared": True}), False)

    assert await taken(context) == {
        account_key("tenant-a", "mine"),
        strategy_key(ObjectName("tenant-a", "asks")),
    }
    wakers.account(account("demo", "algo-system", feed={"shared": True}), False)
    woken = {key.name for key in await taken(context)}
    assert woken == {"demo", "asks-not", "elsewhere"}
    wakers.account(account("demo", "algo-system", 2), False)
    assert {key.name for key in await taken(context)} == woken, "it was shared before"
    wakers.account(account("demo", "algo-system", 3), False)
    assert {key.name for key in await taken(context)} == {"demo"}


async def test_nothing_is_remembered_of_what_is_gone(context):
    wakers = EventHandlers(context)
    for gone in (False, True):
        wakers.account(account("mine"), gone)
        wakers.namespace(namespace("tenant-a"), gone)

    assert not wakers._accounts
    assert not wakers._tenants


async def test_names_are_written_when_an_account_changed(context):
    body = account("mine", clock="Feed")
    context.accounts.put(body)
    key = redis_keys.feed_name("tenant-a/mine")
    await sync_names(context)
    assert await context.redis.ticks.get(key) == account_id("tenant-a/mine")

    await context.redis.ticks.set(key, "untouched")
    await sync_names(context)
    assert await context.redis.ticks.get(key) == "untouched"
    context.accounts.remove(body)
    EventHandlers(context).account(body, True)
    await sync_names(context)
    assert await context.redis.ticks.get(key) is None


async def test_names_are_written_again_when_redis_came_back_empty(context):
    context.accounts.put(account("mine"))
    await sync_names(context)
    await context.redis.ticks.flushall()

    await sync_names(context)

    assert await context.redis.ticks.get(redis_keys.feed_name("tenant-a/mine")) == "shared"


async def test_names_are_written_again_when_that_failed(context, redis_server):
    context.accounts.put(account("mine"))
    redis_server.stop()
    with pytest.raises(RedisUnavailable):
        await sync_names(context)
    redis_server.start()

    await sync_names(context)

    assert await context.redis.ticks.get(redis_keys.feed_name("tenant-a/mine")) == "shared"


async def test_no_instrument_is_taken_out_before_all_wishes_are_known(context):
    context.strategies.put(strategy("m1"))
    key, wanted = strategy_key(ObjectName("tenant-a", "m1")), redis_keys.feed_instruments("shared")
    warm_up(context)
    await context.redis.ticks.sadd(wanted, "NSE:TCS")
    await sync_wants(context)
    assert await context.redis.ticks.smembers(wanted) == {"NSE:TCS"}

    note_planned(context, key, sure=False)
    await sync_wants(context)

    assert await context.redis.ticks.smembers(wanted) == set()


async def test_nothing_is_let_go_before_it_is_known_what_all_hold(context):
    context.accounts.put(account("mine"))
    keys = [strategy_key(ObjectName("tenant-a", name)) for name in ("m1", "m2")]
    for key in keys:
        context.strategies.put(strategy(key.name))
    warm_up(context)
    assert not is_deletion_safe(context, "tenant-a")
    assert is_deletion_safe(context, "tenant-b")

    note_planned(context, keys[0], sure=True)
    note_planned(context, keys[1], sure=False)
    assert not is_deletion_safe(context, "tenant-a")
    assert await taken(context) == set()
    note_planned(context, keys[1], sure=True)

    assert is_deletion_safe(context, "tenant-a")
    assert await taken(context) == {tenant_key("tenant-a"), account_key("tenant-a", "mine")}


async def test_the_feeds_of_all_strategies_are_known_before_the_first_pass(context):
    context.accounts.put(account("mine", clock="Feed"))
    context.strategies.put(strategy("m1", brokerAccount="mine"))
    context.strategies.put(strategy("m2"))

    warm_up(context)

    assert context.runtime.follows_feed == {
        strategy_key(ObjectName("tenant-a", "m1")): account_id("tenant-a/mine"),
        strategy_key(ObjectName("tenant-a", "m2")): "shared",
    }


async def test_runners_of_a_lost_node_are_looked_at_after_a_restart_too(context, monkeypatch):
    context.pods.put(pod("m1", "n1"))
    context.pods.put(pod("m2", "n2"))
    context.pods.put(pod("m3", "nowhere"))
    context.nodes.note(node("n1", "Unknown"), gone=False)
    context.nodes.note(node("n2", "True"), gone=False)
    check_nodes(context)
    assert await taken(context) == set()

    later = time.monotonic() + context.settings.node_lost_seconds
    monkeypatch.setattr("algo_operator.model.node_health.time.monotonic", lambda: later)
    check_nodes(context)

    assert {key.name for key in await taken(context)} == {"m1", "m3"}


def test_a_node_that_is_gone_is_remembered_while_it_has_runners():
    health = NodeHealth()
    health.note(node("n1", "True"), gone=False)
    health.note(node("n1", "True"), gone=True)
    health.note_used(["n1"])
    assert health.is_lost("n1", after_seconds=0)

    health.note_used([])

    assert not health.lost


class Lease:
    """An API server's Lease; a renewal may land although nobody hears of it."""

    def __init__(self) -> None:
        self.body, self.version, self.deaf, self.updates = None, 0, False, 0

    async def find(self, resource, namespace, name):
        return self.body

    async def create(self, resource, namespace, body):
        return self._keep(body)

    async def update(self, resource, namespace, body):
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict("changed")
        self.updates += 1
        kept = self._keep(body)
        if self.deaf:
            self.deaf = False
            raise KubeUnavailable("no answer")
        return kept

    def _keep(self, body):
        self.version += 1
        meta = body["metadata"] | {"resourceVersion": str(self.version)}
        self.body = body | {"metadata": meta}
        return self.body


@pytest.mark.parametrize(("holder", "goes_on"), [("me", True), ("another", False)])
async def test_a_renewal_that_landed_unheard_loses_nothing(holder, goes_on):
    kube, leadership, lost = Lease(), Leadership(seconds=3), []
    keeper = LeaseKeeper(kube, leadership, SystemClock(), namespace="n", name="algo", holder="me")
    await keeper.acquire(seconds=3, retry_seconds=0.01)
    kube.deaf = True
    task = asyncio.create_task(keeper.keep(seconds=3, every=0.05, lost=lambda: lost.append(1)))
    await asyncio.sleep(0.07)
    kube.body = kube.body | {"spec": kube.body["spec"] | {"holderIdentity": holder}}
    await asyncio.sleep(0.4)
    task.cancel()

    assert leadership.held is goes_on
    assert bool(lost) is not goes_on
    assert (kube.updates > 2) is goes_on
