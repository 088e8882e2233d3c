"""A live strategy in real pods at each simulated broker: log-in, feed, orders, and murder in
position. The exchange's own books say whether anything was lost or doubled.
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.servers.cluster_client import (
    guard_of,
    is_pod_ready,
    murder,
    pod_of,
    status_of,
    strategy_object,
    tenant,
    wait_execution,
    wait_until,
)
from support.servers.sim_server import seconds_to_wait
from local_cluster.broker_sim import BrokerSim, make_account
from local_cluster.kube import PLATFORM, ROOT, apply, kubectl, read

pytestmark = pytest.mark.e2e

TICKS = ROOT / "crds/samples/ticks/YESBANK-20190709.csv"
ACCOUNT, STRATEGY = "mine", "morning"


@pytest.fixture(params=["zerodha", "dhan"])
def live(request: pytest.FixtureRequest) -> Iterator[tuple[BrokerSim, str]]:
    """A simulated broker at 09:00, and a tenant with an account that is logged in there and a live
    strategy whose runner is Ready.
    """
    if request.param == "zerodha":
        time.sleep(seconds_to_wait(time.time()))
    sim = BrokerSim(name="algo-sim", broker=request.param, ticks=TICKS, speed="manual")
    sim.start()
    with tenant(f"tenant-live-{request.param}") as namespace:
        make_account(sim, namespace, ACCOUNT)
        wait_until(lambda: condition(namespace, "CredentialsReady") == "True", 60, "logged in")
        apply(
            strategy_object(namespace, STRATEGY, brokerAccount=ACCOUNT, mode="Live", stopLoss=93.5)
        )
        wait_until(lambda: is_pod_ready(pod_of(namespace, STRATEGY)), 90, "a runner is Ready")
        yield sim, namespace
    sim.stop()


def condition(namespace: str, name: str) -> str:
    status = read("ba", ACCOUNT, "-n", namespace).get("status", {})
    found = [c["status"] for c in status.get("conditions", []) if c["type"] == name]
    return found[0] if found else ""


def play(sim: BrokerSim, to: str) -> None:
    sim.admin("POST", "/admin/advance", {"to": to})


def is_resting(namespace: str) -> bool:
    conditions = status_of(namespace, STRATEGY).get("conditions", [])
    return any(c["type"] == "Protected" and "rest" in c["reason"].lower() for c in conditions)


def test_a_live_day__survives_every_murder(live: tuple[BrokerSim, str]) -> None:
    sim, namespace = live
    play(sim, "09:20:05")
    status = wait_execution(namespace, STRATEGY, "BOUGHT", 60)
    assert status["averagePrice"] == 94.6
    wait_until(lambda: is_resting(namespace), 30, "a stop rests at the broker")
    before = sim.orders()

    with guard_of(namespace, STRATEGY) as guard:
        for how in ("runner", "first", "delete"):
            murder(namespace, STRATEGY, how, guard)
    kubectl("delete", "pod", f"{ACCOUNT}-feed", "-n", namespace, "--wait=true")
    wait_until(lambda: is_feed_ready(namespace), 60, "another feed pod is Ready")
    assert sim.orders() == before, "a murder changed an order"

    play(sim, "13:00:00")
    status = wait_execution(namespace, STRATEGY, "SOLD", 90)

    assert status["reason"] == "stop_loss"
    check_books(sim.orders(), status)
    check_no_secret_is_told(namespace)


def is_feed_ready(namespace: str) -> bool:
    pods = read("pods", "-n", namespace)["items"]
    return any(is_pod_ready(p) for p in pods if p["metadata"]["name"] == f"{ACCOUNT}-feed")


def check_books(orders: list[dict[str, Any]], status: dict[str, Any]) -> None:
    """One purchase, as much sold, nothing left, and the money is what the exchange says."""
    buys = [order for order in orders if order["side"] == "BUY"]
    sells = [order for order in orders if order["side"] == "SELL"]
    assert [order["filled"] for order in buys] == [10]
    assert sum(order["filled"] for order in sells) == 10
    assert not [o for o in orders if o["status"] in ("OPEN", "TRIGGER_PENDING", "PENDING")]
    made = sum(o["value"] for o in sells) - sum(o["value"] for o in buys)
    assert status["realizedPnl"] == made / 100


def check_no_secret_is_told(namespace: str) -> None:
    """Neither logs nor events nor what tenants may read hold a secret of the account."""
    told = kubectl("get", "ba,ts,pods,events", "-n", namespace, "-o", "yaml")
    for target in ("deploy/algo-operator", "deploy/algo-login"):
        told += kubectl("logs", target, "-n", PLATFORM)
    told += kubectl("logs", f"{ACCOUNT}-feed", "-n", namespace)
    session = json.loads(_secret(namespace, f"{ACCOUNT}-feed", "session.json"))
    for secret in (session["access_token"], "simsecret", "JBSWY3DPEHPK3PXP"):
        assert secret not in told


def _secret(namespace: str, name: str, key: str) -> str:
    data = read("secret", name, "-n", namespace)["data"]
    return base64.b64decode(data[key]).decode()
