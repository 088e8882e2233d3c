"""Trading days for tests: assignments, and tick paths made from prices."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from algo_contract import calendar
from algo_contract.messages.assignment import Assignment, Strategy
from algo_contract.ids import strategy_id
from algo_engine.tick_file import FileTick

DAY = dt.date(2019, 7, 9)


def a_strategy(**fields: Any) -> Strategy:
    """Ten YESBANK, 09:20 to 15:05, stop at ₹93, unless said otherwise (paise, basis points)."""
    uid = fields.pop("uid", "0b54b2a8-5c1e-4d0a-9d7c-1f2e3d4c5b6a")
    strategy = Strategy(
        uid=uid,
        id=strategy_id(uid),
        namespace="tenant-demo",
        name="test",
        exchange="NSE",
        symbol="YESBANK",
        buy_time=calendar.seconds_of_day("09:20"),
        sell_time=calendar.seconds_of_day("15:05"),
        quantity=10,
        stop_loss=9300,
    )
    if "stop_loss_bps" in fields:
        fields["stop_loss"] = None
    return replace(strategy, **fields)


def a_day(strategy: Strategy | None = None, **fields: Any) -> Assignment:
    """An assignment for 9 July 2019 on recorded ticks."""
    return Assignment(
        **{
            "strategy": strategy or a_strategy(),
            "session": calendar.session(DAY, broker="paper", has_closing_auction=False),
            "tick_bands": calendar.tick_bands(DAY),
            "feed": "shared",
            "clock": "Feed",
            "account_id": None,
            "broker": "paper",
            "epoch": 1,
        }
        | fields
    )


def ticks_at(
    prices: Sequence[int], *, start: str = "09:20", step_seconds: float = 60
) -> list[FileTick]:
    """One tick a step from a clock time on, at these prices in paise."""
    session = calendar.session(DAY, broker="paper", has_closing_auction=False)
    first = session.midnight_us + calendar.seconds_of_day(start) * 1_000_000
    return [
        ("NSE", "YESBANK", first + int(n * step_seconds * 1_000_000), price, 1, n + 1)
        for n, price in enumerate(prices)
    ]
