"""Dhan's words for segments, products, order types and states, both ways."""

from typing import Final

from algo_engine.orders import OrderStatus, OrderType

SEGMENTS: Final = {"NSE": "NSE_EQ", "BSE": "BSE_EQ"}
EXCHANGES: Final = {segment: exchange for exchange, segment in SEGMENTS.items()}
PRODUCTS: Final = {"Intraday": "INTRADAY", "Delivery": "CNC"}
PRODUCT_NAMES: Final = {word: product for product, word in PRODUCTS.items()}
ORDER_TYPES: Final[dict[OrderType, str]] = {
    "MARKET": "MARKET",
    "LIMIT": "LIMIT",
    "STOP_LIMIT": "STOP_LOSS",
    "STOP_MARKET": "STOP_LOSS_MARKET",
}
TYPES: Final[dict[str, OrderType]] = {
    **{word: kind for kind, word in ORDER_TYPES.items()},
    "MKT": "MARKET",
    "LMT": "LIMIT",
    "SL": "STOP_LIMIT",
    "SLM": "STOP_MARKET",
    "SL_M": "STOP_MARKET",
}
"""The book's words and the order updates' short codes."""

STATUSES: Final[dict[str, OrderStatus]] = {
    "TRANSIT": "PENDING",
    "PENDING": "OPEN",
    "CONFIRM": "TRIGGER_PENDING",
    "TRIGGERED": "OPEN",
    "PART_TRADED": "OPEN",
    "PARTIALLY_TRADED": "OPEN",
    "TRADED": "FILLED",
    "CANCELLED": "CANCELLED",
    "EXPIRED": "CANCELLED",
    "REJECTED": "REJECTED",
}
