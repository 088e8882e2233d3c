"""Dhan's words for orders, both ways.

A row shows what Dhan's book shows. From 21-Mar-2026 a MARKET order stands there as the LIMIT at
a protected price that Dhan made of it, and nothing says what it was: its row is a LIMIT with that
price. A live exit that is no stop is the exit, whatever its type.

A stop that has fired looks like one that rests: Dhan has no word of its own for either.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from algo_engine.orders import TERMINAL, OrderRow, OrderStatus, OrderType, Terms

from algo_brokers.dhan.answers import cleaned
from algo_brokers.dhan.units import nearest_paise, text_of, whole, worth
from algo_brokers.order_rows import is_possible, readable_id, unreadable_row

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
_TYPES: Final[dict[str, OrderType]] = {
    **{word: kind for kind, word in ORDER_TYPES.items()},
    "MKT": "MARKET",
    "LMT": "LIMIT",
    "SL": "STOP_LIMIT",
    "SLM": "STOP_MARKET",
    "SL_M": "STOP_MARKET",
}
"""The book's words and the order updates' short codes."""

_STATUSES: Final[dict[str, OrderStatus]] = {
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
_NO_REASON: Final = frozenset({"CONFIRMED", "NR", "NA"})
"""Where an order update has nothing to say."""

_OURS: Final = re.compile(r"[A-Z2-7]{20}")
"""A tag as `algo_contract.ids.order_tag` makes it."""


UNREADABLE: Final = (ArithmeticError, LookupError, TypeError, ValueError)
"""What reading a row of something else raises."""


def our_tag(correlation_id: Any) -> str:
    """The correlation id if it is a tag of ours, else empty."""
    text = text_of(correlation_id)
    return text if _OURS.fullmatch(text) else ""


def ended(word: Any) -> OrderStatus | None:
    """How an order has ended by Dhan's word; None while it has not."""
    status = _STATUSES.get(_name(word))
    return status if status in TERMINAL else None


def order_status(word: Any, *, terms: Terms, filled: int) -> tuple[OrderStatus, str]:
    """The status, and words about a state that is not known. Such an order counts as open: it is
    asked for again until its state is known.
    """
    name = _name(word)
    status = _STATUSES.get(name)
    if status is None:
        return "OPEN", f"Dhan shows an order in an unknown state, {name[:40]!r}"
    if status == "FILLED" and filled < terms.quantity:
        return "OPEN", f"Dhan calls an order traded with {filled} of {terms.quantity} filled"
    if status == "OPEN" and terms.type in ("STOP_LIMIT", "STOP_MARKET") and filled == 0:
        return ("TRIGGER_PENDING" if name == "PENDING" else "OPEN"), ""
    return status, ""


def book_row(fields: Mapping[str, Any]) -> OrderRow:
    """A row of the order book. One of ours that cannot be read says no more than that.

    Raises:
        UNREADABLE: a row of others cannot be read.
    """
    tag = our_tag(fields.get("correlationId"))
    try:
        return _book_row(fields)
    except UNREADABLE as error:
        if not tag:
            raise
        reason = _reason(error)
    return unreadable_row(tag, order_id=fields.get("orderId"), reason=reason)


def _book_row(fields: Mapping[str, Any]) -> OrderRow:
    return _row(
        fields,
        broker_id=fields["orderId"],
        word=fields["orderStatus"],
        filled=fields.get("filledQty"),
        average=fields.get("averageTradedPrice"),
        message=fields.get("omsErrorDescription"),
    )


def book_rows(book: Sequence[Mapping[str, Any]]) -> list[OrderRow]:
    """The order book. No row that cannot be read hides another; those of others are left out."""
    rows: list[OrderRow] = []
    for fields in book:
        with suppress(*UNREADABLE):
            rows.append(book_row(fields))
    return rows


def pushed_row(fields: Mapping[str, Any]) -> OrderRow:
    """The `Data` of an order update. Its names come in PascalCase in the documents and in
    camelCase on the wire. One without an average counts at the price of its newest fill: the book
    puts that right. One of ours that cannot be read says no more than that.

    Raises:
        UNREADABLE: one of others cannot be read.
    """
    lower = {name.lower(): value for name, value in fields.items()}
    tag = our_tag(lower.get("correlationid"))
    try:
        return _pushed_row(lower)
    except UNREADABLE as error:
        if not tag:
            raise
        reason = _reason(error)
    return unreadable_row(tag, order_id=lower.get("orderno"), reason=reason)


def _pushed_row(lower: Mapping[str, Any]) -> OrderRow:
    reason = text_of(lower.get("reasondescription"))
    named = {name: lower.get(name.lower()) for name in ("correlationId", "price", "triggerPrice")}
    return _row(
        {**named, "orderType": lower["ordertype"], "quantity": lower["quantity"]},
        broker_id=lower["orderno"],
        word=lower["status"],
        filled=lower.get("tradedqty"),
        average=lower.get("avgtradedprice") or lower.get("tradedprice"),
        message="" if reason.upper() in _NO_REASON else reason,
    )


def _name(word: Any) -> str:
    """Title case and spaces, as order updates have them, in the book's spelling."""
    return text_of(word).strip().upper().replace(" ", "_").replace("-", "_")


def _reason(error: Exception) -> str:
    """Which field is absent, or what is wrong with one."""
    return f"no {error.args[0]}" if isinstance(error, LookupError) else cleaned(str(error))


def _row(
    fields: Mapping[str, Any], *, broker_id: Any, word: Any, filled: Any, average: Any, message: Any
) -> OrderRow:
    type_name = _name(fields["orderType"])
    kind = _TYPES.get(type_name, "LIMIT")
    terms = Terms(
        type=kind,
        quantity=whole(fields["quantity"]),
        price=nearest_paise(fields.get("price")) if kind in ("LIMIT", "STOP_LIMIT") else 0,
        trigger_price=nearest_paise(fields.get("triggerPrice")) if kind.startswith("STOP") else 0,
    )
    done, order_id = whole(filled), readable_id(broker_id)
    status, unknown = order_status(word, terms=terms, filled=done)
    if not is_possible(quantity=terms.quantity, filled=done, is_live=status not in TERMINAL):
        raise ValueError("the quantity and what is filled of it contradict each other")
    if not order_id:
        raise ValueError("no order id")
    if type_name not in _TYPES and not unknown:
        unknown = f"Dhan shows an order of an unknown type, {type_name[:40]!r}"
    reason = cleaned(message) if status in ("REJECTED", "CANCELLED") else ""
    return OrderRow(
        tag=our_tag(fields.get("correlationId")),
        status=status,
        terms=terms,
        filled=done,
        value=worth(average, done),
        broker_id=order_id,
        message=unknown or reason,
    )
