"""The life of a strategy on a real API server and a real Redis; kubelet and runner are played."""

import asyncio
import base64
import json

import pytest
from algo_contract import redis_keys
from algo_contract.messages.assignment import read_assignment
from algo_contract.messages.redis_server import read_redis
from algo_contract.ids import account_id, strategy_id
from algo_operator.context import strategy_key
from algo_kube.resources import ACCOUNTS, PODS, SECRETS, STRATEGIES
from algo_kube.cache import name_of
from support.factories.strategy_days import DAY, condition, holding, reason, running

pytestmark = pytest.mark.api_server


def secret_file(secret: dict, name: str) -> str:
    return base64.b64decode(secret["data"][name]).decode()


async def test_one_day_from_creation_to_done(world, shared):
    body = await running(world, shared)

    uid = body["metadata"]["uid"]
    assert body["status"]["id"] == strategy_id(uid)
    assert body["status"]["phase"] == "RUNNING"
    assert body["status"]["runnerEpoch"] == 1
    pod = await world.get(PODS, shared, "m1-runner")
    assert pod["metadata"]["ownerReferences"][0]["uid"] == uid
    secret = await world.get(SECRETS, shared, "m1-runner")
    assignment = read_assignment(secret_file(secret, "assignment.json"))
    assert (assignment.epoch, assignment.session.trading_day, assignment.feed) == (1, DAY, "shared")
    await asyncio.sleep(1.5)
    assert await world.redis.smembers("feed:shared:instruments") == {"NSE:RELIANCE"}

    await world.says(
        uid, execution="BOUGHT", position=10, average_price=295050, stop=289050, protection="runner"
    )
    body = await world.until(
        STRATEGIES, shared, "m1", lambda b: b["status"]["execution"] == "BOUGHT"
    )
    assert body["status"]["averagePrice"] == 2950.5
    assert body["status"]["position"] == 10
    assert reason(body, "Protected") == "RunnerStop"

    await world.says(uid, execution="SOLD", reason="stop_loss", realized_pnl=-60000, done=True)
    body = await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "DoneForToday")
    assert body["status"]["phase"] == "ACTIVE"
    assert body["status"]["realizedPnl"] == -600.0
    assert body["status"]["reason"] == "stop_loss"
    await world.until(SECRETS, shared, "m1-runner", lambda b: b is None)
    await world.idle()
    assert await world.get(PODS, shared, "m1-runner") is None
    assert strategy_id(uid) not in await world.redis.execute_command("ACL", "USERS")
    body = await world.get(STRATEGIES, shared, "m1")
    assert body["status"]["realizedPnl"] == -600.0


async def test_the_mirror_takes_under_a_second(world, shared):
    body = await running(world, shared)

    loop = asyncio.get_running_loop()
    started = loop.time()
    await world.says(body["metadata"]["uid"], execution="BUYING")
    await world.until(STRATEGIES, shared, "m1", lambda b: b["status"]["execution"] == "BUYING")

    assert loop.time() - started < 1


async def test_a_second_pass_writes_nothing(world, shared, writes):
    await holding(world, shared)
    await running(world, shared, "m2")
    await world.strategy(shared, "m3", desiredState="Stopped")
    await world.until(STRATEGIES, shared, "m3", lambda b: reason(b) == "Stopped")
    await world.idle()

    before = writes()
    for body in world.operator.context.strategies.values():
        world.operator.context.queue.add(strategy_key(name_of(body)))
    await world.idle()

    assert writes() == before


async def test_a_pod_deleted_by_hand_comes_back_with_a_higher_epoch(world, shared):
    await holding(world, shared)
    old = await world.get(PODS, shared, "m1-runner")

    await world.kube.delete(PODS, shared, "m1-runner", grace_seconds=0)

    pod = await world.until(
        PODS, shared, "m1-runner", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )
    assert pod["metadata"]["annotations"]["algotrading.io/epoch"] == "2"
    secret = await world.get(SECRETS, shared, "m1-runner")
    assert read_assignment(secret_file(secret, "assignment.json")).epoch == 2


async def test_a_secret_deleted_by_hand_comes_back(world, shared):
    body = await running(world, shared)

    await world.kube.delete(SECRETS, shared, "m1-runner")
    await world.says(body["metadata"]["uid"], execution="BUYING")

    secret = await world.until(SECRETS, shared, "m1-runner", lambda b: b is not None)
    server, _ = read_redis(secret_file(secret, "redis.json"))
    answer = await world.redis.execute_command("AUTH", server.username, server.password)
    assert answer in {True, "OK"}


