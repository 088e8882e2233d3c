"""A replayed day as the JSON object that `algo-runner replay --json` prints, and as a sentence."""

from typing import Any

from algo_contract.ids import order_id
from algo_contract.money import average_rupees, rupees
from algo_contract.trading_day import ist_datetime

from algo_engine.charges import round_trip_charges
from algo_engine.orders import Order
from algo_engine.replay import DayResult
from algo_engine.state import all_orders, execution, position, realized_pnl, reason_of


def day_object(result: DayResult, *, spec: dict[str, Any], with_charges: bool) -> dict[str, Any]:
    """The day in rupees. `spec` is the strategy as its owner wrote it, defaults filled in."""
    state = result.state
    orders = all_orders(state)
    charges = day_charges(result) if with_charges else 0
    return {
        "strategy": spec,
        "trading_day": state.trading_day,
        "execution": execution(state),
        "reason": reason_of(state),
        "orders": [_order_object(order) for order in orders],
        "position": position(state),
        "realized_pnl": rupees(realized_pnl(state) - charges),
        "ticks": result.ticks,
        "elapsed_s": round(result.elapsed_seconds, 6),
    } | ({"charges": rupees(charges)} if with_charges else {})


def day_charges(result: DayResult) -> int:
    """The day's charges in paise."""
    state = result.state
    bought = [state.entry.value] if state.entry and state.entry.value else []
    return round_trip_charges(bought, [order.value for order in state.exits if order.value])


def _order_object(order: Order) -> dict[str, Any]:
    return {
        "id": order_id(order.tag),
        "tag": order.tag,
        "leg": order.leg,
        "side": order.side,
        "quantity": order.terms.quantity,
        "type": order.terms.type,
        "price": rupees(order.terms.price),
        "trigger_price": rupees(order.terms.trigger_price),
        "status": order.status,
        "filled_quantity": order.filled,
        "average_price": average_rupees(order.value, order.filled),
        "time": ist_datetime(order.filled_us or order.time_us).isoformat(),
    }
