"""Net positions and money, from fills alone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from algo_sim.exchange.orders import Order, Product, Side

MARGIN_PERCENT: Final[dict[Product, int]] = {"INTRADAY": 20, "DELIVERY": 100}
"""Money needed for a position: five-fold leverage intraday at most (SEBI peak margin rules)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """All trades of the day in one share and product, whoever made them. Paise."""

    exchange: str
    symbol: str
    product: Product
    bought: int = 0
    bought_value: int = 0
    sold: int = 0
    sold_value: int = 0

    @property
    def net(self) -> int:
        """Bought less sold."""
        return self.bought - self.sold

    @property
    def realised(self) -> int:
        """Profit of what was both bought and sold, at average prices."""
        closed = min(self.bought, self.sold)
        if not closed:
            return 0
        return closed * self.sold_value // self.sold - closed * self.bought_value // self.bought

    @property
    def average(self) -> int:
        """Average price of the open side; 0 when flat."""
        if self.net > 0:
            return self.bought_value // self.bought
        return self.sold_value // self.sold if self.net < 0 else 0


def traded(position: Position, *, side: Side, quantity: int, price: int) -> Position:
    """After one more fill."""
    value = quantity * price
    if side == "BUY":
        return replace(
            position,
            bought=position.bought + quantity,
            bought_value=position.bought_value + value,
        )
    return replace(position, sold=position.sold + quantity, sold_value=position.sold_value + value)


def margin(product: Product, value: int) -> int:
    """Paise to hold back for a position worth `value` paise."""
    return -(-value * MARGIN_PERCENT[product] // 100)


def blocked(positions: Iterable[Position], live: Iterable[Order]) -> int:
    """Paise held back for open positions and for orders that would open more."""
    held = {(p.exchange, p.symbol, p.product): p for p in positions}
    total = sum(margin(p.product, abs(p.net) * p.average) for p in held.values())
    closing = {key: abs(p.net) for key, p in held.items()}
    for order in live:
        request = order.request
        key = (request.exchange, request.symbol, request.product)
        position = held.get(key)
        opens = order.rest
        if position is not None and (position.net > 0) == (request.side == "SELL"):
            closes = min(closing[key], opens)
            closing[key] -= closes
            opens -= closes
        total += margin(request.product, opens * order_price(order))
    return total


def order_price(order: Order) -> int:
    """Paise a share that an order may cost at most, as far as its terms tell."""
    request = order.request
    return order.limit or request.price or request.trigger_price
