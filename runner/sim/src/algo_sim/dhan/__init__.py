"""Dhan's protocol: DhanHQ v2."""

import datetime as dt
from typing import Any, Final

from algo_sim.broker import SimulatedBroker
from algo_sim.dhan.protocol import DhanProtocol
from algo_sim.protocol import BrokerProtocol
from algo_sim.rate_limits import DAY, HOUR, MINUTE, SECOND

LIMITS: Final = {
    "orders": {SECOND: 10, MINUTE: 250, HOUR: 1000, DAY: 7000},
    "data": {SECOND: 5, DAY: 100_000},
    "quotes": {SECOND: 1},
    "other": {SECOND: 20},
}
"""Calls by class (DhanHQ v2 "Rate Limit", orders since 21-Mar-2026)."""


def order_id(day: dt.date, number: int) -> str:
    """The broker's number of an account's order 1, 2, … of a day."""
    return f"11{day:%y%m%d}{number:05d}"


def open_protocol(broker: SimulatedBroker, account: dict[str, Any]) -> BrokerProtocol:
    """The protocol over a desk; `account` as in `settings.ACCOUNTS`."""
    return DhanProtocol(broker, account)
