"""Trading for real on a real API server and a real Redis; kubelet, runner and feed are played."""

import asyncio
import base64
import json

import pytest
import yaml
from algo_contract import redis_keys
from algo_contract.messages.assignment import read_assignment
from algo_contract.messages.redis_server import read_redis
from algo_contract.messages.broker_session import read_session
from algo_contract.envelope.keys import public_text, read_keys
from algo_contract.messages.feed_assignment import FeedAssignment, read_feed
from algo_contract.ids import account_id
from algo_operator import metrics
from algo_operator.envelopes import public_key
from algo_kube.resources import ACCOUNTS, CONFIG_MAPS, NETWORK_POLICIES, PODS, SECRETS, STRATEGIES
from algo_operator.model.naming import account_owner, feed_labels
from algo_kube.cache import ObjectName
from support.factories.live_accounts import (
    SHARE,
    SIMULATOR,
    TOKEN,
    a_session,
    feed_tells,
    log_in,
    make_key,
    simulated_tenant,
)
from support.factories.strategy_days import DAY, condition, reason
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

pytestmark = pytest.mark.api_server

LIVE = {"brokerAccount": "mine", "mode": "Live"}


@pytest.fixture
def keys(tmp_path):
    return make_key(tmp_path / "keys")


@pytest.fixture
async def live(world, keys):
    """An operator that can open sessions, a tenant, and its account at a simulator."""
    return await simulated_tenant(world, keys)


async def account(world, tenant: str) -> dict:
    return await world.get(ACCOUNTS, tenant, "mine")


async def file(world, tenant: str, secret: str, name: str) -> str | None:
    body = await world.get(SECRETS, tenant, secret)
    text = (body or {}).get("data", {}).get(name)
    return None if text is None else base64.b64decode(text).decode()


async def until_file(world, tenant: str, secret: str, name: str, what) -> str:
    body = await world.until(
        SECRETS,
        tenant,
        secret,
        lambda b: what(base64.b64decode(b["data"][name]).decode()),
    )
    return base64.b64decode(body["data"][name]).decode()


async def until_redis(world, ask, what, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not what(await ask(world.redis)):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)


async def running(world, keys, tenant: str, name: str = "m1", **spec) -> dict:
    """A live strategy whose account is logged in, whose feed tells all, and whose runner works."""
    await world.strategy(tenant, name, **LIVE | spec)
    await log_in(world, keys, tenant, "mine", a_session())
    mine = await world.until(ACCOUNTS, tenant, "mine", lambda b: b["status"]["phase"] == "READY")
    await feed_tells(world, mine)
    await world.feed_day(account_id(mine["metadata"]["uid"]), f"{DAY}T09:00:00")
    return await world.until(STRATEGIES, tenant, name, lambda b: reason(b) == "Running")


async def test_live__logged_in__gets_a_feed_and_then_a_runner_with_the_session(world, keys, live):
    await world.strategy(live, "m1", **LIVE)
    body = await world.until(
        ACCOUNTS, live, "mine", lambda b: reason(b, "FeedHealthy") == "WaitingForSession"
    )
    assert reason(body, "CredentialsReady") == "SessionMissing"
    assert body["status"]["phase"] == "LOGIN_NEEDED"
    await world.idle()
    assert await world.get(PODS, live, "mine-feed") is None

    await log_in(world, keys, live, "mine", a_session())

    pod = await world.until(PODS, live, "mine-feed", lambda b: b is not None)
    container = pod["spec"]["containers"][0]
    assert (container["command"], container["args"]) == (["/opt/app/bin/algo-feed"], ["run"])
    own = account_id(body["metadata"]["uid"])
    assert read_feed(await file(world, live, "mine-feed", "feed.json")) == FeedAssignment(
        account_id=own,
        feed=own,
        broker="zerodha",
        clock="Feed",
        base_url=SIMULATOR["baseUrl"],
        feed_url=SIMULATOR["feedUrl"],
    )
    assert read_session(await file(world, live, "mine-feed", "session.json")).access_token == TOKEN
    await world.until(STRATEGIES, live, "m1", lambda b: reason(b) == "WaitingForFeed")
    wanted = redis_keys.feed_instruments(own)
    await until_redis(world, lambda redis: redis.smembers(wanted), lambda s: s == {"NSE:RELIANCE"})

    await feed_tells(world, body)
    await world.feed_day(own, f"{DAY}T09:00:00")

    await world.until(STRATEGIES, live, "m1", lambda b: reason(b) == "Running")
    told = read_assignment(await file(world, live, "m1-runner", "assignment.json"))
    assert (told.broker, told.feed, told.live.instrument) == ("zerodha", own, SHARE)
    assert told.live.no_entry == ""
    assert read_session(await file(world, live, "m1-runner", "session.json")).access_token == TOKEN
    pod = await world.get(PODS, live, "m1-runner")
    assert pod["metadata"]["labels"]["algotrading.io/account-id"] == own
    body = await world.until(
        ACCOUNTS, live, "mine", lambda b: reason(b, "FeedHealthy") == "FeedReports"
    )
    assert body["status"]["feed"]["healthy"] is True


