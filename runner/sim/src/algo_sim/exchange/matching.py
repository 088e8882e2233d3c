"""Order against one trade: pure functions.

Triggers look at the last traded price. An order that meets the price on arrival fills at that
price; one that rests fills at its own limit, as an order in a queue does. A market order is a limit
order at its protected price, and may rest.
"""

from dataclasses import replace
from typing import Final

from algo_sim.exchange.orders import AUTOMATIC, Order, OrderRequest

SLABS: Final = ((10_000, 200), (50_000, 100))
_LAST_SLAB: Final = 50
"""Protection of equities by price: under 100 rupees 2 %, to 500 1 %, above 0.5 % (price in paise,
basis points; Zerodha's slabs as openalgo has them)."""

_WHOLE: Final = 10_000


def protected_price(request: OrderRequest, *, reference: int, step: int) -> int:
    """The worst price a market order may trade at, from a reference price, on the price grid."""
    if request.protection == AUTOMATIC:
        points = next((bps for below, bps in SLABS if reference < below), _LAST_SLAB)
    else:
        points = request.protection
    if request.side == "BUY":
        return max(reference * (_WHOLE + points) // _WHOLE // step * step, step)
    return max(-(-reference * (_WHOLE - points) // _WHOLE // step) * step, step)


def working(order: Order, *, last: int, step: int) -> Order:
    """The order as it starts to work after arriving or being modified."""
    request = order.request
    if request.is_stop:
        return replace(order, status="TRIGGER_PENDING", limit=0, has_triggered=False)
    limit = (
        protected_price(request, reference=last, step=step)
        if request.type == "MARKET"
        else request.price
    )
    return replace(order, status="OPEN", limit=limit)


def triggered(order: Order, *, price: int, step: int) -> Order:
    """The order after a trade at `price`; the same object where it was not waiting for that."""
    request = order.request
    if order.status != "TRIGGER_PENDING":
        return order
    touched = (
        price >= request.trigger_price if request.side == "BUY" else price <= request.trigger_price
    )
    if not touched:
        return order
    limit = request.price
    if request.type == "STOP_MARKET":
        limit = protected_price(request, reference=request.trigger_price, step=step)
    return replace(order, status="OPEN", limit=limit, has_triggered=True)


def fill_price(order: Order, *, price: int, is_arriving: bool) -> int | None:
    """At what price the order trades when the market trades at `price`; None: it does not."""
    if order.status != "OPEN":
        return None
    meets = price <= order.limit if order.request.side == "BUY" else price >= order.limit
    if not meets:
        return None
    return price if is_arriving else order.limit


def filled(order: Order, *, quantity: int, price: int) -> Order:
    """After `quantity` shares more, at most the rest."""
    total = order.filled + min(quantity, order.rest)
    return replace(
        order,
        filled=total,
        value=order.value + (total - order.filled) * price,
        status="FILLED" if total == order.request.quantity else order.status,
    )
