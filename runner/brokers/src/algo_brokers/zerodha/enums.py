"""Zerodha's words for ours: types, products, statuses."""

from typing import Final

from algo_engine.orders import OrderStatus, OrderType

ORDER_TYPES: Final[dict[OrderType, str]] = {
    "MARKET": "MARKET",
    "LIMIT": "LIMIT",
    "STOP_LIMIT": "SL",
    "STOP_MARKET": "SL-M",
}
_TYPES: Final[dict[str, OrderType]] = {word: ours for ours, word in ORDER_TYPES.items()}

PRODUCTS: Final = {"Intraday": "MIS", "Delivery": "CNC"}
OUR_PRODUCTS: Final = {word: ours for ours, word in PRODUCTS.items()}

EXCHANGES: Final = frozenset({"NSE", "BSE"})

_STATUSES: Final[dict[str, OrderStatus]] = {
    "PUT ORDER REQ RECEIVED": "PENDING",
    "VALIDATION PENDING": "PENDING",
    "OPEN PENDING": "PENDING",
    "AMO REQ RECEIVED": "PENDING",
    "OPEN": "OPEN",
    "MODIFY VALIDATION PENDING": "OPEN",
    "MODIFY PENDING": "OPEN",
    "MODIFIED": "OPEN",
    "CANCEL PENDING": "OPEN",
    "NOT MODIFIED": "OPEN",
    "NOT CANCELLED": "OPEN",
    "TRIGGER PENDING": "TRIGGER_PENDING",
    "COMPLETE": "FILLED",
    "CANCELLED": "CANCELLED",
    "REJECTED": "REJECTED",
}
_ENDS: Final = frozenset({"COMPLETE", "CANCELLED", "REJECTED"})
"""After-market orders end with a word more: CANCELLED AMO."""


def status_of(word: str) -> OrderStatus | None:
    """Our status; None for a word that Zerodha does not document."""
    word = " ".join(word.upper().split())
    first = word.partition(" ")[0]
    return _STATUSES.get(word) or (_STATUSES[first] if first in _ENDS else None)


def type_of(word: str) -> OrderType | None:
    """Our order type; None for a word that Zerodha does not document.

    A market order with protection goes to the exchange as a limit order at its protected price, and
    the book shows it so: it stays a limit here, for its price tells whether the market has left it
    behind. What was asked for is in the journal; the echo of the protection is not reliable (Kite
    Connect forum 15912).
    """
    return _TYPES.get(word)
