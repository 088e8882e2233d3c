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
    """How often a change of it was asked for."""

    conversions: int = 0
    """How often it, a stop, was to be turned into the exit."""

    changed_us: int = 0
    """Exchange time at which its newest change was confirmed; 0 before."""

    modify_refused: bool = False
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
        return self.terms.type in ("STOP_MARKET", "STOP_LIMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order as a broker's book shows it; fills are totals, so hearing one twice is harmless."""

    tag: str
    status: OrderStatus
    terms: Terms
    filled: int = 0
    value: int = 0
    broker_id: str = ""
    message: str = ""


def seen_in_book(order: Order, row: OrderRow, *, time_us: int) -> Order:
    """The order with what its broker's book shows at an exchange time. Fills never shrink; an end
    is never undone, but an order given up as absent may appear after all; one that the book shows
    was placed, whatever became of the answer; a row older than the newest change says nothing of
    terms.
    """
    grew = row.filled >= order.filled
    was_placed = order.working == "place" and row.status != "PENDING"
    has_ended = order.status in TERMINAL and order.status != "ABSENT"
    is_older = row.terms != order.terms and time_us < order.changed_us + SETTLING_US
    is_received = row.status == "PENDING" and order.status != "PENDING"
    is_stale = row.status not in TERMINAL and (
        has_ended or is_received or (order.changed_us > 0 and is_older and order.working is None)
    )
    return replace(
        order,
        status=order.status if is_stale else row.status,
        terms=order.terms if is_stale else row.terms,
        filled=row.filled if grew else order.filled,
        value=row.value if grew else order.value,
        broker_id=row.broker_id or order.broker_id,
        working=None if was_placed or row.status in TERMINAL else order.working,
    )
