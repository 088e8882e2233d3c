"""Zerodha's protocol: Kite Connect version 3."""

import datetime as dt
from typing import Any, Final

from algo_sim.broker import SimulatedBroker
from algo_sim.protocol import BrokerProtocol
from algo_sim.rate_limits import DAY, MINUTE, SECOND

LIMITS: Final = {
    "order": {SECOND: 10, MINUTE: 400, DAY: 5000},
    "other": {SECOND: 10},
    "quote": {SECOND: 1},
    "historical": {SECOND: 3},
}
"""Calls by class: seconds → most (developer forum, discussion 52882)."""


def order_id(day: dt.date, number: int) -> str:
    """A 19-digit number, as recent ones are."""
    return f"1{day:%y%m%d}{number:012d}"


def open_protocol(broker: SimulatedBroker, account: dict[str, Any]) -> BrokerProtocol:
    """The protocol over an account's desk."""
    from algo_sim.zerodha.protocol import KiteProtocol

    return KiteProtocol(broker, account)