async def test_a_change_of_the_spec_reaches_the_runner(world, shared):
    body = await holding(world, shared)
    before = await world.get(PODS, shared, "m1-runner")

    await world.kube.patch(STRATEGIES, shared, "m1", {"spec": {"stopLoss": 2900}})

    pod = await world.until(
        PODS,
        shared,
        "m1-runner",
        lambda b: (
            b["metadata"]["annotations"]["algotrading.io/assignment"]
            != before["metadata"]["annotations"]["algotrading.io/assignment"]
        ),
    )
    assert pod["metadata"]["uid"] == before["metadata"]["uid"]
    secret = await world.get(SECRETS, shared, "m1-runner")
    strategy = read_assignment(secret_file(secret, "assignment.json")).strategy
    assert (strategy.stop_loss, strategy.generation) == (290000, 2)
    await world.idle()
    key = redis_keys.strategy(strategy_id(body["metadata"]["uid"]), "commands")
    assert [fields["kind"] for _, fields in await world.redis.xrange(key)] == ["reload"]
    body = await world.get(STRATEGIES, shared, "m1")
    assert body["status"]["observedGeneration"] == 1, "the runner has not taken it up yet"
    await world.says(
        body["metadata"]["uid"], execution="BOUGHT", position=10, generation=2, protection="runner"
    )
    await world.until(STRATEGIES, shared, "m1", lambda b: b["status"]["observedGeneration"] == 2)


async def test_stopping_with_a_position_sells_first(world, shared):
    body = await holding(world, shared)
    uid = body["metadata"]["uid"]

    await world.kube.patch(STRATEGIES, shared, "m1", {"spec": {"desiredState": "Stopped"}})

    key = redis_keys.strategy(strategy_id(uid), "commands")
    for _ in range(100):
        if len(await world.redis.xrange(key)) >= 2:
            break
        await asyncio.sleep(0.05)
    kinds = [fields["kind"] for _, fields in await world.redis.xrange(key)]
    assert kinds == ["reload", "stop"]
    await world.idle()
    assert await world.get(PODS, shared, "m1-runner") is not None
    await world.says(uid, execution="STOPPED", reason="stopped", done=True, generation=2)
    await world.until(PODS, shared, "m1-runner", lambda b: b is None)
    body = await world.until(STRATEGIES, shared, "m1", lambda b: b["status"]["phase"] == "STOPPED")
    assert body["status"]["execution"] == "STOPPED"


async def test_an_exit_request_names_the_day(world, shared):
    body = await holding(world, shared)

    notes = {"algotrading.io/exit-requested": DAY}
    await world.kube.patch(STRATEGIES, shared, "m1", {"metadata": {"annotations": notes}})

    await world.until(
        SECRETS,
        shared,
        "m1-runner",
        lambda b: read_assignment(secret_file(b, "assignment.json")).strategy.exit_requested,
    )
    await world.idle()
    key = redis_keys.strategy(strategy_id(body["metadata"]["uid"]), "commands")
    entries = [fields for _, fields in await world.redis.xrange(key)]
    assert [(f["kind"], f["id"]) for f in entries if f["kind"] == "exit"] == [
        ("exit", f"exit-{DAY}")
    ]


async def test_deleting_with_a_position_sells_first_then_goes(world, shared):
    body = await holding(world, shared)
    uid = body["metadata"]["uid"]

    await world.kube.delete(STRATEGIES, shared, "m1")
    body = await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "Flattening")
    await world.idle()
    secret = await world.get(SECRETS, shared, "m1-runner")
    assert (
        read_assignment(secret_file(secret, "assignment.json")).strategy.desired_state == "Stopped"
    )
    assert not secret["metadata"].get("ownerReferences"), (
        "or the garbage collector could pull it away"
    )
    await world.kube.delete(PODS, shared, "m1-runner", grace_seconds=0)
    pod = await world.until(
        PODS,
        shared,
        "m1-runner",
        lambda b: b["metadata"]["annotations"]["algotrading.io/epoch"] == "2",
    )
    assert not pod["metadata"].get("ownerReferences")
    assert await world.get(STRATEGIES, shared, "m1") is not None

    await world.says(uid, execution="STOPPED", reason="stopped", done=True)
    await world.until(STRATEGIES, shared, "m1", lambda b: b is None)
    assert await world.get(PODS, shared, "m1-runner") is None
    assert await world.get(SECRETS, shared, "m1-runner") is None
    assert not await world.redis.exists(redis_keys.strategy(strategy_id(uid), "state"))
    assert strategy_id(uid) not in await world.redis.execute_command("ACL", "USERS")