async def test_live__before_the_feeds_day__waits_without_a_pod(world, keys, live):
    await world.strategy(live, "m1", **LIVE)
    await log_in(world, keys, live, "mine", a_session())

    await world.until(STRATEGIES, live, "m1", lambda b: reason(b) == "WaitingForFeed")

    await world.idle()
    assert await world.get(PODS, live, "m1-runner") is None


async def test_live__new_session__reaches_runner_and_feed(world, keys, live):
    body = await running(world, keys, live)
    before = await world.get(PODS, live, "m1-runner")

    await log_in(world, keys, live, "mine", a_session(token="hush-token-0002"))

    for secret in ("m1-runner", "mine-feed"):
        await until_file(
            world, live, secret, "session.json", lambda text: "hush-token-0002" in text
        )
    mark = "algotrading.io/assignment"
    pod = await world.until(
        PODS,
        live,
        "m1-runner",
        lambda b: b["metadata"]["annotations"][mark] != before["metadata"]["annotations"][mark],
    )
    assert pod["metadata"]["uid"] == before["metadata"]["uid"]
    key = redis_keys.strategy(body["status"]["id"], "commands")
    assert any(fields["kind"] == "reload" for _, fields in await world.redis.xrange(key))
    assert (await world.get(PODS, live, "mine-feed"))["metadata"]["annotations"][mark]


async def test_live__session_ends__entries_are_refused_and_the_account_says_so(world, keys, live):
    await running(world, keys, live)

    await log_in(world, keys, live, "mine", a_session(seconds=2))

    body = await world.until(
        ACCOUNTS, live, "mine", lambda b: b["status"]["phase"] == "LOGIN_NEEDED"
    )
    assert reason(body, "CredentialsReady") == "SessionExpired"
    text = await until_file(
        world,
        live,
        "m1-runner",
        "assignment.json",
        lambda text: read_assignment(text).live.no_entry != "",
    )
    assert read_assignment(text).live.no_entry_reason == "token_dead"
    assert await world.get(PODS, live, "mine-feed") is not None, "it waits for a new session"
    assert await world.get(PODS, live, "m1-runner") is not None


async def test_live__address_differs__entries_are_refused(world, keys, live):
    await world.kube.patch(ACCOUNTS, live, "mine", {"spec": {"registeredIP": "203.0.113.7"}})
    await running(world, keys, live)

    status = {"status": {"observedIP": "198.51.100.1"}}
    await world.kube.patch(ACCOUNTS, live, "mine", status, sub="status")

    text = await until_file(
        world,
        live,
        "m1-runner",
        "assignment.json",
        lambda text: read_assignment(text).live.no_entry != "",
    )
    assert "198.51.100.1" in read_assignment(text).live.no_entry
    body = await world.until(
        STRATEGIES, live, "m1", lambda b: reason(b, "EgressReady") == "AddressDiffers"
    )
    assert "203.0.113.7" in condition(body, "EgressReady")["message"]


