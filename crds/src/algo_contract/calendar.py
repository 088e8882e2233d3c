"""The dated NSE and BSE calendar: trading days, session hours, last exit times, tick sizes.

The rules are data (`data/sessions.toml`, `generated/holidays.json`), each with its source and
date; code asks here and holds no time of its own. Loaded by the operator, the API and replay; a
runner is handed its day's session ready made, and loads `trading_day` alone.
"""

import datetime as dt
import json
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from algo_contract.trading_day import (
    EXIT_MARGIN_US,
    IST,
    TickBand,
    TradingSession,
    clock_text,
    ist_datetime,
    microseconds,
    seconds_of_day,
    tick_size,
)

__all__ = [
    "IST",
    "TickBand",
    "TradingSession",
    "clock_text",
    "closing_auction_us",
    "has_closing_auction",
    "is_trading_day",
    "ist_datetime",
    "microseconds",
    "next_trading_day",
    "published_until",
    "seconds_of_day",
    "session",
    "square_off_us",
    "tick_bands",
    "tick_size",
]


def is_trading_day(day: dt.date) -> bool:
    """Whether the cash market holds a full session on that date.

    Past the last published year a weekday counts as a trading day: see `published_until`.
    """
    rules = _rules()
    if day in rules["special_sessions"]["dates"]:
        return True
    return day.weekday() < 5 and day not in _holidays()


def published_until() -> dt.date:
    """The last date for which the exchange's holidays are known to this release."""
    return _rules()["holidays"]["published_until"]


def next_trading_day(after: dt.date) -> dt.date:
    """The first trading day after a date."""
    day = after + dt.timedelta(days=1)
    while not is_trading_day(day):
        day += dt.timedelta(days=1)
    return day


def session(day: dt.date, *, broker: str, has_closing_auction: bool) -> TradingSession:
    """The session of a trading day, for an account's broker and a share.

    Args:
        day: a trading day (not checked).
        broker: whose square-off time limits the sell time; an unlisted one falls under paper's.
        has_closing_auction: the share has derivatives, so it closes by auction where one is held.
    """
    rule = _dated("session", day)
    midnight = dt.datetime.combine(day, dt.time(), IST)

    def at(clock: str) -> int:
        return microseconds(midnight + dt.timedelta(seconds=seconds_of_day(clock)))

    limits = [at(_square_off(broker, day, auction=has_closing_auction)), at(rule["close"])]
    if has_closing_auction and rule["closing_auction"] != "none":
        limits.append(at(rule["closing_auction"]))
    return TradingSession(
        trading_day=day.isoformat(),
        midnight_us=microseconds(midnight),
        pre_open_us=at(rule["pre_open"]),
        open_us=at(rule["open"]),
        close_us=at(rule["close"]),
        last_exit_us=min(limits) - EXIT_MARGIN_US,
    )


def tick_bands(day: dt.date) -> tuple[TickBand, ...]:
    """The price steps in force on a date, cheapest shares first."""
    rule = _dated("tick_size", day)
    return tuple(TickBand(band["below"] * 100, band["tick"]) for band in rule["bands"])


def has_closing_auction(exchange: str, symbol: str) -> bool:
    """Whether a share closes by auction: it has derivatives (`data/closing_auction.txt`).

    The list is a snapshot; where a broker's instrument master is loaded, its flag counts.
    """
    return exchange in {"NSE", "BSE"} and symbol in _closing_auction_symbols()


def closing_auction_us(day: dt.date) -> int | None:
    """When the closing auction begins in the shares that have one; None on days without it."""
    start = _dated("session", day)["closing_auction"]
    return None if start == "none" else _on(day, start)


def square_off_us(day: dt.date, *, broker: str) -> int:
    """When a broker closes its last intraday positions, by its own policy."""
    return _on(day, _square_off(broker, day, auction=False))


def _on(day: dt.date, clock: str) -> int:
    midnight = dt.datetime.combine(day, dt.time(), IST)
    return microseconds(midnight + dt.timedelta(seconds=seconds_of_day(clock)))


def _square_off(broker: str, day: dt.date, *, auction: bool) -> str:
    rows = [row for row in _rules()["square_off"] if row["from"] <= day]
    own = [row for row in rows if row["broker"] == broker]
    row = (own or [row for row in rows if row["broker"] == "paper"])[-1]
    return row.get("auction_shares", row["time"]) if auction else row["time"]


def _dated(table: str, day: dt.date) -> dict[str, Any]:
    rows = [row for row in _rules()[table] if row["from"] <= day]
    if not rows:
        raise ValueError(f"no {table} rule is known for {day.isoformat()}")
    return rows[-1]


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads(_read("data/sessions.toml"))


@cache
def _holidays() -> frozenset[dt.date]:
    past = json.loads(_read("generated/holidays.json"))["holidays"]
    return frozenset(
        {dt.date.fromisoformat(day) for day in past} | set(_rules()["holidays"]["dates"])
    )


@cache
def _closing_auction_symbols() -> frozenset[str]:
    lines = _read("data/closing_auction.txt").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _read(path: str) -> str:
    return (files("algo_contract") / path).read_text(encoding="utf-8")
