"""What a strategy's status should say. Pure."""

from typing import Any, Final

from algo_contract.money import rupees
from algo_kube.times import timestamp

from algo_operator.model.observed import ObservedStrategy
from algo_operator.model.preconditions import Blocker
from algo_operator.model.schedule import Day
from algo_operator.settings import Settings
from algo_operator.status.strategy_conditions import conditions

Fields = dict[str, Any]

_TRADE: Final = (
    "execution",
    "reason",
    "tradingDay",
    "averagePrice",
    "position",
    "realizedPnl",
    "lastAction",
)


def desired_status(
    seen: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    epoch: int,
) -> Fields:
    """The whole status; None stands for a field that should not be there."""
    trade = _trade(seen, day)
    failed = trade["execution"] == "FAILED" and seen.wish.resolved_day != trade["tradingDay"]
    running = seen.pod is not None and seen.pod.ours
    fields: Fields = trade | {
        "id": seen.wish.id,
        "phase": "RUNNING" if running else "STOPPED" if _is_over(seen, day) or failed else "ACTIVE",
        "observedGeneration": _generation(seen),
        "runnerEpoch": epoch or None,
        "podName": seen.pod.name if seen.pod is not None and running else None,
        "stopPrice": _stop(seen, trade),
        "nextRun": timestamp(day.next_run_us)
        if day.next_run_us and not _is_over(seen, day)
        else None,
        "lastPrice": rupees(seen.last_price)
        if seen.last_price
        else seen.wish.status.get("lastPrice"),
    }
    fields["conditions"] = conditions(
        seen, day, problem, settings=settings, wanted=wanted, failed=failed
    )
    return fields


def status_changes(current: Fields, fields: Fields) -> Fields:
    """The merge patch from one to the other; empty when there is nothing to write."""
    return {name: value for name, value in fields.items() if current.get(name) != value}


def _trade(seen: ObservedStrategy, day: Day) -> Fields:
    """Where the trade stands: the runner's word, or ours while no runner has begun the day."""
    runner, today = seen.runner, seen.today.isoformat() if seen.today is not None else None
    if not seen.runner_known or seen.state_lost:
        return {name: seen.wish.status.get(name) for name in _TRADE} | {
            "execution": seen.wish.status.get("execution") or "WAITING"
        }
    if runner is not None and (seen.at_risk or seen.started_today or not _is_history(seen, day)):
        mine = {
            "execution": runner.execution,
            "reason": runner.reason or None,
            "tradingDay": runner.trading_day or None,
            "averagePrice": rupees(runner.average_price) if runner.average_price else None,
            "position": runner.position,
            "realizedPnl": rupees(runner.realized_pnl),
            "lastAction": runner.last_action[:256] or None,
        }
        if runner.execution == "WAITING" and seen.wish.desired == "Stopped" and seen.pod is None:
            return mine | {"execution": "STOPPED", "reason": "stopped"}
        return mine
    waiting: Fields = {
        "execution": "STOPPED" if seen.wish.desired == "Stopped" else "WAITING",
        "reason": "stopped"
        if seen.wish.desired == "Stopped"
        else "missed"
        if _missed(seen, day)
        else None,
        "tradingDay": today if day.session is not None else seen.wish.status.get("tradingDay"),
    }
    return dict.fromkeys(_TRADE) | waiting | {"position": 0}


def _is_history(seen: ObservedStrategy, day: Day) -> bool:
    """Whether what the runner last said is of a day that is over: a new one has opened."""
    if seen.runner is None or seen.today is None or not day.opened:
        return False
    unresolved = (
        seen.runner.execution == "FAILED" and seen.wish.resolved_day != seen.runner.trading_day
    )
    return seen.runner.trading_day < seen.today.isoformat() and not unresolved


def _missed(seen: ObservedStrategy, day: Day) -> bool:
    if day.missed:
        return seen.pod is None
    return seen.wish.status.get("reason") == "missed" and not day.opened


def _is_over(seen: ObservedStrategy, day: Day) -> bool:
    """Stopped by its owner, or past its last day."""
    if seen.wish.desired == "Stopped":
        return True
    spec, today = seen.wish.spec, seen.today
    if spec is None or spec.endDate is None or today is None:
        return False
    last = today.isoformat() >= spec.endDate and (seen.done_today or day.late)
    return today.isoformat() > spec.endDate or last


def _stop(seen: ObservedStrategy, trade: Fields) -> float | None:
    runner, spec = seen.runner, seen.wish.spec
    if runner is not None and runner.stop and trade["execution"] == runner.execution:
        return rupees(runner.stop)
    return spec.stopLoss if spec is not None else None


def _generation(seen: ObservedStrategy) -> int:
    """The generation acted on: while a runner is at work, the one it has taken up."""
    if (
        seen.pod is not None
        and seen.runner is not None
        and seen.started_today
        and not seen.runner.done
    ):
        return min(seen.runner.generation, seen.wish.generation)
    return seen.wish.generation
