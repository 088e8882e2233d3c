"""The builders: what a pod, a tenant and a name look like."""

import base64
import json
import re

import pytest
from algo_kube.times import timestamp
from algo_operator.model.parsing import parse_account, parse_strategy
from algo_operator.settings import Settings
from algo_operator.model import naming
from algo_operator.specs import tenant
from algo_operator.specs.redis_rules import runner_rules
from algo_operator.specs.network_policy import account_network
from algo_operator.specs.feed import feed_assignment, feed_secret, read_feed_secret
from algo_operator.specs.pod import feed_pod, runner_pod
from algo_operator.model.pod_state import read_pod
from algo_operator.specs.secret import read_secret, redis_file, runner_secret, session_hash
from algo_operator.model.untrusted import instrument
from hypothesis import given
from hypothesis import strategies as st
from support.factories.observed_factories import live_account
from pydantic import ValidationError

UID = "8f2d6c1e-0000-4000-8000-000000000001"
SETTINGS = Settings(
    runner_image="runner:1",
    state_redis_url="redis://redis-state.algo-system:6379",
    ticks_redis_url="redis://redis-ticks.algo-system:6380",
    runner_priority_class="algo-runner",
)


@given(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True), st.uuids())
def test_names_of_children_are_always_valid(name, uid):
    child = naming.runner_name(name, str(uid))

    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", child)
    assert len(child) <= 63
    for value in naming.labels(name, str(uid)).values():
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", value)
        assert len(value) <= 63


def test_long_names_of_two_strategies_differ():
    assert naming.runner_name("a" * 70, "1") != naming.runner_name("a" * 70, "2")
    assert naming.runner_name("morning", "1") == "morning-runner"


@pytest.fixture
def assignment():
    from algo_contract.calendar import session, tick_bands
    import datetime as dt
    from algo_contract.messages.assignment import Assignment
    from algo_contract.v1alpha1 import TradingStrategySpec
    from algo_contract.v1alpha1.conversion import engine_strategy

    day = dt.date(2026, 7, 6)
    spec = TradingStrategySpec(
        symbol="TCS", buyTime="09:20:00", sellTime="15:00:00", stopLossPercent=1.5, quantity=1
    )
    return Assignment(
        strategy=engine_strategy(spec, uid=UID, namespace="tenant-a", name="m1"),
        session=session(day, broker="paper", has_closing_auction=True),
        tick_bands=tick_bands(day),
        feed="shared",
        clock="Wall",
        account_id=None,
        broker="paper",
        epoch=3,
    )


def test_a_runner_pod_is_locked_down(assignment):
    pod = runner_pod(assignment, SETTINGS, owned=True)
    spec, container = pod["spec"], pod["spec"]["containers"][0]

    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Always"
    assert spec["priorityClassName"] == "algo-runner"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "subPath" not in container["volumeMounts"][0]
    assert pod["metadata"]["annotations"]["algotrading.io/epoch"] == "3"
    assert "ownerReferences" not in runner_pod(assignment, SETTINGS, owned=False)["metadata"]


def test_a_secret_reads_back_and_another_ones_does_not(assignment):
    from algo_contract.ids import strategy_id

    body = runner_secret(assignment, redis_file(SETTINGS, strategy_id(UID), "pass"), owned=True)

    facts = read_secret(body, UID, SETTINGS)
    assert facts.assignment == assignment
    assert facts.redis_current
    assert facts.owned
    foreign = read_secret(body, "another-uid", SETTINGS)
    assert foreign.assignment is None
    moved = SETTINGS.model_copy(update={"state_redis_url": "redis://elsewhere:6379"})
    assert not read_secret(body, UID, moved).redis_current
    body["data"]["assignment.json"] = "!!"
    assert read_secret(body, UID, SETTINGS).assignment is None
    del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    assert read_secret(body, UID, SETTINGS).foreign


@pytest.mark.parametrize(
    "change",
    [
        {"strategy": {"symbol": "*"}},
        {"strategy": {"exchange": "[NB]SE"}},
        {"strategy": {"uid": "another"}},
        {"epoch": 2**40},
        {"epoch": "7"},
    ],
)
def test_an_assignment_that_was_tampered_with_is_as_good_as_none(assignment, change):
    def changed(values: dict, by: dict) -> dict:
        return values | {
            name: changed(values[name], value) if isinstance(value, dict) else value
            for name, value in by.items()
        }

    body = runner_secret(assignment, "{}", owned=True)
    fields = json.loads(base64.b64decode(body["data"]["assignment.json"]))
    text = json.dumps(changed(fields, change))
    body["data"]["assignment.json"] = base64.b64encode(text.encode()).decode()

    assert read_secret(body, UID, SETTINGS).assignment is None