@pytest.mark.parametrize("elsewhere", ["another account", "garbage"])
async def test_live__session_sealed_for_somebody_else__is_not_opened(world, keys, live, elsewhere):
    await world.strategy(live, "m1", **LIVE)
    if elsewhere == "garbage":
        patch = {"spec": {"sealedSession": "AAAA"}}
        await world.kube.patch(ACCOUNTS, live, "mine", patch)
    else:
        await world.account(live, "other", **SIMULATOR)
        await log_in(world, keys, live, "other", a_session())
        sealed = (await world.get(ACCOUNTS, live, "other"))["spec"]["sealedSession"]
        await world.kube.patch(ACCOUNTS, live, "mine", {"spec": {"sealedSession": sealed}})

    body = await world.until(
        ACCOUNTS, live, "mine", lambda b: reason(b, "CredentialsReady") == "SessionUnreadable"
    )

    assert body["status"]["phase"] == "LOGIN_NEEDED"
    assert await world.get(PODS, live, "mine-feed") is None


async def test_live__share_in_use__the_second_waits_until_the_first_is_done(world, keys, live):
    first = await running(world, keys, live)
    await world.strategy(live, "m2", **LIVE)

    body = await world.until(STRATEGIES, live, "m2", lambda b: reason(b) == "SymbolInUse")

    assert "m1" in condition(body)["message"]
    assert await world.get(PODS, live, "m2-runner") is None
    await world.says(first["metadata"]["uid"], execution="SOLD", reason="stop_loss", done=True)
    await world.until(STRATEGIES, live, "m2", lambda b: reason(b) == "Running")


async def test_live__both_due_at_once__only_one_runs(world, keys, live):
    names = ("m1", "m2", "m3")
    for name in names:
        await world.strategy(live, name, **LIVE)
    await log_in(world, keys, live, "mine", a_session())
    mine = await account(world, live)
    await feed_tells(world, mine)
    await world.feed_day(account_id(mine["metadata"]["uid"]), f"{DAY}T09:00:00")

    for name in names:
        await world.until(STRATEGIES, live, name, lambda b: reason(b) in {"Running", "SymbolInUse"})
    await world.idle()
    reasons = sorted([reason(await world.get(STRATEGIES, live, name)) for name in names])
    assert reasons == ["Running", "SymbolInUse", "SymbolInUse"]
    pods = [await world.get(PODS, live, f"{name}-runner") for name in names]
    assert sum(pod is not None for pod in pods) == 1


async def test_paper_on_a_live_account__gets_prices_and_no_session(world, keys, live):
    await running(world, keys, live, mode="Paper")

    told = read_assignment(await file(world, live, "m1-runner", "assignment.json"))
    assert (told.broker, told.live) == ("paper", None)
    assert await file(world, live, "m1-runner", "session.json") is None
    pod = await world.get(PODS, live, "m1-runner")
    assert "algotrading.io/account-id" not in pod["metadata"]["labels"], "no way to the broker"


async def test_feed__stopped_strategies__goes_with_its_user_and_secret(world, keys, live):
    body = await running(world, keys, live)
    own = account_id((await account(world, live))["metadata"]["uid"])
    assert own in await world.redis.execute_command("ACL", "USERS")

    await world.says(body["metadata"]["uid"], execution="SOLD", reason="stop_loss", done=True)
    await world.until(STRATEGIES, live, "m1", lambda b: reason(b) == "DoneForToday")
    await world.idle()
    assert await world.get(PODS, live, "mine-feed") is not None, "its clock may bring another day"
    patch = {"spec": {"desiredState": "Stopped"}}
    await world.kube.patch(STRATEGIES, live, "m1", patch)

    await world.until(SECRETS, live, "mine-feed", lambda b: b is None)
    assert await world.get(PODS, live, "mine-feed") is None
    await world.idle()
    assert own not in await world.redis.execute_command("ACL", "USERS")