async def test_a_stuck_deletion_says_how_to_let_it_go(world):
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", f"{DAY}T09:00:00")
    world.kubelet()
    await world.start(stuck_deletion_seconds=1)
    tenant = await world.tenant()
    await holding(world, tenant)

    await world.kube.delete(STRATEGIES, tenant, "m1")
    body = await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "DeletionStuck")
    assert "algotrading.io/abandon-position" in condition(body)["message"]
    notes = {"algotrading.io/abandon-position": "ticket-7"}
    await world.kube.patch(STRATEGIES, tenant, "m1", {"metadata": {"annotations": notes}})

    await world.until(STRATEGIES, tenant, "m1", lambda b: b is None)
    told = [event for event in await world.events(tenant) if event["reason"] == "PositionAbandoned"]
    assert "ticket-7" in told[0]["message"]


async def test_a_strategy_that_never_ran_goes_at_once_even_without_redis(world):
    await world.start()
    tenant = await world.tenant()
    await world.strategy(tenant, "m1")
    await world.until(
        STRATEGIES, tenant, "m1", lambda b: b["metadata"]["finalizers"] == ["algotrading.io/flat"]
    )
    await world.idle()
    world.redis_server.stop()

    await world.kube.delete(STRATEGIES, tenant, "m1")

    await world.until(STRATEGIES, tenant, "m1", lambda b: b is None)


async def test_redis_away_keeps_the_finalizer_and_says_so(world, shared):
    await holding(world, shared)
    world.redis_server.stop()

    await world.kube.delete(STRATEGIES, shared, "m1")

    await world.until(
        STRATEGIES, shared, "m1", lambda b: reason(b) == "RedisUnavailable", seconds=25
    )
    assert await world.get(PODS, shared, "m1-runner") is not None
    world.redis_server.start()
    await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "Flattening", seconds=25)


async def test_redis_restarted_without_its_users_gets_them_back(world, shared):
    body = await running(world, shared)
    user = strategy_id(body["metadata"]["uid"])
    world.redis_server.stop()
    (world.redis_server.folder / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    world.redis_server.start()

    for _ in range(200):
        if user in await world.redis.execute_command("ACL", "USERS"):
            break
        await asyncio.sleep(0.05)

    assert user in await world.redis.execute_command("ACL", "USERS")


async def test_the_same_name_in_two_namespaces_shares_nothing(world, shared):
    other = await world.tenant()
    first, second = await running(world, shared), await running(world, other)

    assert first["status"]["id"] != second["status"]["id"]
    files = [
        read_redis(secret_file(await world.get(SECRETS, space, "m1-runner"), "redis.json"))[0]
        for space in (shared, other)
    ]
    assert files[0].username != files[1].username
    assert files[0].password != files[1].password
    await world.says(first["metadata"]["uid"], execution="BUYING")
    await world.until(STRATEGIES, shared, "m1", lambda b: b["status"]["execution"] == "BUYING")
    await world.idle()
    assert (await world.get(STRATEGIES, other, "m1"))["status"]["execution"] == "WAITING"


async def test_an_operator_started_anew_takes_up_what_it_finds(world, shared):
    await holding(world, shared)
    before = await world.get(PODS, shared, "m1-runner")
    assert await world.stop() == 0
    assert await world.get(PODS, shared, "m1-runner") is not None
    await world.says(
        (await world.get(STRATEGIES, shared, "m1"))["metadata"]["uid"],
        execution="SELLING",
        position=10,
    )

    await world.start()

    await world.until(STRATEGIES, shared, "m1", lambda b: b["status"]["execution"] == "SELLING")
    pod = await world.get(PODS, shared, "m1-runner")
    assert pod["metadata"]["uid"] == before["metadata"]["uid"]


async def test_the_story_is_told_once_and_in_order_over_a_restart(world, shared):
    body = await running(world, shared)
    key = redis_keys.strategy(strategy_id(body["metadata"]["uid"]), "events")

    async def say(why: str) -> None:
        await world.redis.xadd(
            key, {"reason": why, "type": "Normal", "message": f"It {why}.", "time": "1"}
        )

    async def told() -> list[str]:
        return [
            event["reason"]
            for event in await world.events(shared)
            if event["message"].startswith("It ")
        ]

    await say("Bought")
    for _ in range(100):
        if await told() == ["Bought"]:
            break
        await asyncio.sleep(0.05)
    await world.stop()
    await say("Sold")
    await world.start()
    for _ in range(100):
        if len(await told()) >= 2:
            break
        await asyncio.sleep(0.05)
    await world.idle()

    assert sorted(await told()) == ["Bought", "Sold"]


async def test_an_account_is_held_while_a_strategy_of_it_is_in_position(world):
    world.kubelet()
    await world.start()
    tenant = await world.tenant()
    account = await world.account(tenant, "mine", clock="Feed")
    feed = account_id(account["metadata"]["uid"])
    await world.feed_day(feed, f"{DAY}T09:00:00")
    body = await holding(world, tenant, brokerAccount="mine")
    await world.until(
        ACCOUNTS, tenant, "mine", lambda b: b["metadata"]["finalizers"] == ["algotrading.io/in-use"]
    )

    await world.kube.delete(ACCOUNTS, tenant, "mine")
    await world.idle()
    assert (await world.get(ACCOUNTS, tenant, "mine"))["status"]["id"] == feed
    assert await world.get(PODS, tenant, "m1-runner") is not None
    await world.says(body["metadata"]["uid"], execution="SOLD", reason="sell_time", done=True)

    await world.until(ACCOUNTS, tenant, "mine", lambda b: b is None)
    await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "AccountMissing")


