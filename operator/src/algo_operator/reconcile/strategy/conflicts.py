"""Other live strategies that would share a position at the broker.

Read last before a plan and noted right after it, with nothing awaited between: of two strategies
that become due together one sees the other's claim.
"""

from typing import Final

from algo_contract.calendar import ist_datetime
from algo_contract.v1alpha1 import TradingStrategySpec
from algo_contract.v1alpha1.conversion import trades_on
from algo_kube.cache import ObjectName
from algo_kube.fields import rows
from algo_kube.work_queue import Key

from algo_operator.context import Context, strategy_key
from algo_operator.model.naming import runner_name
from algo_operator.model.observed import MOVING, ConflictingStrategy, StrategyResource
from algo_operator.model.parsing import parse_strategy
from algo_operator.model.schedule import SECOND, at_clock

_DONE: Final = frozenset({"SOLD", "STOPPED", "FAILED"})
_REFUSED: Final = frozenset(
    {"InvalidTimes", "QuantityAboveFreeze", "SecretNameTaken", "PodNameTaken", "Failed"}
)
"""Why a strategy that would be due will not trade: it is in nobody's way."""


def conflicts_of(context: Context, strategy: StrategyResource) -> tuple[ConflictingStrategy, ...]:
    """The rivals of a live strategy; paper ones have a book each."""
    if strategy.mode != "Live" or strategy.spec is None:
        return ()
    return tuple(
        _conflicting(context, other) for other in _others(context, strategy, strategy.spec)
    )


def wake_conflicting(context: Context, strategy: StrategyResource) -> None:
    """Look again at those that waited for this strategy to be done."""
    if strategy.mode == "Live" and strategy.spec is not None:
        for other in _others(context, strategy, strategy.spec):
            context.queue.add(strategy_key(other.name))


def _others(
    context: Context, strategy: StrategyResource, spec: TradingStrategySpec
) -> list[StrategyResource]:
    found: list[StrategyResource] = []
    for body in context.strategies.values():
        meta, asked = body["metadata"], body.get("spec") or {}
        if meta["namespace"] != strategy.name.namespace or meta["uid"] == strategy.uid:
            continue
        if asked.get("mode") != "Live" or asked.get("brokerAccount") != strategy.account:
            continue
        other = parse_strategy(body)
        if other.spec is not None and _position(other.spec) == _position(spec):
            found.append(other)
    return found


def _position(spec: TradingStrategySpec) -> tuple[str, str, str]:
    return spec.exchange, spec.symbol, spec.product


def _conflicting(context: Context, other: StrategyResource) -> ConflictingStrategy:
    key: Key = strategy_key(other.name)
    pod = context.pods.get(
        ObjectName(other.name.namespace, runner_name(other.name.name, other.uid))
    )
    status = other.status
    moving = bool(status.get("position")) or status.get("execution") in MOVING
    return ConflictingStrategy(
        name=other.name.name,
        uid=other.uid,
        created_us=other.created_us,
        at_risk=key in context.runtime.holding or (moving and key in context.runtime.unplanned),
        in_session=pod is not None or key in context.runtime.claims,
        due=_is_due(context, other),
    )


def _is_due(context: Context, other: StrategyResource) -> bool:
    """Whether its entry is near: what decides before it had its own pass."""
    spec = other.spec
    body = context.accounts.get(ObjectName(other.name.namespace, other.account))
    if spec is None or other.desired != "Active" or other.deleted_us is not None or body is None:
        return False
    wall_us = context.clock.now_us()
    recorded = (body.get("spec") or {}).get("clock") == "Feed"
    feed = context.runtime.feeds.get(context.runtime.follows_feed.get(strategy_key(other.name), ""))
    now_us = (feed.clock_us if feed is not None else None) if recorded else wall_us
    if now_us is None:
        return False
    today = ist_datetime(now_us).date()
    done = other.status.get("tradingDay") == today.isoformat() and (
        other.status.get("execution") in _DONE or bool(other.status.get("reason"))
    )
    if done or _is_refused(other) or not trades_on(spec, today):
        return False
    if recorded:
        return True
    buy_us = at_clock(today, spec.buyTime)
    lead_us = context.settings.pod_lead_seconds * SECOND
    return buy_us - lead_us <= wall_us <= buy_us + spec.entryGraceSeconds * SECOND


def _is_refused(other: StrategyResource) -> bool:
    conditions = rows(other.status, "conditions")
    return any(row.get("type") == "Ready" and row.get("reason") in _REFUSED for row in conditions)