async def test_feed__in_position__outlives_everything_but_its_own_death(world, keys, live):
    body = await running(world, keys, live)
    await world.says(body["metadata"]["uid"], execution="BOUGHT", position=10, protection="resting")
    await world.until(STRATEGIES, live, "m1", lambda b: b["status"]["position"] == 10)
    old = await world.get(PODS, live, "mine-feed")
    await world.stop()

    await world.start(
        session_keys=keys,
        broker_url_allowlist="algo-sim.algo-sim.svc:8101",
        runner_image="runner:2",
    )
    await log_in(world, keys, live, "mine", a_session(seconds=1))
    await world.until(ACCOUNTS, live, "mine", lambda b: b["status"]["phase"] == "LOGIN_NEEDED")
    await world.idle()
    assert (await world.get(PODS, live, "mine-feed"))["metadata"]["uid"] == old["metadata"]["uid"]

    await log_in(world, keys, live, "mine", a_session())
    first = read_redis(await file(world, live, "mine-feed", "redis.json"))[1]
    await world.kube.delete(PODS, live, "mine-feed", grace_seconds=0)
    await world.until(
        PODS, live, "mine-feed", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )
    assert (
        read_redis(await file(world, live, "mine-feed", "redis.json"))[1].password != first.password
    )
    left_behind = Redis(
        port=first.port, username=first.username, password=first.password, protocol=2
    )
    with pytest.raises(AuthenticationError):
        await left_behind.ping()
    await left_behind.aclose()


async def test_feed__new_image__replaces_it_while_flat(world, keys, live):
    await running(world, keys, live)
    old = await world.get(PODS, live, "mine-feed")
    await world.stop()

    await world.start(
        session_keys=keys,
        broker_url_allowlist="algo-sim.algo-sim.svc:8101",
        runner_image="runner:2",
    )

    pod = await world.until(
        PODS, live, "mine-feed", lambda b: b["metadata"]["uid"] != old["metadata"]["uid"]
    )
    assert pod["spec"]["containers"][0]["image"] == "runner:2"


async def test_feed__redis_lost_its_users__is_let_in_again(world, keys, live):
    await running(world, keys, live)
    own = account_id((await account(world, live))["metadata"]["uid"])
    password = read_redis(await file(world, live, "mine-feed", "redis.json"))[1].password
    await asyncio.sleep(1.2)  # users are saved once a second

    world.redis_server.stop()
    (world.redis_server.folder / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    world.redis_server.start()

    await until_redis(
        world, lambda redis: redis.execute_command("ACL", "USERS"), lambda users: own in users
    )
    feed = Redis(port=world.redis_server.port, username=own, password=password, protocol=2)
    assert await feed.ping()
    await feed.aclose()


async def test_feed__secret_without_a_readable_password__gets_the_one_that_is_granted(
    world, keys, live
):
    await running(world, keys, live)
    data = {"redis.json": base64.b64encode(b"{").decode()}
    await world.kube.patch(SECRETS, live, "mine-feed", {"data": data})

    observed = {"metadata": {"annotations": {"example.com/look": "again"}}}
    await world.kube.patch(ACCOUNTS, live, "mine", observed)

    text = await until_file(world, live, "mine-feed", "redis.json", lambda text: text != "{")
    await world.idle()
    told = read_redis(text)[1]
    feed = Redis(port=told.port, username=told.username, password=told.password, protocol=2)
    assert await feed.ping()
    await feed.aclose()


async def test_feed__account_gone__leaves_nothing(world, keys, live):
    await running(world, keys, live)
    own = account_id((await account(world, live))["metadata"]["uid"])
    await world.kube.delete(STRATEGIES, live, "m1")
    await world.until(STRATEGIES, live, "m1", lambda b: b is None, seconds=30)

    await world.kube.delete(ACCOUNTS, live, "mine")

    await world.until(PODS, live, "mine-feed", lambda b: b is None)
    await world.until(SECRETS, live, "mine-feed", lambda b: b is None)
    await world.idle()
    assert own not in await world.redis.execute_command("ACL", "USERS")


async def test_live__a_second_pass_writes_nothing(world, keys, live, writes):
    await running(world, keys, live)
    await world.until(ACCOUNTS, live, "mine", lambda b: reason(b, "FeedHealthy") == "FeedReports")
    await world.idle()

    before = writes()
    context = world.operator.context
    for name in ("m1",):
        context.queue.add(context_key("TradingStrategy", live, name))
    context.queue.add(context_key("BrokerAccount", live, "mine"))
    await world.idle()

    assert writes() == before


def context_key(kind: str, namespace: str, name: str):
    from algo_kube.work_queue import Key

    return Key(kind, namespace, name)


async def test_account__network__leads_to_its_simulator_only(world, live):
    mine = await account(world, live)
    own = account_id(mine["metadata"]["uid"])

    policy = await world.until(
        NETWORK_POLICIES, live, f"algo-broker-{own.replace('_', '-')}", lambda b: b is not None
    )

    assert policy["spec"]["podSelector"]["matchLabels"] == {"algotrading.io/account-id": own}
    (rule,) = policy["spec"]["egress"]
    assert rule["ports"] == [{"port": 8101, "protocol": "TCP"}]
    selector = rule["to"][0]["namespaceSelector"]["matchLabels"]
    assert selector == {"kubernetes.io/metadata.name": "algo-sim"}


async def test_account__log_in_workers_condition__is_kept(world, keys, live):
    mine = await world.until(ACCOUNTS, live, "mine", lambda b: b["status"]["conditions"])
    row = condition(mine) | {"type": "LoggedIn", "reason": "LoggedIn"}
    patch = {"status": {"conditions": [*mine["status"]["conditions"], row]}}
    await world.kube.patch(ACCOUNTS, live, "mine", patch, sub="status")

    await log_in(world, keys, live, "mine", a_session())

    body = await world.until(ACCOUNTS, live, "mine", lambda b: b["status"]["phase"] == "READY")
    assert reason(body, "LoggedIn") == "LoggedIn"


async def test_seal_key__start__is_published(world, keys):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "algo-seal-keys"}}
    await world.kube.create(CONFIG_MAPS, "algo-system", body | {"data": {"login.pub": "theirs"}})

    await world.start(session_keys=keys)

    expected = {"login.pub": "theirs", "session.pub": public_text(read_keys(keys).current.public)}
    await world.until(CONFIG_MAPS, "algo-system", "algo-seal-keys", lambda b: b["data"] == expected)
    await world.kube.delete(CONFIG_MAPS, "algo-system", "algo-seal-keys")