@pytest.mark.parametrize(
    "part",
    [{"account": "*"}, {"feed": "brk_?"}, {"tenant": "[a]"}, {"instrument": ("NSE", "^\\*")}],
)
def test_no_pattern_gets_into_a_users_rights(part):
    good = {
        "strategy": "str_a",
        "instrument": ("NSE", "M&M"),
        "feed": "shared",
        "account": "brk_a",
        "tenant": "usr-a.b",
        "password": "p",
    }
    assert runner_rules(**good)
    with pytest.raises(ValueError, match="plain part"):
        runner_rules(**good | part)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ("ErrImagePull", "ImageMissing"),
        ("ImagePullBackOff", "ImageMissing"),
        ("ErrImageNeverPull", "ImageMissing"),
        ("CreateContainerConfigError", "PodConfigError"),
        ("CrashLoopBackOff", "RunnerCrashing"),
        ("ContainerCreating", None),
    ],
)
def test_why_a_pod_does_not_come_up(assignment, waiting, expected):
    body = runner_pod(assignment, SETTINGS, owned=True)
    body["metadata"] |= {"uid": "p", "creationTimestamp": timestamp(1_000_000)}
    status = {"name": "runner", "state": {"waiting": {"reason": waiting, "message": "why"}}}
    body["status"] = {"containerStatuses": [status]}

    failure = read_pod(body, UID, node_lost=False).failure

    assert (failure.reason if failure else None) == expected


def test_an_image_that_a_webhook_rewrote_is_the_one_asked_for(assignment):
    body = runner_pod(assignment, SETTINGS, owned=True)
    body["metadata"] |= {"uid": "p", "creationTimestamp": timestamp(1_000_000)}
    body["spec"]["containers"][0]["image"] = "mirror.example/runner@sha256:1"

    assert read_pod(body, UID, node_lost=False).image == SETTINGS.runner_image
    del body["metadata"]["annotations"]["algotrading.io/image"]
    assert read_pod(body, UID, node_lost=False).image == "mirror.example/runner@sha256:1"


def test_a_pod_is_ours_only_with_all_our_labels(assignment):
    body = runner_pod(assignment, SETTINGS, owned=True)
    body["metadata"] |= {"uid": "p", "creationTimestamp": timestamp(1_000_000)}
    assert read_pod(body, UID, node_lost=False).ours

    del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    assert not read_pod(body, UID, node_lost=False).ours, "our watch does not follow it"


def test_a_pod_without_room_says_so(assignment):
    body = runner_pod(assignment, SETTINGS, owned=True)
    body["metadata"] |= {"uid": "p", "creationTimestamp": timestamp(1_000_000)}
    placed = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/1 nodes: Insufficient memory",
    }
    body["status"] = {"conditions": [placed]}

    failure = read_pod(body, UID, node_lost=False).failure

    assert failure.reason == "Unschedulable"
    assert "Insufficient memory" in failure.message


def test_a_tenants_limit():
    assert tenant.strategy_limit({}, 10) == 10
    assert tenant.strategy_limit({"algotrading.io/strategy-limit": "25"}, 10) == 25
    assert tenant.strategy_limit({"algotrading.io/strategy-limit": "many"}, 10) == 10
    body = tenant.quota("tenant-a", 10)
    assert not tenant.counts(body, 10)
    name = "count/tradingstrategies.algotrading.io"
    body["status"] = {"hard": {name: "10"}, "used": {name: "0"}}
    assert tenant.counts(body, 10)
    assert not tenant.counts(body, 11)


def test_a_runner_reaches_dns_and_redis_only():
    policy = tenant.runner_network("tenant-a", SETTINGS)

    ports = [row["port"] for rule in policy["spec"]["egress"] for row in rule["ports"]]
    assert ports == [53, 53, 6379, 6380]


@pytest.mark.parametrize(
    ("host", "anywhere"),
    [
        ("redis-state", False),
        ("redis-state.algo-system", False),
        ("redis-state.algo-system.svc.cluster.local", False),
        ("redis-0.redis-state.algo-system.svc", False),
        ("redis.example.com", True),
        ("redis-state.other.svc", True),
        ("algo-system.example.com", True),
        ("10.0.0.7", True),
    ],
)
def test_a_redis_outside_the_platforms_namespace_is_reached_too(host, anywhere):
    settings = SETTINGS.model_copy(update={"state_redis_url": f"redis://{host}:7000"})

    rules = tenant.runner_network("tenant-a", settings)["spec"]["egress"]

    rule = next(r for r in rules if any(row["port"] == 7000 for row in r["ports"]))
    assert ("to" not in rule) is anywhere
    ticks = next(r for r in rules if any(row["port"] == 6380 for row in r["ports"]))
    assert "to" in ticks