async def test_an_image_that_is_missing_is_told_in_words(world, shared):
    world.troubled["m1-runner"] = {
        "reason": "ErrImageNeverPull",
        "message": "image runner:1 is not present",
    }
    await world.strategy(shared, "m1")

    body = await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == "ImageMissing")

    assert "runner:1" in condition(body)["message"]
    await world.idle()
    assert "ImageMissing" in [event["reason"] for event in await world.events(shared)]


async def test_a_crashing_runner_in_position_is_made_anew(world, shared):
    await holding(world, shared)
    old = await world.get(PODS, shared, "m1-runner")
    world.troubled[old["metadata"]["uid"]] = {"reason": "CrashLoopBackOff", "message": "back-off"}

    pod = await world.until(
        PODS, shared, "m1-runner", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )

    assert pod["metadata"]["annotations"]["algotrading.io/epoch"] == "2"


async def test_a_namespace_that_is_no_tenant_is_refused_in_words(world):
    await world.start()
    await world.namespace("plain")
    await world.strategy("plain", "m1")

    body = await world.until(STRATEGIES, "plain", "m1", lambda b: reason(b) == "NotATenant")

    assert "algotrading.io/tenant" in condition(body)["message"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"brokerAccount": "nowhere"}, "AccountMissing"),
        ({"brokerAccount": "nowhere", "mode": "Live"}, "AccountMissing"),
        ({"sellTime": "15:25:00"}, "InvalidTimes"),
    ],
)
async def test_what_cannot_trade_says_why_and_gets_no_pod(world, shared, spec, expected):
    await world.strategy(shared, "m1", **spec)

    await world.until(STRATEGIES, shared, "m1", lambda b: reason(b) == expected)

    await world.idle()
    assert await world.get(PODS, shared, "m1-runner") is None


async def test_a_symbol_the_feed_does_not_know_is_told(world, shared):
    await world.redis.sadd("feed:shared:unknown", "NSE:NOSUCH")
    await world.strategy(shared, "m1", symbol="NOSUCH")

    body = await world.until(
        STRATEGIES, shared, "m1", lambda b: reason(b, "FeedHealthy") == "SymbolUnknown"
    )

    assert "NSE:NOSUCH" in condition(body, "FeedHealthy")["message"]


async def test_a_secret_never_shows_in_the_logs(world, shared, capsys):
    await running(world, shared)
    secret = await world.get(SECRETS, shared, "m1-runner")
    password = read_redis(secret_file(secret, "redis.json"))[0].password

    output = capsys.readouterr()

    assert password not in output.out + output.err
    assert json.dumps(password) not in repr(world.operator.context)