async def test_seal_key__overwritten__is_put_back_and_counted(world, keys, monkeypatch, caplog):
    monkeypatch.setattr(public_key, "_LOOK_SECONDS", 0.05)
    ours = public_text(read_keys(keys).current.public)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "algo-seal-keys"}}
    await world.kube.create(CONFIG_MAPS, "algo-system", body)
    await world.start(session_keys=keys)

    def is_ours(found: dict) -> bool:
        return found.get("data", {}).get("session.pub") == ours

    await world.until(CONFIG_MAPS, "algo-system", "algo-seal-keys", is_ours)
    before = metrics.FOREIGN_SEAL_KEYS._value.get()
    theirs = {"data": {"session.pub": "theirs"}}
    await world.kube.patch(CONFIG_MAPS, "algo-system", "algo-seal-keys", theirs)

    await world.until(CONFIG_MAPS, "algo-system", "algo-seal-keys", is_ours)
    assert metrics.FOREIGN_SEAL_KEYS._value.get() == before + 1
    assert "foreign_session_key_replaced" in caplog.messages
    await world.kube.delete(CONFIG_MAPS, "algo-system", "algo-seal-keys")


@pytest.mark.parametrize("broker", ["fyers", "angelone"])
async def test_account__broker_of_a_later_release__is_refused_in_words(world, live, broker):
    await world.account(live, "later", broker=broker)
    await world.strategy(live, "m1", brokerAccount="later", mode="Live")

    body = await world.until(STRATEGIES, live, "m1", lambda b: reason(b) == "AccountNotReady")

    assert broker in condition(body)["message"]
    later = await world.until(ACCOUNTS, live, "later", lambda b: b["status"]["phase"] == "FAILED")
    assert "not available in this release" in condition(later)["message"]