def test_a_tenants_accounts_are_counted_too():
    hard = tenant.quota("tenant-a", 10)["spec"]["hard"]

    assert hard["count/brokeraccounts.algotrading.io"] == "10"
    assert hard["pods"] == "25", "ten runners, ten feeds, and some to spare"


def network(**fields) -> list[dict]:
    return account_network(live_account(**fields), "tenant-a")["spec"]["egress"]


def test_an_account_without_more__reaches_the_https_of_the_world_outside():
    (rule,) = network()

    assert [row["port"] for row in rule["ports"]] == [443]
    outside = rule["to"][0]["ipBlock"]
    assert outside["cidr"] == "0.0.0.0/0"
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        outside["except"]
    )


@pytest.mark.parametrize(
    ("url", "port", "block"),
    [
        ("http://10.1.2.3:3128", 3128, "10.1.2.3/32"),
        ("https://[2001:db8::7]", 443, "2001:db8::7/128"),
        ("http://proxy.example.com", 80, "0.0.0.0/0"),
        ("http://proxy.platform:3128", 3128, "0.0.0.0/0"),
    ],
)
def test_an_account_with_a_proxy__reaches_that_alone(url, port, block):
    (rule,) = network(egress_proxy=url, base_url="http://elsewhere:1")

    assert rule["ports"] == [{"port": port, "protocol": "TCP"}]
    assert rule["to"][0]["ipBlock"]["cidr"] == block


def test_an_account_with_a_proxy_by_name__reaches_private_networks_only_where_it_is_listed():
    (rule,) = network(egress_proxy="http://proxy.example.com:3128")
    (listed,) = network(egress_proxy="http://proxy.example.com:3128", proxy_listed=True)

    assert "10.0.0.0/8" in rule["to"][0]["ipBlock"]["except"]
    assert listed["to"][0]["ipBlock"]["except"] == ["169.254.0.0/16"]


def test_an_account_at_a_simulator__reaches_its_namespace():
    both = network(base_url="http://sim.algo-sim.svc:8101", feed_url="ws://sim.algo-sim.svc:8101")
    one = network(base_url="http://sim.algo-sim.svc.cluster.local:8101")

    label = {"matchLabels": {"kubernetes.io/metadata.name": "algo-sim"}}
    assert [rule["to"] for rule in both] == [[{"namespaceSelector": label}]]
    assert [rule["ports"][0]["port"] for rule in one] == [8101, 443]


