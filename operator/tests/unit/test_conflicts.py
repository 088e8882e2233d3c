"""Which other strategies stand in the way of a live one."""

import itertools

import pytest
from algo_operator.context import strategy_key
from algo_operator.model.parsing import parse_strategy
from algo_operator.reconcile.strategy.conflicts import conflicts_of
from algo_kube.cache import ObjectName
from support.factories.observed_factories import at

NAMESPACE = "tenant-a"
_numbers = itertools.count()


class StoppedClock:
    def now_us(self) -> int:
        return at("09:18:00")

    def monotonic(self) -> float:
        return 0.0


def strategy(name: str, status: dict | None = None, **spec) -> dict:
    return {
        "metadata": {
            "namespace": NAMESPACE,
            "name": name,
            "uid": f"uid-{name}-{next(_numbers)}",  # a spec is parsed once for a uid
            "resourceVersion": "1",
            "creationTimestamp": "2026-07-01T00:00:00Z",
        },
        "spec": {
            "symbol": "RELIANCE",
            "buyTime": "09:20:00",
            "sellTime": "15:05:00",
            "stopLoss": 2890.5,
            "quantity": 10,
            "mode": "Live",
            "brokerAccount": "mine",
            **spec,
        },
        "status": status or {},
    }


@pytest.fixture
def found(bare_context):
    """The rivals of m1, given another strategy."""
    bare_context.clock = StoppedClock()
    meta = {"namespace": NAMESPACE, "name": "mine", "uid": "a", "resourceVersion": "1"}
    bare_context.accounts.put({"metadata": meta, "spec": {"broker": "dhan", "clock": "Wall"}})

    def ask(other: dict, *, mine: dict | None = None):
        mine = mine or strategy("m1")
        for body in (mine, other):
            bare_context.strategies.put(body)
        return conflicts_of(bare_context, parse_strategy(mine))

    return ask


async def test_rivals__same_share_and_due__is_one(found):
    (rival,) = found(strategy("m2"))

    assert (rival.name, rival.due, rival.in_session, rival.at_risk) == ("m2", True, False, False)


@pytest.mark.parametrize(
    "spec",
    [
        {"symbol": "TCS"},
        {"exchange": "BSE"},
        {"product": "Delivery"},
        {"brokerAccount": "other"},
        {"mode": "Paper"},
    ],
)
async def test_rivals__another_position_at_the_broker__is_none(found, spec):
    assert found(strategy("m2", **spec)) == ()


async def test_rivals__of_a_paper_strategy__are_none(found):
    assert found(strategy("m2"), mine=strategy("m1", mode="Paper")) == ()


def failed(reason: str) -> dict:
    return {"conditions": [{"type": "Ready", "status": "False", "reason": reason}]}


@pytest.mark.parametrize(
    "other",
    [
        strategy("m2", buyTime="09:30:00"),
        strategy("m2", desiredState="Paused"),
        strategy("m2", tradingDays=["Tue"]),
        strategy("m2", {"tradingDay": "2026-07-06", "execution": "SOLD"}),
        strategy("m2", {"tradingDay": "2026-07-06", "reason": "missed"}),
        strategy("m2", failed("Failed")),
        strategy("m2", failed("InvalidTimes")),
    ],
)
async def test_rivals__not_to_trade_now__are_not_due(found, other):
    (rival,) = found(other)

    assert not rival.due


async def test_rivals__claims_and_positions__are_seen(found, bare_context):
    key = strategy_key(ObjectName(NAMESPACE, "m2"))
    bare_context.runtime.claims.add(key)
    bare_context.runtime.holding[key] = None

    (rival,) = found(strategy("m2", desiredState="Paused"))

    assert (rival.in_session, rival.at_risk) == (True, True)


async def test_rivals__before_their_first_pass__are_judged_by_their_status(found, bare_context):
    held = strategy("m2", {"position": 10})
    bare_context.runtime.unplanned.add(strategy_key(ObjectName(NAMESPACE, "m2")))

    (rival,) = found(held)

    assert rival.at_risk