async def test_live__nothing_that_people_read__holds_a_secret(world, keys, live, capsys):
    await running(world, keys, live)
    await log_in(world, keys, live, "mine", a_session(token="hush-token-0002"))
    await until_file(
        world, live, "m1-runner", "session.json", lambda text: "hush-token-0002" in text
    )
    await world.idle()

    shown = capsys.readouterr()
    told = [
        shown.out,
        shown.err,
        repr(world.operator.context),
        yaml.safe_dump(await world.events(live)),
        yaml.safe_dump(await account(world, live)),
        json.dumps(await world.get(STRATEGIES, live, "m1")),
        json.dumps(await world.get(PODS, live, "m1-runner")),
        json.dumps(await world.get(PODS, live, "mine-feed")),
    ]
    for text in told:
        assert "hush" not in text


async def make_feed_pod(
    world, namespace: str, name: str, account: str, *, of: str = "nobody", owner: dict | None = None
) -> None:
    """A pod that says it is a feed, as anybody might make who may make pods there."""
    container = {"name": "feed", "image": "any:1"}
    metadata = {"name": name, "namespace": namespace, "labels": feed_labels(of, account)}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    spec = {"containers": [container], "automountServiceAccountToken": False}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    await world.kube.create(PODS, namespace, body)


async def observation(world, namespace: str, *pods: str) -> None:
    """Wait until the operator knows the pods and has done what it does."""
    known = world.operator.context.pods
    async with asyncio.timeout(15):
        while any(known.get(ObjectName(namespace, pod)) is None for pod in pods):  # noqa: ASYNC110 - the cache tells nobody
            await asyncio.sleep(0.02)
    await world.idle()


@pytest.fixture
async def victim(world):
    """A Redis user that is no account's."""
    await world.redis.execute_command("ACL", "SETUSER", "victim", "on", "nopass")
    yield "victim"
    await world.redis.execute_command("ACL", "DELUSER", "victim")


async def test_feed_pod__in_a_namespace_of_nobody__takes_nothing_away(world, live, victim):
    await world.namespace("elsewhere")

    await make_feed_pod(world, "elsewhere", "evil", victim)
    await make_feed_pod(world, "elsewhere", "left", "brk_aaaaaaaaaaaaaaaa")
    await observation(world, "elsewhere", "evil", "left")

    assert victim in await world.redis.execute_command("ACL", "USERS")
    assert await world.get(PODS, "elsewhere", "evil") is not None
    assert await world.get(PODS, "elsewhere", "left") is not None


async def test_feed_pod__of_no_account__goes_only_with_the_id_of_one_that_is_gone(
    world, live, victim
):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "left", "namespace": live}}
    await world.kube.create(SECRETS, live, secret)
    stranger = account_owner("nobody", "11111111-1111-1111-1111-111111111111")

    await make_feed_pod(world, live, "evil", victim)
    await make_feed_pod(world, live, "wrong", "brk_bbbbbbbbbbbbbbbb", owner=stranger)
    await observation(world, live, "evil", "wrong")
    await make_feed_pod(world, live, "left", "brk_aaaaaaaaaaaaaaaa")

    await world.until(PODS, live, "left", lambda b: b is None)
    assert await world.get(SECRETS, live, "left") is not None, "it is no feed's"
    assert victim in await world.redis.execute_command("ACL", "USERS")
    assert await world.get(PODS, live, "evil") is not None
    assert await world.get(PODS, live, "wrong") is not None, "its owner is another"


async def test_feed__account_with_the_same_long_beginning_goes__stays(world, live):
    beginning = "a" * 63
    one = await world.account(live, f"{beginning}-one", **SIMULATOR)
    two = await world.account(live, f"{beginning}-two", **SIMULATOR)
    own = account_id(two["metadata"]["uid"])
    owner = account_owner(two["metadata"]["name"], two["metadata"]["uid"])
    await make_feed_pod(world, live, "of-two", own, of=f"{beginning}-two", owner=owner)
    await observation(world, live, "of-two")
    await world.redis.execute_command("ACL", "SETUSER", own, "on", "nopass")

    await world.kube.delete(ACCOUNTS, live, one["metadata"]["name"])
    await world.until(ACCOUNTS, live, one["metadata"]["name"], lambda b: b is None)
    await world.idle()

    assert own in await world.redis.execute_command("ACL", "USERS")
    assert await world.get(PODS, live, "of-two") is not None