def test_a_feed_pod_is_locked_down_like_a_runner(assignment):
    account = live_account()
    made = feed_pod(
        feed_assignment(account), account, SETTINGS, namespace="tenant-a", owned=True, session="s"
    )
    runner_made = runner_pod(assignment, SETTINGS, owned=True)

    spec, container = made["spec"], made["spec"]["containers"][0]
    same = runner_made["spec"]["containers"][0]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == runner_made["spec"]["securityContext"]
    assert container["securityContext"] == same["securityContext"]
    assert container["image"] == same["image"]
    assert made["metadata"]["name"] == "mine-feed"
    assert made["metadata"]["labels"]["app.kubernetes.io/component"] == "feed"
    owner = made["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("BrokerAccount", account.uid)
    assert "account-id" not in str(runner_made["metadata"]["labels"])


def test_a_feeds_secret_reads_back_and_another_ones_does_not():
    account = live_account()
    redis = redis_file(SETTINGS, account.id, "pass")
    body = feed_secret(account, redis, "the session", namespace="tenant-a", owned=True)

    facts = read_feed_secret(body, account, SETTINGS)

    assert facts.assignment == feed_assignment(account)
    assert (facts.password, facts.redis_current) == ("pass", True)
    assert facts.session == session_hash("the session")
    assert "pass" not in repr(facts)
    other = read_feed_secret(body, live_account(id="brk_other"), SETTINGS)
    assert (other.assignment, other.password, other.session) == (None, None, "")
    del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    assert read_feed_secret(body, account, SETTINGS).foreign


@pytest.mark.parametrize("change", [{"tick_size": 0}, {"token": True}, {"freeze_quantity": -1}])
def test_facts_of_a_share_that_make_no_sense_are_as_good_as_none(change):
    good = {"token": 1, "tick_size": 5, "lot_size": 1, "freeze_quantity": None}

    assert instrument(json.dumps(good)) is not None
    assert instrument(json.dumps(good | change)) is None
    assert instrument(json.dumps(good | {"more": "x" * 600})) is None
    assert instrument("[]") is None
    assert instrument(None) is None


def test_contains_sees_drift_and_passes_over_defaults():
    desired = {"a": {"b": [1, {"c": 2}]}}
    assert tenant.contains({"a": {"b": [1, {"c": 2, "d": 3}]}, "e": 1}, desired)
    assert not tenant.contains({"a": {"b": [1]}}, desired)
    assert not tenant.contains({"a": None}, desired)


def account(**spec):
    body = {"metadata": {"name": "mine", "uid": UID}, "spec": {"broker": "paper", **spec}}
    return parse_account(body, frozenset({"sim.example"}))


def test_whose_feed_an_account_follows():
    assert account().feed == "shared"
    assert account(clock="Feed").feed == account().id
    assert account(clock="Feed", feed={"shared": True}).feed == "shared"
    assert account(broker="dhan").feed == account().id


def test_a_port_may_be_listed_with_its_host():
    body = {"metadata": {"name": "mine", "uid": UID}, "spec": {"broker": "dhan"}}

    def problem(url: str) -> str:
        named = body | {"spec": {"broker": "dhan", "baseUrl": url}}
        return parse_account(named, frozenset({"sim.example:8102", "any.example:443"})).problem

    assert problem("http://sim.example:8102/x") == ""
    assert problem("https://any.example") == ""
    assert problem("http://any.example") != ""
    assert problem("https://any.example.") == ""
    assert problem("http://sim.example:8103") != ""
    assert problem("http://sim.example") != ""
    assert problem("http://sim.example:99999") != ""


@pytest.mark.parametrize(
    ("proxy", "fits"),
    [
        ("http://user:w0rd@proxy.example.com:3128", False),
        ("https://proxy.example.com:3128", False),
        ("ws://proxy.example.com:3128", False),
        ("http://proxy.example.com:3128/path", False),
        ("http://proxy.example.com:3128", True),
        ("http://10.1.2.3:3128", False),
        ("http://8.8.8.8:3128", True),
        ("http://127.1:8080", False),
        ("http://169.254.43518", False),
        ("http://[::ffff:169.254.169.254]", False),
        ("http://localhost.:8080", False),
        ("http://metadata.google.internal.", False),
        ("http://redis-ticks.algo-system:6379", False),
        ("http://169.254.169.254", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://redis-state.algo-system.svc:6379", False),
        ("http://kubernetes", False),
        ("http://proxy.example.com:99999", False),
        ("http://sim.example", True),
    ],
)
def test_a_proxy_inside_the_cluster_must_be_listed(proxy, fits):
    problem = account(broker="dhan", egressProxy=proxy).problem

    assert (problem == "") is fits
    assert "w0rd" not in problem


def test_only_listed_hosts_may_be_named():
    assert account(baseUrl="https://sim.example/api").problem == ""
    assert "evil.example" in account(baseUrl="https://evil.example").problem
    assert "broker_url_allowlist" in account(feedUrl="ws://sim.example@evil.example").problem


def test_a_spec_that_cannot_be_read_is_a_sentence():
    meta = {"name": "m1", "namespace": "a", "uid": "u1", "resourceVersion": "1"}
    strategy = parse_strategy(
        {"metadata": meta, "spec": {"symbol": "TCS", "desiredState": "Stopped"}}
    )

    assert strategy.spec is None
    assert "buyTime" in strategy.spec_problem
    assert strategy.desired == "Stopped"


def test_settings_name_what_is_wrong():
    with pytest.raises(ValidationError, match="without a password"):
        Settings(
            runner_image="r", state_redis_url="redis://u:secret@h:1", ticks_redis_url="redis://h:1"
        )
    with pytest.raises(ValidationError, match="third of lease_seconds"):
        SETTINGS.__class__(**SETTINGS.model_dump() | {"lease_renew_seconds": 10})


def test_the_allowlist_is_a_comma_list(monkeypatch):
    monkeypatch.setenv("ALGO_OPERATOR_BROKER_URL_ALLOWLIST", "a.example, b.example,")

    made = Settings(runner_image="r", state_redis_url="redis://h:1", ticks_redis_url="redis://h:1")

    assert made.broker_url_allowlist == {"a.example", "b.example"}
