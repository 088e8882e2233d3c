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
    observed: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    epoch: int,
) -> Fields:
    """The whole status; None stands for a field that should not be there."""
    trade = _trade(observed, day)
    failed = (
        trade["execution"] == "FAILED" and observed.strategy.resolved_day != trade["tradingDay"]
    )
    running = observed.pod is not None and observed.pod.ours
    fields: Fields = trade | {
        "id": observed.strategy.id,
        "phase": "RUNNING"
        if running
        else "STOPPED"
        if _is_over(observed, day) or failed
        else "ACTIVE",
        "observedGeneration": _generation(observed),
        "runnerEpoch": epoch or None,
        "podName": observed.pod.name if observed.pod is not None and running else None,
        "stopPrice": _stop(observed, trade),
        "nextRun": timestamp(day.next_run_us)
        if day.next_run_us and not _is_over(observed, day)
        else None,
        "lastPrice": rupees(observed.last_price)
        if observed.last_price
        else observed.strategy.status.get("lastPrice"),
    }
    fields["conditions"] = conditions(
        observed, day, problem, settings=settings, wanted=wanted, failed=failed
    )
    return fields


def status_changes(current: Fields, fields: Fields) -> Fields:
    """The merge patch from one to the other; empty when there is nothing to write."""
    return {name: value for name, value in fields.items() if current.get(name) != value}


def _trade(observed: ObservedStrategy, day: Day) -> Fields:
    """Where the trade stands: the runner's word, or ours while no runner has begun the day."""
    runner, today = (
        observed.runner,
        observed.today.isoformat() if observed.today is not None else None,
    )
    if not observed.runner_known or observed.state_lost:
        return {name: observed.strategy.status.get(name) for name in _TRADE} | {
            "execution": observed.strategy.status.get("execution") or "WAITING"
        }
    if runner is not None and (
        observed.at_risk or observed.started_today or not _is_history(observed, day)
    ):
        mine = {
            "execution": runner.execution,
            "reason": runner.reason or None,
            "tradingDay": runner.trading_day or None,
            "averagePrice": rupees(runner.average_price) if runner.average_price else None,
            "position": runner.position,
            "realizedPnl": rupees(runner.realized_pnl),
            "lastAction": runner.last_action[:256] or None,
        }
        if (
            runner.execution == "WAITING"
            and observed.strategy.desired == "Stopped"
            and observed.pod is None
        ):
            return mine | {"execution": "STOPPED", "reason": "stopped"}
        return mine
    waiting: Fields = {
        "execution": "STOPPED" if observed.strategy.desired == "Stopped" else "WAITING",
        "reason": "stopped"
        if observed.strategy.desired == "Stopped"
        else "missed"
        if _missed(observed, day)
        else None,
        "tradingDay": today
        if day.session is not None
        else observed.strategy.status.get("tradingDay"),
    }
    return dict.fromkeys(_TRADE) | waiting | {"position": 0}


def _is_history(observed: ObservedStrategy, day: Day) -> bool:
    """Whether what the runner last said is of a day that is over: a new one has opened."""
    if observed.runner is None or observed.today is None or not day.opened:
        return False
    unresolved = (
        observed.runner.execution == "FAILED"
        and observed.strategy.resolved_day != observed.runner.trading_day
    )
    return observed.runner.trading_day < observed.today.isoformat() and not unresolved


def _missed(observed: ObservedStrategy, day: Day) -> bool:
    if day.missed:
        return observed.pod is None
    return observed.strategy.status.get("reason") == "missed" and not day.opened


def _is_over(observed: ObservedStrategy, day: Day) -> bool:
    """Stopped by its owner, or past its last day."""
    if observed.strategy.desired == "Stopped":
        return True
    spec, today = observed.strategy.spec, observed.today
    if spec is None or spec.endDate is None or today is None:
        return False
    last = today.isoformat() >= spec.endDate and (observed.done_today or day.late)
    return today.isoformat() > spec.endDate or last


def _stop(observed: ObservedStrategy, trade: Fields) -> float | None:
    runner, spec = observed.runner, observed.strategy.spec
    if runner is not None and runner.stop and trade["execution"] == runner.execution:
        return rupees(runner.stop)
    return spec.stopLoss if spec is not None else None


def _generation(observed: ObservedStrategy) -> int:
    """The generation acted on: while a runner is at work, the one it has taken up."""
    if (
        observed.pod is not None
        and observed.runner is not None
        and observed.started_today
        and not observed.runner.done
    ):
        return min(observed.runner.generation, observed.strategy.generation)
    return observed.strategy.generation
