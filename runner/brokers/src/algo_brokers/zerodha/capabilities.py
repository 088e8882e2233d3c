"""What Zerodha takes through its API, by exchange and date, with the source of every row."""

import datetime as dt
from typing import Final

from algo_engine.orders import OrderType

from algo_brokers.capabilities import Capabilities, Dated, Limits

ALWAYS: Final = dt.date(1994, 11, 3)
"""NSE's first day of trading in shares: recorded days of any age may be replayed."""

_ALL: Final = frozenset[OrderType]({"MARKET", "LIMIT", "STOP_LIMIT", "STOP_MARKET"})

CAPABILITIES: Final = Capabilities(
    broker="zerodha",
    rows=(
        # SL-M is legal on NSE, but not trusted to rest: since 1 April 2026 it needs
        # market_protection, so that it too ends as a limit order a band under the trigger. The
        # band is then Zerodha's choice, and order type and protection are not echoed reliably
        # (Kite Connect forum 15912). SL protects as well, at a price that we know and the book
        # shows, and on both exchanges.
        Dated(
            since=ALWAYS,
            exchange="NSE",
            order_types=_ALL,
            resting_stop="STOP_LIMIT",
            source="Kite Connect 3, orders; market protection: Kite Connect forum 15912",
        ),
        Dated(
            since=ALWAYS,
            exchange="BSE",
            order_types=_ALL,
            resting_stop="STOP_LIMIT",
            source="Kite Connect 3, orders",
        ),
        Dated(
            since=dt.date(2023, 10, 9),
            exchange="BSE",
            order_types=_ALL - {"STOP_MARKET"},
            resting_stop="STOP_LIMIT",
            source="BSE discontinued SL-M orders in all segments from 9 October 2023",
        ),
    ),
    # Kite Connect forum 52882; reads and sockets: Kite Connect 3.
    limits=Limits(
        orders_per_second=10,
        orders_per_minute=400,
        orders_per_hour=None,
        orders_per_day=5000,
        reads_per_second=10,
        quotes_per_second=1,
        modifications_per_order=25,
        sockets=3,
        instruments_per_socket=3000,
    ),
    # Kite Connect 3: order_type is a parameter of a regular order's modification.
    confirmed_modifies=frozenset(
        {
            ("STOP_LIMIT", "STOP_LIMIT"),
            ("STOP_LIMIT", "LIMIT"),
            ("STOP_LIMIT", "MARKET"),
            ("STOP_MARKET", "STOP_MARKET"),
            ("STOP_MARKET", "LIMIT"),
            ("STOP_MARKET", "MARKET"),
            ("LIMIT", "LIMIT"),
            ("LIMIT", "MARKET"),
        }
    ),
    # Second-hand reports of a book up to 30 s behind the pushes. Not proven, but believing a book
    # too early sells twice, and believing it late costs half a minute in a rare case.
    order_book_lag_seconds=30.0,
    square_off_source="Zerodha support, 'Auto square-off timings': equity intraday from 15:20",
    tag_length=20,
    requires_browser=True,
)
