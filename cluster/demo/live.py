"""`make demo BROKER=zerodha|dhan`: the same recorded day, traded through the real adapter.

A simulated broker that speaks the broker's own protocol runs in the cluster; the account's log-in
is sealed, the log-in worker logs in, the operator opens the session, a feed pod streams the prices
and carries the order book, and one runner pod a strategy trades. In the end the exchange's own
books are compared with what the strategies say.
"""

import time
from typing import Any

import redis
from demo.board import HEADING, feed_time, row
from local_cluster.broker_sim import BrokerSim, make_account
from local_cluster.kube import ROOT, TENANT, PortForward, apply, kubectl, read, secret

TICKS = ROOT / "crds/samples/ticks/YESBANK-20190709.csv"
SIM = "algo-sim"
STRATEGIES = {
    "live-stopped-out": ({"symbol": "YESBANK", "stopLoss": 93.00}, "stop_loss"),
}
"""One strategy an account, share and product may be in session: their positions are net."""

DAY_SECONDS = 6.5 * 3600
SECONDS_FOR_PODS = 120
SECONDS_AFTER_THE_DAY = 60


class RehearsalError(RuntimeError):
    """The rehearsal did not go as it must; the message says how."""


def rehearse(broker: str, speed: str) -> list[str]:
    """Runs it; what differs from what must be.

    Raises:
        RehearsalError: something did not come about in time.
    """
    account = f"demo-{broker}"
    sim = BrokerSim(name=SIM, broker=broker, ticks=TICKS, speed=speed)
    kubectl("delete", "ts", "-n", TENANT, *STRATEGIES, "--ignore-not-found", "--timeout=90s")
    kubectl("delete", "ba", "-n", TENANT, account, "--ignore-not-found", "--timeout=60s")
    sim.start()
    make_account(sim, TENANT, account)
    print(f"brokeraccount {account}: log-in sealed; the simulated {broker} is at {sim.host}")
    wait_for_condition("ba", account, "CredentialsReady", SECONDS_FOR_PODS)
    print(kubectl("get", "ba", account, "-n", TENANT))
    apply(*(_strategy(name, account, spec) for name, (spec, _) in STRATEGIES.items()))
    for name in STRATEGIES:
        wait_for_condition("ts", name, "Ready", SECONDS_FOR_PODS)
    sim.go()
    with PortForward("redis-ticks", 6379) as port:
        password = secret("redis-demo", "password")
        ticks = redis.Redis(port=port, username="demo", password=password, decode_responses=True)
        watch(ticks, account, speed)
    return differences(sim)


def wait_for_condition(kind: str, name: str, condition: str, seconds: float) -> None:
    """Waits until a condition is True; what it says instead is in the error."""
    deadline = time.monotonic() + seconds
    said = "nothing yet"
    while time.monotonic() < deadline:
        status = read(kind, name, "-n", TENANT).get("status", {})
        for found in status.get("conditions", []):
            if found["type"] == condition:
                said = f"{found['status']} {found['reason']}: {found['message']}"
                if found["status"] == "True":
                    return
        time.sleep(0.5)
    raise RehearsalError(f"{kind} {name}: {condition} is {said}, after {seconds:.0f} s")


def watch(ticks: "redis.Redis", account: str, speed: str) -> None:
    """Prints the table until the strategies are done."""
    feed = read("ba", account, "-n", TENANT)["status"]["id"]
    deadline = time.monotonic() + DAY_SECONDS / float(speed) + SECONDS_AFTER_THE_DAY
    shown: dict[str, str] = {}
    print(f"\nat {speed} times real time\n{HEADING}")
    while True:
        strategies: list[dict[str, Any]] = read("ts", "-n", TENANT)["items"]
        rows = [row(s, ticks) for s in strategies if s["metadata"]["name"] in STRATEGIES]
        for now in rows:
            line = now.line("")
            if shown.get(now.name) != line:
                shown[now.name] = line
                print(now.line(feed_time(ticks, feed)), flush=True)
        if rows and all(r.state in ("SOLD", "FAILED", "STOPPED") for r in rows):
            return
        if time.monotonic() > deadline:
            raise RehearsalError("the strategies are not done after the day's end: see above")
        time.sleep(1)


def differences(sim: BrokerSim) -> list[str]:
    """Where the strategies and the exchange's own books disagree with each other, or with what
    must be.
    """
    orders = sim.orders()
    problems: list[str] = []
    for name, (_, reason) in STRATEGIES.items():
        status = read("ts", name, "-n", TENANT)["status"]
        bought = _value(orders, "BUY")
        sold = _value(orders, "SELL")
        pairs = {
            "execution": (status.get("execution"), "SOLD"),
            "reason": (status.get("reason"), reason),
            "position": (status.get("position"), 0),
            "bought at the exchange": (_quantity(orders, "BUY"), 10),
            "sold at the exchange": (_quantity(orders, "SELL"), 10),
            "averagePrice": (status.get("averagePrice"), bought / 1000),
            "realizedPnl": (status.get("realizedPnl"), (sold - bought) / 100),
            "orders still live": (len([o for o in orders if o["status"] in _LIVE]), 0),
            "entries": (len([o for o in orders if o["side"] == "BUY"]), 1),
        }
        problems += [
            f"{name}: {what} is {is_!r} and must be {must!r}"
            for what, (is_, must) in pairs.items()
            if is_ != must
        ]
    return problems


_LIVE = ("OPEN", "TRIGGER_PENDING", "PENDING")


def show_the_end(broker: str) -> None:
    """What kubectl tells of the same story."""
    print(
        f"\nAs it must be: what the strategy says is what the simulated {broker} has in its books."
    )
    print(kubectl("get", "ba,ts", "-n", TENANT))
    for name in STRATEGIES:
        described = kubectl("describe", "ts", name, "-n", TENANT)
        print(f"kubectl describe ts {name}, its events:")
        print(described[described.index("Events:") :])


def _strategy(name: str, account: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "algotrading.io/v1alpha1",
        "kind": "TradingStrategy",
        "metadata": {"name": name, "namespace": TENANT},
        "spec": {
            "buyTime": "09:20:00",
            "sellTime": "15:05:00",
            "quantity": 10,
            "brokerAccount": account,
            "mode": "Live",
            **spec,
        },
    }


def _quantity(orders: list[dict[str, Any]], side: str) -> int:
    return sum(order["filled"] for order in orders if order["side"] == side)


def _value(orders: list[dict[str, Any]], side: str) -> int:
    return sum(order["value"] for order in orders if order["side"] == side)
