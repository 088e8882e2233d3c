"""From the resource's fields (rupees, percent, HH:MM:SS) to the engine's (paise, basis points)."""

import datetime as dt

from algo_contract.calendar import TradingSession, clock_text, seconds_of_day
from algo_contract.ids import strategy_id
from algo_contract.messages.assignment import Strategy
from algo_contract.money import basis_points, paise
from algo_contract.v1alpha1.trading_strategy import TradingStrategySpec

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def engine_strategy(
    spec: TradingStrategySpec,
    *,
    uid: str,
    namespace: str,
    name: str,
    generation: int = 1,
    exit_requested: bool = False,
) -> Strategy:
    """The engine's view of a resource."""
    return Strategy(
        uid=uid,
        id=strategy_id(uid),
        namespace=namespace,
        name=name,
        exchange=spec.exchange,
        symbol=spec.symbol,
        buy_time=seconds_of_day(spec.buyTime),
        sell_time=seconds_of_day(spec.sellTime),
        quantity=spec.quantity,
        stop_loss=_paise(spec.stopLoss),
        stop_loss_bps=_basis_points(spec.stopLossPercent),
        product=spec.product,
        order_type=spec.orderType,
        limit_price=_paise(spec.limitPrice),
        target=_paise(spec.target),
        target_bps=_basis_points(spec.targetPercent),
        trailing_bps=_basis_points(spec.trailingStopPercent),
        entry_grace=spec.entryGraceSeconds,
        desired_state=spec.desiredState,
        exit_requested=exit_requested,
        generation=generation,
    )


def trades_on(spec: TradingStrategySpec, day: dt.date) -> bool:
    """Whether the strategy wants that date: its weekdays, first and last day. No holidays here."""
    text = day.isoformat()
    return (
        WEEKDAYS[day.weekday()] in spec.tradingDays
        and (spec.startDate is None or text >= spec.startDate)
        and (spec.endDate is None or text <= spec.endDate)
    )


def session_problem(spec: TradingStrategySpec, session: TradingSession) -> str | None:
    """Why the strategy's times do not fit a day's session, in a sentence; None when they do."""
    midnight = session.midnight_us
    buy_us = midnight + seconds_of_day(spec.buyTime) * 1_000_000
    sell_us = midnight + seconds_of_day(spec.sellTime) * 1_000_000
    if buy_us < session.open_us:
        return (
            f"buyTime {spec.buyTime} is before the market opens at "
            f"{clock_text(session.open_us)} on {session.trading_day}."
        )
    if sell_us > session.last_exit_us:
        return (
            f"sellTime {spec.sellTime} is too late on {session.trading_day}: the latest is "
            f"{clock_text(session.last_exit_us)}, two minutes before the broker squares off or "
            "the closing auction begins."
        )
    return None


def _paise(amount: float | None) -> int | None:
    return None if amount is None else paise(amount)


def _basis_points(percent: float | None) -> int | None:
    return None if percent is None else basis_points(percent)
