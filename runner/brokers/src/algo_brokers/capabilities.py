"""What is legal at a broker, by exchange and date: asked before anything is sent.

Each broker's module holds its own table with the source of every row; here is their shape and the
one check that uses them.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from algo_engine.orders import OrderType, Terms

from algo_brokers.errors import DeniedLocally

StopKind = Literal["STOP_MARKET", "STOP_LIMIT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Order types that an exchange takes through one broker's API from a date on."""

    since: dt.date
    exchange: str
    order_types: frozenset[OrderType]
    resting_stop: StopKind | None
    """The kind of stop that is left at the broker; None: it takes none, the runner guards alone."""

    source: str
    """Circular or broker document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a broker may be asked."""

    orders_per_second: int
    orders_per_minute: int
    orders_per_hour: int | None
    """None: the broker counts no hours."""

    orders_per_day: int
    reads_per_second: int
    quotes_per_second: int
    modifications_per_order: int
    sockets: int
    instruments_per_socket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One broker's table."""

    broker: str
    rows: tuple[Dated, ...]
    limits: Limits
    confirmed_modifies: frozenset[tuple[OrderType, OrderType]]
    """(from, to) changes of type that the broker's documents promise; others are tried and, when
    refused, done by cancel and a new order."""

    order_book_lag_seconds: float
    """How much later than the answer the order book may show an order; never under 5."""

    square_off_source: str
    tag_length: int
    requires_browser: bool
    """A person must log in; else the log-in worker does it alone."""

    def on(self, exchange: str, day: dt.date) -> Dated:
        """The row in force.

        Raises:
            DeniedLocally: the broker has no such exchange for us.
        """
        rows = [row for row in self.rows if row.exchange == exchange and row.since <= day]
        if not rows:
            raise DeniedLocally(f"{self.broker} takes no orders for {exchange} from this product")
        return max(rows, key=lambda row: row.since)

    def check(self, terms: Terms, *, exchange: str, day: dt.date) -> None:
        """Refuses what the broker would refuse anyway.

        Raises:
            DeniedLocally: with the reason.
        """
        row = self.on(exchange, day)
        if terms.type not in row.order_types:
            raise DeniedLocally(
                f"{self.broker} takes no {terms.type} orders on {exchange} since "
                f"{row.since.isoformat()} ({row.source})"
            )
