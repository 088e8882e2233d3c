"""Orders as the engine and every broker's book know them."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from algo_contract.ids import Leg

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT", "STOP_LIMIT", "STOP_MARKET"]
OrderStatus = Literal[
    "PENDING",  # journalled or sent, the answer not known yet
    "OPEN",
    "TRIGGER_PENDING",
    "FILLED",
    "CANCELLED",
    "REJECTED",
    "DENIED",  # never sent
    "ABSENT",  # unresolved, looked for in the book for long enough and not found
]
Operation = Literal["place", "modify", "cancel"]

TERMINAL: Final = frozenset[OrderStatus]({"FILLED", "CANCELLED", "REJECTED", "DENIED", "ABSENT"})
SETTLING_US: Final = 5_000_000
"""How long after a confirmed change a row with other terms counts as older than it: the books of
brokers lag behind their answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What can be asked of an order: absolute values, so that repeating a request is harmless."""

    type: OrderType
    quantity: int
    price: int = 0
    """Limit in paise; 0 where the type has none."""

    trigger_price: int = 0
    """Stop trigger in paise; 0 where the type has none."""

    @property
    def is_stop(self) -> bool:
        """Whether such an order waits for a trigger."""
        return self.type in ("STOP_MARKET", "STOP_LIMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order attempt under its own tag."""

    tag: str
    leg: Leg
    attempt: int
    side: Side
    terms: Terms
    status: OrderStatus = "PENDING"
    filled: int = 0
    value: int = 0
    """Paise paid or received for what is filled: the sum of price times quantity."""

    broker_id: str = ""
    time_us: int = 0
    """Exchange time of the intent."""

    filled_us: int = 0
    """Exchange time at which its newest fill was heard of; 0 before the first."""

    working: Operation | None = "place"
    """The operation that is journalled and not answered yet."""

    wanted: Terms | None = None
    """What the modify in flight asks for."""

    modifies: int = 0
    """Changes of it that may have reached the broker."""

    conversions: int = 0
    """Confirmed changes of it, a stop, into the exit."""

    converted_us: int = 0
    """Exchange time of the first of these; 0 before."""

    changed_us: int = 0
    """Exchange time at which its newest change was confirmed; 0 before."""

    failures: int = 0
    """Changes in a row that were refused, never sent or not answered."""

    is_presumed: bool = False
    """Its end is what an answer said, or that no book showed it: one that shows it revives it."""

    modify_refused: bool = False
    """A change into the exit, or of the exit, was refused."""

    again_us: int = 0
    """Not before this exchange time is a change of it asked for again, after one that was refused
    or never sent."""

    @property
    def is_live(self) -> bool:
        """Whether it may still fill."""
        return self.status not in TERMINAL

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a trigger."""
        return self.terms.is_stop


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as a broker's book shows it; fills are totals, so hearing one twice is harmless."""

    tag: str
    status: OrderStatus
    terms: Terms
    filled: int = 0
    value: int = 0
    broker_id: str = ""
    message: str = ""


def seen_in_book(order: Order, row: OrderReport, *, time_us: int, price: int) -> Order:
    """The order with what its broker's book shows at an exchange time and a last price.

    Fills never shrink; an end that a book showed is never undone; an order that the book shows was
    placed, whatever became of the answer; a row older than the newest change says nothing of terms,
    and one that is only received nothing at all. Fills whose average the broker does not tell yet
    count at the order's limit or the last price until it does.
    """
    if row.status == "PENDING":
        return replace(order, broker_id=row.broker_id or order.broker_id)
    has_ended = order.status in TERMINAL and not order.is_presumed
    is_older = row.terms != order.terms and time_us < order.changed_us + SETTLING_US
    is_stale = row.status not in TERMINAL and (
        has_ended or (order.changed_us > 0 and is_older and order.working is None)
    )
    return replace(
        order,
        status=order.status if is_stale else row.status,
        terms=order.terms if is_stale else row.terms,
        filled=max(row.filled, order.filled),
        value=_value(order, row, price),
        broker_id=row.broker_id or order.broker_id,
        working=None if order.working == "place" or row.status in TERMINAL else order.working,
        is_presumed=False,
    )


def _value(order: Order, row: OrderReport, price: int) -> int:
    if row.filled < order.filled or (row.filled == order.filled and not row.value):
        return order.value
    return row.value or order.value + (row.filled - order.filled) * (order.terms.price or price)
