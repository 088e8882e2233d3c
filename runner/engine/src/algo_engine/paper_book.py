"""The paper broker's book: pure order matching against ticks.

Market orders fill at the tick in hand; a resting stop at the first tick at or under its trigger,
whatever its price; a limit that rests at its own price, one that is met on arrival at the tick's.
Fills are whole: recorded ticks do not tell who else was in the queue. Prices in paise.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from algo_engine.orders import TERMINAL, OrderReport, Side, Terms

NEVER: Final = 1 << 62
_WHOLE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """A row of the book, and its side."""

    side: Side
    row: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperBook:
    """All orders of one strategy's day."""

    slippage_bps: int = 0
    orders: dict[str, PaperOrder] = field(default_factory=dict[str, PaperOrder])


def place(book: PaperBook, tag: str, side: Side, terms: Terms, *, price: int) -> PaperBook:
    """Takes a new order at a last price of `price` (0: none known yet). A tag that the book has
    already is not taken again.
    """
    if tag in book.orders:
        return book
    status = "TRIGGER_PENDING" if terms.type in ("STOP_MARKET", "STOP_LIMIT") else "OPEN"
    row = OrderReport(tag=tag, status=status, terms=terms, broker_id=f"paper-{tag}")
    return _put(book, _arrived(book, PaperOrder(side=side, row=row), price))


def modify(book: PaperBook, tag: str, terms: Terms, *, price: int) -> PaperBook:
    """Changes a live order to absolute terms; one that ended stays as it is."""
    order = book.orders[tag]
    if order.row.status in TERMINAL:
        return book
    status = "TRIGGER_PENDING" if terms.type in ("STOP_MARKET", "STOP_LIMIT") else "OPEN"
    changed = replace(order, row=replace(order.row, terms=terms, status=status))
    return _put(book, _arrived(book, changed, price))


def cancel(book: PaperBook, tag: str) -> PaperBook:
    """Cancels a live order; one that ended stays as it is."""
    order = book.orders[tag]
    if order.row.status in TERMINAL:
        return book
    return _put(book, replace(order, row=replace(order.row, status="CANCELLED")))


def trade(book: PaperBook, price: int) -> PaperBook:
    """Lets one tick fill what it touches; the same book where it touches nothing."""
    for order in book.orders.values():
        if order.row.status in TERMINAL:
            continue
        met = _met(book, order, price, is_new=False)
        if met is not order:
            book = _put(book, met)
    return book


def changed_rows(before: PaperBook, after: PaperBook) -> list[OrderReport]:
    """The rows of `after` that differ from `before`, in the order they were placed."""
    if before is after:
        return []
    return [o.row for tag, o in after.orders.items() if before.orders.get(tag) != o]


def touched_at(book: PaperBook) -> tuple[int, int]:
    """(low, high): a price at or under low, or at or over high, may fill something."""
    low, high = 0, NEVER
    for order in book.orders.values():
        row = order.row
        if row.status in TERMINAL:
            continue
        if row.status == "TRIGGER_PENDING":
            low = max(low, row.terms.trigger_price)
        elif row.terms.type == "LIMIT" and order.side == "BUY":
            low = max(low, row.terms.price)
        elif row.terms.type == "LIMIT":
            high = min(high, row.terms.price)
        else:
            low = NEVER
    return low, high


def _arrived(book: PaperBook, order: PaperOrder, price: int) -> PaperOrder:
    """An order as the book takes it. A stop waits for the next tick, whatever the last price."""
    waits = order.row.status == "TRIGGER_PENDING"
    return order if waits else _met(book, order, price, is_new=True)


def _met(book: PaperBook, order: PaperOrder, price: int, *, is_new: bool) -> PaperOrder:
    """The order after a look at the last price: filled, triggered, or the same object."""
    terms = order.row.terms
    if price <= 0:
        return order
    if order.row.status == "TRIGGER_PENDING":
        if price > terms.trigger_price:
            return order
        if terms.type == "STOP_MARKET":
            return _filled(order, _slipped(book, order.side, price))
        triggered = replace(order, row=replace(order.row, status="OPEN"))
        return _met(book, triggered, price, is_new=True)
    if terms.type == "MARKET":
        return _filled(order, _slipped(book, order.side, price))
    is_met = price <= terms.price if order.side == "BUY" else price >= terms.price
    return _filled(order, price if is_new else terms.price) if is_met else order


def _slipped(book: PaperBook, side: Side, price: int) -> int:
    """The price after slippage, rounded against the trader."""
    if side == "BUY":
        return -(-price * (_WHOLE + book.slippage_bps) // _WHOLE)
    return price * (_WHOLE - book.slippage_bps) // _WHOLE


def _filled(order: PaperOrder, price: int) -> PaperOrder:
    rest = order.row.terms.quantity - order.row.filled
    row = replace(
        order.row,
        status="FILLED",
        filled=order.row.terms.quantity,
        value=order.row.value + rest * price,
    )
    return replace(order, row=row)


def _put(book: PaperBook, order: PaperOrder) -> PaperBook:
    return replace(book, orders={**book.orders, order.row.tag: order})
