"""What Dhan takes through its API, by exchange and date, and how often it may be asked."""

import datetime as dt
from typing import Final

from algo_engine.orders import OrderType

from algo_brokers.capabilities import Capabilities, Dated, Limits

PROTECTED_MARKET_SINCE: Final = dt.date(2026, 3, 21)
"""From this day Dhan turns a MARKET order of the API into a limit order at a protected price."""

_TYPES: Final = frozenset[OrderType]({"MARKET", "LIMIT", "STOP_LIMIT"})
"""Never STOP_LOSS_MARKET: BSE has ended it, and on NSE Dhan does not rest it dependably."""

_SOURCES: Final = {
    "NSE": "DhanHQ v2 orders; openalgo issue 1647: STOP_LOSS_MARKET does not rest dependably",
    "BSE": "DhanHQ v2 orders; BSE ended stop-loss market orders on 9-Oct-2023",
}
_PROTECTED: Final = "DhanHQ notice of 21-Mar-2026: market orders become protected limits"


def _row(exchange: str, since: dt.date, source: str) -> Dated:
    return Dated(
        since=since,
        exchange=exchange,
        order_types=_TYPES,
        resting_stop="STOP_LIMIT",
        source=source,
    )


CAPABILITIES: Final = Capabilities(
    broker="dhan",
    rows=tuple(
        row
        for exchange, source in _SOURCES.items()
        for row in (
            _row(exchange, dt.date.min, source),
            _row(exchange, PROTECTED_MARKET_SINCE, f"{source}; {_PROTECTED}"),
        )
    ),
    # DhanHQ v2 introduction, rate limits, as of 21-Mar-2026.
    limits=Limits(
        orders_per_second=10,
        orders_per_minute=250,
        orders_per_hour=1000,
        orders_per_day=7000,
        reads_per_second=20,
        quotes_per_second=1,
        modifications_per_order=25,
        sockets=5,
        instruments_per_socket=5000,
    ),
    # DhanHQ v2, "Order Modification": price, quantity, order type and validity may change.
    confirmed_modifies=frozenset(
        {
            ("STOP_LIMIT", "STOP_LIMIT"),
            ("STOP_LIMIT", "LIMIT"),
            ("STOP_LIMIT", "MARKET"),
            ("LIMIT", "LIMIT"),
            ("LIMIT", "MARKET"),
        }
    ),
    # Dhan tells no lag. Believing a book too early sells twice; believing it late costs half a
    # minute in a rare case.
    order_book_lag_seconds=30.0,
    square_off_source="Dhan support: intraday positions are squared off from 15:20",
    tag_length=30,
    requires_browser=False,
)
