"""Dhan's words for what the exchange knows (DhanHQ v2 "Annexure")."""

import datetime as dt
from typing import Final

from algo_contract.trading_day import ist_datetime

from algo_sim.exchange.orders import Order, OrderType, Product, Side, Validity

SEGMENTS: Final = {"NSE_EQ": "NSE", "BSE_EQ": "BSE"}
SEGMENT_OF: Final = {exchange: segment for segment, exchange in SEGMENTS.items()}
SEGMENT_NUMBERS: Final = {"NSE": 1, "BSE": 4}
SIDES: Final[dict[str, Side]] = {"BUY": "BUY", "SELL": "SELL"}
PRODUCTS: Final[dict[str, Product]] = {"INTRADAY": "INTRADAY", "CNC": "DELIVERY"}
PRODUCT_OF: Final = {product: word for word, product in PRODUCTS.items()}
VALIDITIES: Final[dict[str, Validity]] = {"DAY": "DAY", "IOC": "IOC"}
ORDER_TYPES: Final[dict[str, OrderType]] = {
    "LIMIT": "LIMIT",
    "MARKET": "MARKET",
    "STOP_LOSS": "STOP_LIMIT",
}
"""Without STOP_LOSS_MARKET, which does not rest dependably since 21-Mar-2026."""

_DIGITS: Final = 10
"""A security id has fewer."""

_TYPE_OF: Final[dict[OrderType, str]] = {
    "LIMIT": "LIMIT",
    "MARKET": "LIMIT",
    "STOP_LIMIT": "STOP_LOSS",
    "STOP_MARKET": "STOP_LOSS_MARKET",
}
"""A market order was made a limit order with protection when it came (since 21-Mar-2026), and the
book shows it so."""


def order_type(order: Order) -> str:
    """As the book shows it."""
    return _TYPE_OF[order.request.type]


def price(order: Order) -> int:
    """As the book shows it: a converted market order has the price of its protection. Paise."""
    return order.limit if order.request.type == "MARKET" else order.request.price


def status(order: Order) -> str:
    """The book's word; a stop that waits and one that fired are PENDING alike."""
    if order.status == "FILLED":
        return "TRADED"
    if order.status == "CANCELLED" and order.expired:
        return "EXPIRED"
    if order.status in {"CANCELLED", "REJECTED"}:
        return order.status
    return "PART_TRADED" if order.filled else "PENDING"


def share_number(value: object) -> int:
    """A security id, which comes as text or number; -1 where it is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else -1


def ist(time_us: int) -> str:
    """IST without a zone, as in the order book."""
    return ist_datetime(time_us).strftime("%Y-%m-%d %H:%M:%S")


def ist_from_seconds(seconds: float) -> dt.datetime:
    """IST of a wall clock time."""
    return ist_datetime(int(seconds * 1_000_000))
