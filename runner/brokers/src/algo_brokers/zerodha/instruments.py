"""Zerodha's instrument master: about 100,000 lines of CSV each morning, of which shares are kept.

Freeze quantities are not in it.
"""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Final

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.parsing import csv_rows
from algo_brokers.urls import Endpoints
from algo_brokers.zerodha.enums import EXCHANGES
from algo_brokers.zerodha.responses import refusal
from algo_brokers.zerodha.urls import headers

COLUMNS: Final = (
    "instrument_token",
    "tradingsymbol",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
MAX_TICK: Final = 1_000_000
"""Paise; the largest step there is counts 500."""


def download_instruments(
    http: HttpClient, endpoints: Endpoints, session: BrokerSession
) -> AsyncIterator[bytes]:
    """The file as it comes, in pieces, unpacked. Errors as `Http.download`."""
    asked = headers(session) | {"Accept-Encoding": "gzip"}
    return http.download(endpoints.master, headers=asked, refusal=refusal)


def parse_instruments(lines: Iterator[str]) -> Iterator[Instrument]:
    """The shares of NSE and BSE: indices, which are of type EQ too, have a segment of their own. A
    file whose first line is not the master's has none.
    """
    rows = csv_rows(lines)
    names = next(rows, [])
    if not set(COLUMNS) <= set(names):
        return
    places = [names.index(name) for name in COLUMNS]
    for row in rows:
        if len(row) != len(names):
            continue
        token, symbol, tick, lot, kind, segment, exchange = (row[place] for place in places)
        if kind == "EQ" and segment == exchange and exchange in EXCHANGES and symbol:
            try:
                yield Instrument(
                    exchange=exchange,
                    symbol=symbol,
                    token=_positive(token),
                    tick_size=_tick(tick),
                    lot_size=_positive(lot),
                )
            except ValueError:
                continue


def _positive(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10 and int(digits)):
        raise ValueError("no positive number")
    return int(digits)


def _tick(rupees: str) -> int:
    try:
        paise = Decimal(rupees) * 100
        fits = 0 < paise <= MAX_TICK and paise == int(paise)
    except ArithmeticError:
        fits, paise = False, Decimal(0)
    if not fits:
        raise ValueError("no step in paise")
    return int(paise)
